//! Builds the routers from the declaration of the routes, and assigns each route its handler.

use std::sync::Arc;

use axum::{
    Router,
    extract::Request,
    response::Response,
    routing::{MethodRouter, get, post, put},
};
use http::{HeaderName, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{
    SharedState,
    access_control::AccessControl,
    admin,
    context::Context,
    docs,
    error_codes::{METHOD_NOT_ALLOWED, NOT_FOUND},
    health, index, metrics, models,
    move_body::{CanaryBody, LoadBody, PromoteBody, RollbackBody, ShadowBody, UnloadBody},
    moves, openapi, predict, rollouts,
    routes::{self, ADMIN_ROUTES, ROUTES, Route, RouteAccess, RouteName},
    service::HttpService,
};
use crate::{
    domain::text::{quote, truncate},
    security::TokenStore,
    serving::{Recorder, ServeError},
};

/// Builds the service of the data listener.
pub fn data_service(state: &SharedState, access: AccessControl, recorder: Recorder) -> HttpService {
    let origins = &state.settings.cors.origins;
    let models = build(ROUTES, |route| route.access.serves_models());
    let models = if origins.is_empty() { models } else { models.layer(cors(origins)) };
    let others = build(ROUTES, |route| !route.access.serves_models());
    HttpService {
        protocol: "native",
        routes: ROUTES,
        router: models.merge(others).fallback(no_such_path).with_state(Arc::clone(state)),
        unrouted: RouteAccess::Open,
        shutdown: state.shutdown.clone(),
        access: Arc::new(access),
        recorder,
    }
}

/// Builds the service of the admin listener: the routes for operators, with separate tokens.
pub fn admin_service(state: &SharedState, tokens: TokenStore, recorder: Recorder) -> HttpService {
    HttpService {
        protocol: "admin",
        routes: ADMIN_ROUTES,
        router: build(ADMIN_ROUTES, |_| true).fallback(no_such_admin_path).with_state(Arc::clone(state)),
        unrouted: RouteAccess::Admin,
        shutdown: state.shutdown.clone(),
        access: Arc::new(AccessControl::token_only(tokens, state.shutdown.clone())),
        recorder,
    }
}

fn build(table: &'static [Route], include: impl Fn(&Route) -> bool) -> Router<SharedState> {
    let mut router = Router::new();
    for route in table.iter().filter(|route| include(route)) {
        // The router merges the handlers of one path.
        router = router.route(route.template, handler(route.name));
    }
    router.method_not_allowed_fallback(async move |Context(context): Context, request: Request| {
        let (path, method) = (request.uri().path(), truncate(request.method().as_str()));
        let detail = format!("{} accepts {}, not {method}", quote(path), routes::methods(table, path));
        context.refuse(&ServeError::new(METHOD_NOT_ALLOWED, detail))
    })
}

fn handler(name: RouteName) -> MethodRouter<SharedState> {
    match name {
        RouteName::Predict => post(predict::default_model),
        RouteName::PredictModel => post(predict::stable_version),
        RouteName::PredictVersion => post(predict::named_version),
        RouteName::Metrics => get(metrics::get),
        RouteName::Healthz | RouteName::Livez => get(health::get_live),
        RouteName::Readyz => get(health::ready),
        RouteName::Models => get(models::list),
        RouteName::Model => get(models::model),
        RouteName::Contract => get(models::stable_contract),
        RouteName::Version => get(models::version),
        RouteName::VersionContract => get(models::contract),
        RouteName::OpenApi => get(openapi::get),
        RouteName::Docs => get(docs::page),
        RouteName::Problems => get(docs::problems),
        RouteName::Problem => get(docs::problem_page),
        RouteName::Root => get(index::index_text),
        RouteName::LogLevel => get(admin::get_log_level),
        RouteName::SetLogLevel => put(admin::set_log_level),
        RouteName::Reload => post(rollouts::reload),
        RouteName::Rollouts => get(rollouts::list),
        RouteName::Rollout => get(rollouts::model),
        RouteName::Promote => post(moves::make::<PromoteBody>),
        RouteName::Canary => post(moves::make::<CanaryBody>),
        RouteName::Shadow => post(moves::make::<ShadowBody>),
        RouteName::Rollback => post(moves::make::<RollbackBody>),
        RouteName::Load => post(moves::make::<LoadBody>),
        RouteName::Unload => post(moves::make::<UnloadBody>),
    }
}

fn cors(origins: &[String]) -> CorsLayer {
    let origins = origins.iter().filter_map(|origin| origin.parse().ok());
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([
            header::CONTENT_TYPE,
            header::AUTHORIZATION,
            header::CONTENT_ENCODING,
            HeaderName::from_static("x-request-id"),
            HeaderName::from_static("x-deadline-ms"),
            HeaderName::from_static("traceparent"),
            HeaderName::from_static("tracestate"),
        ])
        .expose_headers([HeaderName::from_static("x-request-id"), HeaderName::from_static("server-timing")])
}

async fn no_such_path(Context(context): Context, request: Request) -> Response {
    let path = quote(request.uri().path());
    let detail = format!("no route matches {path}; GET / lists models and routes");
    context.refuse(&ServeError::new(NOT_FOUND, detail))
}

async fn no_such_admin_path(Context(context): Context) -> Response {
    let paths = routes::templates(ADMIN_ROUTES).collect::<Vec<_>>().join(", ");
    context.refuse(&ServeError::new(NOT_FOUND, format!("the admin listener serves only {paths}")))
}
