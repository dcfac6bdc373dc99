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
    Services, Shared,
    accept::{Accepted, Front},
    docs, guard, health, metrics, models, openapi, predict, problem, root,
    routes::{Name, ROUTES},
};
use crate::{
    domain::{
        code::ErrorCode,
        violation::{cut, quote},
    },
    serving::{Failure, Road},
};

/// The routes over these services, behind the front that sees every request.
pub fn front(services: Services) -> Front {
    let origins = services.settings.cors.origins.clone();
    let services: Shared = services.into();
    let of = |of_models: bool| {
        let chosen = ROUTES.iter().filter(|route| route.access.is_of_models() == of_models);
        let routes = chosen.fold(Router::new(), |router, route| {
            let guard = from_fn_with_state((Shared::clone(&services), route.access), guard::layer);
            router.route(route.template, handler(route.name).route_layer(guard))
        });
        routes.method_not_allowed_fallback(wrong_method)
    };
    // The fallback comes before the layer for other origins, whose preflight requests have a method that no route takes.
    let of_models = of(true);
    let of_models = if origins.is_empty() { of_models } else { of_models.layer(cors(&origins)) };
    let router = of_models.merge(of(false)).fallback(unknown_path).with_state(Shared::clone(&services));
    Front::new(services, router)
}

fn handler(name: Name) -> MethodRouter<Shared> {
    match name {
        Name::Predict => post(predict::default_model),
        Name::PredictModel => post(predict::stable),
        Name::PredictVersion => post(predict::pinned),
        Name::Metrics => get(metrics::get),
        Name::Healthz | Name::Livez => get(health::live),
        Name::Readyz => get(health::ready),
        Name::Models => get(models::list),
        Name::Model => get(models::model),
        Name::Contract => get(models::stable_contract),
        Name::Version => get(models::version),
        Name::VersionContract => get(models::contract),
        Name::OpenApi => get(openapi::get),
        Name::Docs => get(docs::page),
        Name::Problems => get(docs::problems),
        Name::Problem => get(docs::problem),
        Name::Root => get(root::text),
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
    let failure = Failure::new(ErrorCode::NotFound, format!("there is nothing at {path}; GET / lists what is served"));
    problem::respond(&failure, &Accepted::of(request.extensions()).request_id, Road::default())
}

async fn wrong_method(request: Request) -> Response {
    let path = request.uri().path();
    let wanted = if path.ends_with("/predict") { "POST" } else { "GET" };
    let detail = format!("{} takes {wanted}, not {}", quote(path), cut(request.method().as_str()));
    let failure = Failure::new(ErrorCode::MethodNotAllowed, detail);
    problem::respond(&failure, &Accepted::of(request.extensions()).request_id, Road::default())
}
