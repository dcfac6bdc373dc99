//! Health that does not lie: alive says nothing about load, ready gives its reasons.

use axum::{
    Json,
    extract::{Request, State},
    response::IntoResponse,
};
use http::StatusCode;
use serde_json::json;

use super::{Shared, guard::Sight};
use crate::{lifecycle::Phase, repository::Catalog};

/// `GET /livez` and `GET /healthz`: the process is alive.
pub(super) async fn live() -> impl IntoResponse {
    Json(json!({ "status": "alive" }))
}

/// `GET /readyz`: every required model is ready, and the server is not draining.
pub(super) async fn ready(State(services): State<Shared>, request: Request) -> impl IntoResponse {
    let mut reasons = reasons(&services.repository.catalog(), &Sight::of(&services, request.extensions()));
    if services.shutdown.is_at(Phase::Announced) {
        reasons.insert(0, "the server is shutting down".to_owned());
    }
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": reasons.is_empty(), "reasons": reasons })))
}

/// Why the server is not ready. The reasons name models and files; of those that the sender may not know of, the number
/// is told.
fn reasons(catalog: &Catalog, sight: &Sight) -> Vec<String> {
    let (seen, unseen): (Vec<_>, Vec<_>) = catalog.waiting().partition(|entry| sight.covers(entry.name.as_str()));
    let mut reasons: Vec<String> =
        seen.into_iter().map(|entry| format!("{}: {}", entry.name, entry.reason())).collect();
    match unseen.len() {
        0 => {}
        1 => reasons.push("1 required model is not ready; a token that covers it shows which".to_owned()),
        count => reasons.push(format!("{count} required models are not ready; a token that covers them shows which")),
    }
    reasons
}
