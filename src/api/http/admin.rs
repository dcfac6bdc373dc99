//! The admin listener: a socket of its own, for operators with the token.

use std::{path::PathBuf, sync::Arc};

use axum::{
    Json, Router,
    body::Body,
    extract::{Request, State},
    middleware::{Next, from_fn_with_state},
    response::{IntoResponse, Response},
    routing::get,
};
use http::header;
use hyper::body::Incoming;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tower::Service as _;

use super::{
    super::transport::{Connection, Handler, Host},
    headers, problem,
};
use crate::{
    domain::{error_code::ErrorCode, setting::SettingError, violation::truncate},
    security::{TokenStore, tokens_file_error},
    serving::{RequestProgress, ServeError},
    telemetry::LogHandle,
};

/// The longest log level that is taken, in bytes.
const MAX_LEVEL_BYTES: usize = 1024;

/// What an operator can set about administration.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The address or the name to listen on; loopback by default.
    pub host: Host,
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// The file of administrators and their tokens; empty: there is no admin listener.
    pub tokens_file: PathBuf,
}

impl Settings {
    /// The files that are named and cannot be used.
    pub fn file_faults(&self) -> Vec<SettingError> {
        tokens_file_error(&self.tokens_file).into_iter().collect()
    }
}

/// What the admin routes use.
pub struct AdminState {
    /// Who may administer.
    pub tokens: TokenStore,
    /// The log.
    pub log: LogHandle,
}

/// The front of the admin socket.
pub struct AdminService(Router);

impl AdminService {
    /// Before the admin routes.
    pub fn new(admin: AdminState) -> Self {
        Self(router(admin))
    }
}

impl Handler for AdminService {
    async fn answer(&self, mut request: http::Request<Incoming>, connection: &Arc<Connection>) -> Response {
        request.extensions_mut().insert(Arc::clone(connection));
        let Ok(response) = self.0.clone().call(request.map(Body::new)).await;
        response
    }
}

fn router(admin: AdminState) -> Router {
    let admin = Arc::new(admin);
    Router::new()
        .route("/admin/log-level", get(get_log_level).put(set_log_level))
        .fallback(unknown_path)
        .layer(from_fn_with_state(Arc::clone(&admin), authenticate))
        .with_state(admin)
}

fn admin_problem(failure: &ServeError, request: &header::HeaderMap) -> Response {
    problem::problem_response(failure, &headers::request_id(request), RequestProgress::default())
}

async fn authenticate(State(admin): State<Arc<AdminState>>, request: Request, next: Next) -> Response {
    let given = request.headers().get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or("?"));
    match admin.tokens.authenticate(given) {
        Ok(caller) => {
            let (method, path) = (truncate(request.method().as_str()), truncate(request.uri().path()));
            tracing::info!(caller = &*caller.name, %method, %path, "admin request");
            next.run(request).await
        }
        Err(error) => admin_problem(&ServeError::new(ErrorCode::Unauthenticated, error.to_string()), request.headers()),
    }
}

async fn unknown_path(request: Request) -> Response {
    let failure = ServeError::new(ErrorCode::NotFound, "the admin listener has /admin/log-level only");
    admin_problem(&failure, request.headers())
}

/// `GET /admin/log-level`
async fn get_log_level(State(admin): State<Arc<AdminState>>) -> impl IntoResponse {
    Json(json!({ "level": admin.log.level(), "dropped_lines": admin.log.dropped_lines() }))
}

/// `PUT /admin/log-level`, the body a level or a list of `target=level` directives
async fn set_log_level(State(admin): State<Arc<AdminState>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(bytes) = axum::body::to_bytes(body, MAX_LEVEL_BYTES).await else {
        let detail = format!("a log level has at most {MAX_LEVEL_BYTES} bytes");
        return admin_problem(&ServeError::new(ErrorCode::BodyTooLarge, detail), &parts.headers);
    };
    if let Some(connection) = parts.extensions.get::<Arc<Connection>>() {
        connection.received();
    }
    let text = String::from_utf8_lossy(&bytes);
    let level = text.trim().trim_matches('"');
    match admin.log.set_level(level) {
        Ok(()) => Json(json!({ "level": admin.log.level() })).into_response(),
        Err(error) => {
            let detail = format!("the body must be a level such as info, or target=level directives: {error}");
            admin_problem(&ServeError::new(ErrorCode::DataContractViolation, detail), &parts.headers)
        }
    }
}
