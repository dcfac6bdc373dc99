//! Liveness and readiness: liveness says nothing about load, readiness gives its reasons. Optionally also on a separate
//! listener, which a crowd of clients cannot fill.

use std::sync::Arc;

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::{Method, Request, StatusCode};
use hyper::body::Incoming;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::json;

use super::{
    super::transport::{Connection, Handler, Host},
    Scrapes, SharedState,
    compression::AcceptEncoding,
    context::{Context, ModelVisibility},
    error_codes::{METHOD_NOT_ALLOWED, NOT_FOUND},
    headers, problem,
    response_budget::hold_and_send,
};
use crate::{
    domain::text::quote,
    lifecycle::{Phase, Shutdown},
    repository::{Catalog, Repository},
    serving::ServeError,
};

/// Settings of the health listener.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Address to listen on; `None`, written as an empty string, disables the listener.
    #[serde(deserialize_with = "read_host", serialize_with = "write_host")]
    pub host: Option<Host>,
    /// Port; 0 lets the system choose.
    pub port: u16,
    /// Whether the listener also serves /metrics.
    pub metrics: bool,
}

fn read_host<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Host>, D::Error> {
    let text = String::deserialize(deserializer)?;
    if text.is_empty() { Ok(None) } else { text.parse().map(Some).map_err(D::Error::custom) }
}

#[expect(clippy::ref_option, reason = "serde hands the field over like this")]
fn write_host<S: Serializer>(host: &Option<Host>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&host.as_ref().map(Host::to_string).unwrap_or_default())
}

/// Maximum connections of the listener: orchestrators and scrapers are few.
pub const MAX_CONNECTIONS: usize = 64;

/// Answers the requests of the health listener.
pub struct HealthService {
    /// The repository of models.
    pub repository: Arc<Repository>,
    /// Whether the server requires tokens; if so, this listener names no models, since it checks no token.
    pub has_callers: bool,
    /// Phase of the shutdown.
    pub shutdown: Shutdown,
    /// Renders the metrics, if the listener serves them.
    pub scrapes: Option<Arc<Scrapes>>,
}

impl Handler for HealthService {
    async fn answer(&self, request: Request<Incoming>, connection: &Arc<Connection>) -> Response {
        let response = self
            .route(&request)
            .await
            .unwrap_or_else(|failure| problem::response(&failure, &headers::request_id(request.headers())));
        let accepted = AcceptEncoding::of(request.headers());
        let held = hold_and_send(response, &accepted, connection).await;
        held.unwrap_or_else(|_| StatusCode::SERVICE_UNAVAILABLE.into_response())
    }
}

impl HealthService {
    async fn route(&self, request: &Request<Incoming>) -> Result<Response, ServeError> {
        let path = request.uri().path();
        if ![Method::GET, Method::HEAD].contains(request.method()) {
            let detail = format!("{} accepts GET, not {}", quote(path), request.method());
            return Err(ServeError::new(METHOD_NOT_ALLOWED, detail));
        }
        match (path, &self.scrapes) {
            ("/livez" | "/healthz", _) => Ok(alive()),
            ("/readyz", _) => {
                let visibility = if self.has_callers { ModelVisibility::Nothing } else { ModelVisibility::Everything };
                Ok(readiness(&self.repository, &self.shutdown, &visibility))
            }
            ("/metrics", Some(scrapes)) => {
                scrapes.answer(request.headers()).await.map_err(|error| ServeError::internal().with_cause(error))
            }
            _ => {
                let detail = format!("no route matches {}; this listener serves /livez and /readyz", quote(path));
                Err(ServeError::new(NOT_FOUND, detail))
            }
        }
    }
}

/// `GET /livez` and `GET /healthz`: the process is alive.
pub(super) async fn get_live() -> Response {
    alive()
}

/// `GET /readyz`: every required model is ready, and the server is not draining.
pub(super) async fn ready(State(state): State<SharedState>, Context(context): Context) -> Response {
    readiness(&state.repository, &state.shutdown, context.visibility())
}

fn alive() -> Response {
    Json(json!({ "status": "alive" })).into_response()
}

fn readiness(repository: &Repository, shutdown: &Shutdown, visibility: &ModelVisibility) -> Response {
    let mut reasons = reasons(&repository.catalog(), visibility);
    if shutdown.has_reached(Phase::NotReady) {
        reasons.insert(0, "the server is shutting down".to_owned());
    }
    let status = if reasons.is_empty() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    (status, Json(json!({ "ready": reasons.is_empty(), "reasons": reasons }))).into_response()
}

/// Returns why the server is not ready. The reasons name models and files; models that the caller may not see are only
/// counted.
fn reasons(catalog: &Catalog, visibility: &ModelVisibility) -> Vec<String> {
    let (seen, unseen): (Vec<_>, Vec<_>) = catalog.waiting().partition(|entry| visibility.covers(entry.name.as_str()));
    let mut reasons: Vec<String> =
        seen.into_iter().map(|entry| format!("{}: {}", entry.name, entry.reason())).collect();
    match unseen.len() {
        0 => {}
        1 => reasons.push("1 required model is not ready; send a token that covers it to see its name".to_owned()),
        count => reasons
            .push(format!("{count} required models are not ready; send a token that covers them to see their names")),
    }
    reasons
}
