//! Pages for people: how to call each model, and what an error code means.

use axum::{
    Json,
    extract::Request,
    response::{IntoResponse, Response},
};
use http::header;
use serde_json::{Value, json};

use super::{
    context::Context,
    error_codes::{NOT_FOUND, error_codes, remedy, status},
    headers,
    path_params::PathParams,
};
use crate::{domain::error_code::ErrorCode, serving::ServeError};

/// Content-Security-Policy: the page connects only to this server and loads nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; \
                      img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// `GET /docs`
pub(super) async fn page() -> impl IntoResponse {
    let headers = [(header::CONTENT_TYPE, "text/html; charset=utf-8"), (header::CONTENT_SECURITY_POLICY, POLICY)];
    (headers, include_str!("assets/docs.html"))
}

/// `GET /problems`
pub(super) async fn problems(request: Request) -> Response {
    if wants_json(&request) {
        let all: Vec<Value> = error_codes().into_iter().map(problem_json).collect();
        return Json(json!({ "problems": all })).into_response();
    }
    let line = |code: ErrorCode| format!("{}  {:<24} {}\n", status(code), code.as_str(), code.title());
    let body: String =
        error_codes().into_iter().map(line).chain(["\nDetails: GET /problems/{code}\n".to_owned()]).collect();
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}

fn wants_json(request: &Request) -> bool {
    let wants = |kind| headers::accept_quality(request.headers(), kind);
    wants("application/json") > wants("text/plain")
}

fn problem_json(code: ErrorCode) -> Value {
    json!({
        "type": format!("/problems/{}", code.as_str()), "code": code.as_str(), "title": code.title(),
        "status": status(code), "meaning": code.meaning(), "remedy": remedy(code),
    })
}

/// `GET /problems/{code}`
pub(super) async fn problem_page(
    Context(context): Context,
    PathParams(text): PathParams<String>,
    request: Request,
) -> Response {
    let Some(code) = error_codes().into_iter().find(|code| code.as_str() == text) else {
        let codes: Vec<&str> = error_codes().iter().map(|code| code.as_str()).collect();
        let quoted = crate::domain::text::quote(&text);
        let detail = format!("unknown error code {quoted}; the codes are: {}", codes.join(", "));
        return context.refuse(&ServeError::new(NOT_FOUND, detail));
    };
    if wants_json(&request) {
        return Json(problem_json(code)).into_response();
    }
    let status = status(code);
    let body = format!(
        "{} (status {status})\n{}\n\nWhat it means\n  {}\n\nWhat to do\n  {}\n",
        code.as_str(),
        code.title(),
        code.meaning(),
        remedy(code)
    );
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response()
}
