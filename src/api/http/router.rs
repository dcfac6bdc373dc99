//! The router, from the declaration of the routes: each with its handler, behind its guard.

use axum::{
    Router,
    extract::Request,
    middleware::from_fn_with_state,
    response::Response,
    routing::{MethodRouter, get, post},
};
use http::{HeaderName, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{
    AppState, SharedState, access_control, docs, health, index, metrics, models, openapi, predict, problem,
    routes::{ROUTES, RouteName},
    service::{HttpService, RequestContext},
};
use crate::{
    domain::{
        error_code::ErrorCode,
        violation::{quote, truncate},
    },
    serving::{RequestProgress, ServeError},
};

/// The routes over these services, behind the front that sees every request.
pub fn build_service(services: AppState) -> HttpService {
    let origins = services.settings.cors.origins.clone();
    let services: SharedState = services.into();
    let of = |of_models: bool| {
        let chosen = ROUTES.iter().filter(|route| route.access.serves_models() == of_models);
        let routes = chosen.fold(Router::new(), |router, route| {
            let guard =
                from_fn_with_state((SharedState::clone(&services), route.access), access_control::access_middleware);
            router.route(route.template, handler(route.name).route_layer(guard))
        });
        routes.method_not_allowed_fallback(wrong_method)
    };
    // The fallback comes before the layer for other origins, whose preflight requests have a method that no route takes.
    let of_models = of(true);
    let of_models = if origins.is_empty() { of_models } else { of_models.layer(cors(&origins)) };
    let router = of_models.merge(of(false)).fallback(unknown_path).with_state(SharedState::clone(&services));
    HttpService::new(services, router)
}

fn handler(name: RouteName) -> MethodRouter<SharedState> {
    match name {
        RouteName::Predict => post(predict::default_model),
        RouteName::PredictModel => post(predict::stable),
        RouteName::PredictVersion => post(predict::pinned),
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

async fn unknown_path(request: Request) -> Response {
    let path = quote(request.uri().path());
    let failure =
        ServeError::new(ErrorCode::NotFound, format!("there is nothing at {path}; GET / lists what is served"));
    problem::problem_response(
        &failure,
        &RequestContext::of(request.extensions()).request_id,
        RequestProgress::default(),
    )
}

async fn wrong_method(request: Request) -> Response {
    let path = request.uri().path();
    let wanted = if path.ends_with("/predict") { "POST" } else { "GET" };
    let detail = format!("{} takes {wanted}, not {}", quote(path), truncate(request.method().as_str()));
    let failure = ServeError::new(ErrorCode::MethodNotAllowed, detail);
    problem::problem_response(
        &failure,
        &RequestContext::of(request.extensions()).request_id,
        RequestProgress::default(),
    )
}
