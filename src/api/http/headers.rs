//! Parses the request headers that the server acts on.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderName, header};
use uuid::Uuid;

use super::error_codes::{INVALID_HEADER, NOT_ACCEPTABLE, UNSUPPORTED_MEDIA_TYPE};
use crate::{serving::ServeError, telemetry::TraceContext};

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
pub(super) const X_MODEL_VERSION: HeaderName = HeaderName::from_static("x-model-version");
pub(super) const X_VARIANT: HeaderName = HeaderName::from_static("x-variant");
pub(super) const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
const X_DEADLINE_MS: HeaderName = HeaderName::from_static("x-deadline-ms");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// Maximum length in bytes of a request id accepted from a client.
const MAX_REQUEST_ID: usize = 128;

/// Maximum deadline that a client may request (24 hours); far above the limit of every model.
pub(super) const MAX_DEADLINE_MS: u64 = 86_400_000;

/// Returns the client's request id if it is well formed, else a new one (UUID version 7).
pub(super) fn request_id(headers: &HeaderMap) -> Arc<str> {
    let given = headers.get(X_REQUEST_ID).and_then(|value| value.to_str().ok());
    let well_formed = |id: &&str| {
        (1..=MAX_REQUEST_ID).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte))
    };
    match given.filter(well_formed) {
        Some(id) => Arc::from(id),
        None => Arc::from(&*Uuid::now_v7().as_hyphenated().encode_lower(&mut Uuid::encode_buffer())),
    }
}

/// Returns the trace context of the request; a malformed one is ignored, as W3C Trace Context requires.
pub(super) fn trace(headers: &HeaderMap) -> Option<TraceContext> {
    TraceContext::parse(headers.get(TRACEPARENT)?.to_str().ok()?)
}

/// Returns how long the client will wait, from `x-deadline-ms`.
fn client_timeout(headers: &HeaderMap) -> Result<Option<Duration>, ServeError> {
    if !headers.contains_key(X_DEADLINE_MS) {
        return Ok(None);
    }
    let given: Vec<&str> = headers.get_all(X_DEADLINE_MS).iter().map(|value| value.to_str().unwrap_or("?")).collect();
    let text = given.join(", ");
    // `parse` alone would also accept a plus sign.
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    match text.parse::<u64>() {
        Ok(millis) if digits && (1..=MAX_DEADLINE_MS).contains(&millis) => Ok(Some(Duration::from_millis(millis))),
        _ => {
            let found = crate::domain::text::quote(&text);
            let detail =
                format!("x-deadline-ms must be a whole number of milliseconds, 1 to {MAX_DEADLINE_MS}; got {found}");
            Err(ServeError::new(INVALID_HEADER, detail))
        }
    }
}

/// Requires that a request sends and accepts JSON. Returns the client's timeout, if it set one.
pub(super) fn check_json_exchange(headers: &HeaderMap) -> Result<Option<Duration>, ServeError> {
    check_accept(headers, "application/json")?;
    check_content_type(headers)?;
    client_timeout(headers)
}

/// Rejects a body that is not declared as JSON.
fn check_content_type(headers: &HeaderMap) -> Result<(), ServeError> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let value = values.next().and_then(|value| value.to_str().ok()).unwrap_or("");
    let mut parts = value.split(';').map(str::trim);
    let kind = parts.next().unwrap_or("");
    let utf8 = parts.all(|parameter| match parameter.split_once('=') {
        Some((name, charset)) if name.trim().eq_ignore_ascii_case("charset") => {
            charset.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    });
    if kind.eq_ignore_ascii_case("application/json") && utf8 && values.next().is_none() {
        return Ok(());
    }
    let found = if value.is_empty() { "none".to_owned() } else { crate::domain::text::quote(value) };
    let detail = format!("Content-Type must be application/json in UTF-8; got {found}");
    Err(ServeError::new(UNSUPPORTED_MEDIA_TYPE, detail))
}

