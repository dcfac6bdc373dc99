//! `GET /metrics`.

use axum::{extract::State, response::Response};
use http::HeaderMap;

use super::{context::Context, state::SharedState};
use crate::serving::ServeError;

/// `GET /metrics`
pub(super) async fn get(State(state): State<SharedState>, Context(context): Context, headers: HeaderMap) -> Response {
    context.respond(state.scrapes.answer(&headers).await.map_err(|error| ServeError::internal().with_cause(error)))
}
