//! The routes of the admin listener, which has a separate socket for operators.

use std::{path::PathBuf, time::Duration};

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::{
    super::transport::Host,
    SharedState,
    body::{self, BodyLimits},
    context::Context,
};
use crate::{
    domain::{error_code::ErrorCode, setting::SettingError},
    security::tokens_file_error,
    serving::ServeError,
};

/// The body limits of `PUT /admin/log-level`.
const LEVEL_LIMITS: BodyLimits = BodyLimits { bytes: 1024, timeout: Duration::from_secs(10) };

/// The settings of the admin listener.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The address or host name to listen on; loopback by default.
    pub host: Host,
    /// The port; 0 lets the operating system choose.
    pub port: u16,
    /// The file with the tokens of the administrators; empty: there is no admin listener.
    pub tokens_file: PathBuf,
}

impl Settings {
    /// Returns the errors of the configured files.
    pub fn file_errors(&self) -> Vec<SettingError> {
        tokens_file_error(&self.tokens_file).into_iter().collect()
    }
}

/// `GET /admin/log-level`
pub(super) async fn get_log_level(State(state): State<SharedState>) -> impl IntoResponse {
    Json(json!({ "level": state.log.level(), "dropped_lines": state.log.dropped_lines() }))
}

/// `PUT /admin/log-level`; the body is a level or a list of `target=level` directives
pub(super) async fn set_log_level(
    State(state): State<SharedState>,
    Context(context): Context,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let received = match body::read(&parts.headers, body, LEVEL_LIMITS, &context.connection).await {
        Ok(received) => received,
        Err(error) => return context.refuse(&error),
    };
    let text = String::from_utf8_lossy(&received.bytes);
    match state.log.set_level(text.trim().trim_matches('"')) {
        Ok(()) => Json(json!({ "level": state.log.level() })).into_response(),
        Err(error) => {
            let detail = format!("the body must be a level such as info, or target=level directives: {error}");
            context.refuse(&ServeError::new(ErrorCode::DataContractViolation, detail))
        }
    }
}
