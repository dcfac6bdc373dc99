//! Health that does not lie: alive says nothing about load, ready gives its reasons.

use axum::{Json, extract::State, response::IntoResponse};
use http::StatusCode;
use serde_json::json;

use super::Shared;
use crate::lifecycle::Phase;

/// `GET /livez` and `GET /healthz`: the process is alive.
pub(super) async fn live() -> impl IntoResponse {
    Json(json!({ "status": "alive" }))
}

/// `GET /readyz`: every required model is ready, and the server is not draining.
pub(super) async fn ready(State(services): State<Shared>) -> impl IntoResponse {
    let mut reasons = services.repository.catalog().not_ready();
    if services.shutdown.is_at(Phase::Announced) {
        reasons.insert(0, "the server is shutting down".to_owned());
    }
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": reasons.is_empty(), "reasons": reasons })))
}
