//! Every route on one screen.

use axum::{
    Router,
    extract::Request,
    middleware::from_fn_with_state,
    response::Response,
    routing::{get, post},
};
use http::{HeaderName, Method, header};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::{
    Services, Shared,
    accept::{Accepted, Front},
    docs, guard, health, metrics, models, openapi, predict, problem, root,
};
use crate::{
    domain::code::ErrorCode,
    serving::{Failure, Road},
};

/// The routes over these services, behind the front that sees every request.
pub fn front(services: Services) -> Front {
    let origins = services.settings.cors.origins.clone();
    let services: Shared = services.into();
    let data = Router::new()
        .route("/predict", post(predict::default_model))
        .route("/models/{model}/predict", post(predict::stable))
        .route("/models/{model}/versions/{version}/predict", post(predict::pinned))
        .route("/models", get(models::list))
        .route("/models/{model}", get(models::model))
        .route("/models/{model}/contract", get(models::stable_contract))
        .route("/models/{model}/versions/{version}", get(models::version))
        .route("/models/{model}/versions/{version}/contract", get(models::contract))
        .route("/openapi.json", get(openapi::get))
        .route_layer(from_fn_with_state(Shared::clone(&services), guard::layer))
        // Before the layer for other origins, whose preflight requests come with a method that no route takes.
        .method_not_allowed_fallback(wrong_method);
    let data = if origins.is_empty() { data } else { data.layer(cors(&origins)) };
    let router = Router::new()
        .merge(data)
        .route("/metrics", get(metrics::get))
        .route("/healthz", get(health::live))
        .route("/livez", get(health::live))
        .route("/readyz", get(health::ready))
        .route("/docs", get(docs::page))
        .route("/problems", get(docs::problems))
        .route("/problems/{code}", get(docs::problem))
        .route("/", get(root::text))
        .fallback(unknown_path)
        .method_not_allowed_fallback(wrong_method)
        .with_state(Shared::clone(&services));
    Front::new(services, router)
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
    let path = crate::domain::violation::quote(request.uri().path());
    let failure = Failure::new(ErrorCode::NotFound, format!("there is nothing at {path}; GET / lists what is served"));
    problem::respond(&failure, &Accepted::of(request.extensions()).request_id, Road::default())
}

async fn wrong_method(request: Request) -> Response {
    let path = request.uri().path();
    let wanted = if path.ends_with("/predict") { "POST" } else { "GET" };
    let detail = format!("{} takes {wanted}, not {}", crate::domain::violation::quote(path), request.method());
    let failure = Failure::new(ErrorCode::MethodNotAllowed, detail);
    problem::respond(&failure, &Accepted::of(request.extensions()).request_id, Road::default())
}