/// Returns the weight of a media type in the Accept header: 0 for unacceptable, 1000 for most preferred. Without the
/// header everything is acceptable. The most specific matching range decides (RFC 9110, section 12.5.1).
pub(super) fn accept_quality(headers: &HeaderMap, media_type: &str) -> u32 {
    let main = media_type.split('/').next().unwrap_or("");
    let mut found: Option<(u8, u32)> = None;
    let mut any = false;
    for value in headers.get_all(header::ACCEPT) {
        for range in value.to_str().unwrap_or("").split(',').map(str::trim).filter(|range| !range.is_empty()) {
            any = true;
            let mut parts = range.split(';').map(str::trim);
            let name = parts.next().unwrap_or("");
            let weight = weight(parts);
            let specific = match name.split_once('/') {
                _ if name.eq_ignore_ascii_case(media_type) => 2,
                Some((kind, "*")) if kind.eq_ignore_ascii_case(main) => 1,
                Some(("*", "*")) => 0,
                _ => continue,
            };
            // Ranges that differ only in their parameters, such as a version, are equally specific: the highest weight
            // counts.
            found = found.max(Some((specific, weight)));
        }
    }
    found.map_or(if any { 0 } else { 1000 }, |(_, weight)| weight)
}

/// Returns the weight among the parameters of a range: 1000 if there is none, or none that can be parsed.
pub(super) fn weight<'a>(mut parameters: impl Iterator<Item = &'a str>) -> u32 {
    let quality = parameters.find_map(|part| part.strip_prefix("q=")).and_then(|text| text.parse::<f32>().ok());
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to 0 to 1 first")]
    let weight = (quality.unwrap_or(1.0).clamp(0.0, 1.0) * 1000.0) as u32;
    weight
}

/// Rejects a request whose Accept header excludes the media type.
fn check_accept(headers: &HeaderMap, media_type: &str) -> Result<(), ServeError> {
    // Fast path: most clients send no Accept header, or a wildcard.
    if !headers.contains_key(header::ACCEPT) || accept_quality(headers, media_type) > 0 {
        return Ok(());
    }
    Err(ServeError::new(NOT_ACCEPTABLE, format!("this route returns only {media_type}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, value.parse().expect("a header value"));
        headers
    }

    #[test]
    fn request_ids_are_taken_or_made() {
        assert_eq!(&*request_id(&headers("x-request-id", "a.B_c:9-")), "a.B_c:9-");
        for odd in ["", "a b", "é", &"x".repeat(129), "a/b"] {
            let id = request_id(&headers("x-request-id", odd));
            assert!(Uuid::parse_str(&id).is_ok_and(|id| id.get_version_num() == 7), "{odd}: {id}");
        }
    }

    #[test]
    fn content_types_are_json_or_nothing() {
        for good in ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""] {
            assert!(check_content_type(&headers("content-type", good)).is_ok(), "{good}");
        }
        for bad in
            ["text/plain", "application/jsonx", "application/json; charset=latin1", "application/x-www-form-urlencoded"]
        {
            assert!(check_content_type(&headers("content-type", bad)).is_err(), "{bad}");
        }
        assert!(check_content_type(&HeaderMap::new()).is_err());
    }

    #[test]
    fn the_most_specific_range_decides() {
        let cases = [
            ("*/*", 1000),
            ("application/json", 1000),
            ("application/*;q=0.5", 500),
            ("text/html", 0),
            ("text/html, */*;q=0.1", 100),
            ("application/json;q=0, */*", 0),
            ("", 1000),
        ];
        for (accept, expected) in cases {
            assert_eq!(accept_quality(&headers("accept", accept), "application/json"), expected, "{accept}");
        }
    }

    #[test]
    fn a_client_timeout_is_a_whole_number_of_milliseconds() {
        assert_eq!(client_timeout(&headers("x-deadline-ms", "25")).ok(), Some(Some(Duration::from_millis(25))));
        for bad in ["0", "-1", "+1", "1.5", "soon", "99999999999999999999"] {
            assert!(client_timeout(&headers("x-deadline-ms", bad)).is_err(), "{bad}");
        }
    }
}
