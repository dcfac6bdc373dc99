//! The last step of an answer: compressed where that pays, and held against the budget until its client has taken it.

use axum::{body::Body, response::Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, header};
use http_body::Body as _;
use http_body_util::{BodyExt as _, Collected};

use super::{
    super::transport::{BudgetExhausted, Connection, attach},
    compression::{Coding, MIN_BYTES},
};

/// Readies an answer for its connection. An ordinary one, which is small and the only one of its connection, is handed over
/// as it is.
///
/// # Errors
/// [`Exhausted`] where the budget has no room for its bytes.
pub(super) async fn hold_and_send(
    response: Response,
    request: &HeaderMap,
    connection: &Connection,
) -> Result<Response, BudgetExhausted> {
    let size = response.body().size_hint().exact().unwrap_or(u64::MAX);
    if size < MIN_BYTES && connection.covers(size) {
        return Ok(response);
    }
    // In a box, because its size would be that of every request's future.
    Box::pin(held(response, request, connection)).await
}

/// Readies the refusal of an answer for which there was no room: it is small, and only counted as not yet taken.
pub(super) async fn send_unheld(response: Response, connection: &Connection) -> Response {
    let (parts, body) = response.into_parts();
    let bytes = whole(body).await;
    Response::from_parts(parts, Body::from(attach(bytes, connection.outstanding.add())))
}

/// Every answer is made whole before it is handed over, so this waits for nothing, and cannot fail.
async fn whole(body: Body) -> Bytes {
    body.collect().await.map(Collected::to_bytes).unwrap_or_default()
}

async fn held(response: Response, request: &HeaderMap, connection: &Connection) -> Result<Response, BudgetExhausted> {
    let (mut parts, body) = response.into_parts();
    let mut bytes = whole(body).await;
    let mut held = connection.hold(bytes.len())?;
    if bytes.len() as u64 >= MIN_BYTES && !parts.headers.contains_key(header::CONTENT_ENCODING) {
        parts.headers.append(header::VARY, HeaderValue::from_static("accept-encoding"));
        if let Some(coding) = Coding::accepted(request)
            && let Some(compressed) = coding.compress(bytes.clone()).await
        {
            parts.headers.insert(header::CONTENT_ENCODING, coding.name());
            parts.headers.remove(header::CONTENT_LENGTH);
            bytes = compressed;
            // Smaller than what was held.
            connection.hold_in(&mut held, bytes.len())?;
        }
    }
    let untaken = connection.outstanding.add();
    Ok(Response::from_parts(parts, Body::from(attach(bytes, (held, untaken)))))
}
