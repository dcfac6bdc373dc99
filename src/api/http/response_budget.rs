//! Last step of a response: compresses it if that pays off, and holds its bytes against the budget until the client has
//! taken it.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderValue, header};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Collected};

use super::{
    super::transport::{BudgetExhausted, Connection, attach},
    compression::{AcceptEncoding, MIN_BYTES},
};

/// Prepares a response for its connection. An ordinary response, which is small and the only one on its connection, is
/// returned unchanged.
///
/// # Errors
/// Returns [`BudgetExhausted`] if the budget has no room for its bytes.
pub(super) async fn hold_and_send(
    response: Response,
    accepted: &AcceptEncoding,
    connection: &Connection,
) -> Result<Response, BudgetExhausted> {
    let size = response.body().size_hint().exact().unwrap_or(u64::MAX);
    if size < MIN_BYTES && connection.covers(size) {
        return Ok(response);
    }
    // Boxed, because its size would otherwise be part of every request's future.
    Box::pin(held(response, accepted, connection)).await
}

/// Prepares the error response that replaces a response for which there was no room: it is small, and only counted as
/// outstanding.
pub(super) async fn send_unheld(response: Response, connection: &Connection) -> Response {
    let (parts, body) = response.into_parts();
    let bytes = whole(body).await;
    Response::from_parts(parts, Body::from(attach(bytes, connection.outstanding.add())))
}

/// Does not wait and cannot fail: every response is complete before it is handed over.
async fn whole(body: Body) -> Bytes {
    body.collect().await.map(Collected::to_bytes).unwrap_or_default()
}

async fn held(
    response: Response,
    accepted: &AcceptEncoding,
    connection: &Connection,
) -> Result<Response, BudgetExhausted> {
    let (mut parts, body) = response.into_parts();
    let mut bytes = whole(body).await;
    let mut held = connection.hold(bytes.len())?;
    if bytes.len() as u64 >= MIN_BYTES && !parts.headers.contains_key(header::CONTENT_ENCODING) {
        parts.headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
        if let Some(coding) = accepted.preferred()
            && let Some(compressed) = coding.compress(bytes.clone()).await
        {
            parts.headers.insert(header::CONTENT_ENCODING, coding.name());
            parts.headers.remove(header::CONTENT_LENGTH);
            bytes = compressed;
            // Cannot fail: it is smaller than what is held.
            connection.hold_in(&mut held, bytes.len())?;
        }
    }
    let untaken = connection.outstanding.add();
    Ok(Response::from_parts(parts, Body::from(attach(bytes, (held, untaken)))))
}
