//! Errors as RFC 9457 problem details.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::error_codes::status;
use crate::{
    domain::{error_code::ErrorCode, violation::Violation},
    serving::ServeError,
};

#[derive(Serialize)]
struct ProblemDetails<'a> {
    #[serde(rename = "type")]
    kind: String,
    title: &'a str,
    status: u16,
    detail: &'a str,
    code: &'a str,
    request_id: &'a str,
    model: Option<&'a str>,
    model_version: Option<&'a str>,
    contract: Option<&'a str>,
    uncertainty: Option<f64>,
    #[serde(skip_serializing_if = "<[Violation]>::is_empty")]
    errors: &'a [Violation],
}

/// Returns the response for an error.
pub(super) fn response(failure: &ServeError, request_id: &str) -> Response {
    let code = failure.code;
    let status = status(code);
    let problem = ProblemDetails {
        kind: format!("/problems/{}", code.as_str()),
        title: code.title(),
        status,
        detail: &failure.detail,
        code: code.as_str(),
        request_id,
        model: failure.model.as_deref(),
        model_version: failure.version.as_deref(),
        contract: failure.contract.as_deref(),
        uncertainty: None,
        errors: failure.violations.first_n(),
    };
    // Cannot fail: serialization fails only for maps whose keys are not strings, and there are none here.
    let body = serde_json::to_vec(&problem).unwrap_or_default();
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Body::from(body)).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
    if let Some(wait) = failure.retry_after {
        // Rounded up: a client that retries too early is refused again.
        let seconds = u64::try_from(wait.as_millis().div_ceil(1000)).unwrap_or(u64::MAX).max(1);
        headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    if code == ErrorCode::Unauthenticated {
        headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    if let Some(version) = failure.version.as_deref().and_then(|version| HeaderValue::from_str(version).ok()) {
        headers.insert(super::headers::X_MODEL_VERSION, version);
    }
    response
}
