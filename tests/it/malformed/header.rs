//! Headers that the server acts on, with invalid values.

use Expect::Problem;

use super::{Case, Expect, GOOD, MALFORMED, request};

const INVALID: Expect = Problem(400, "invalid_header");
const MEDIA: Expect = Problem(415, "unsupported_media_type");
const ENCODING: Expect = Problem(415, "unsupported_encoding");
const ACCEPT: Expect = Problem(406, "not_acceptable");

/// Header lines before a good body.
const LINES: &[(&str, Expect)] = &[
    ("x-deadline-ms: 0", INVALID),
    ("x-deadline-ms: -1", INVALID),
    ("x-deadline-ms: +5", INVALID),
    ("x-deadline-ms: 1.5", INVALID),
    ("x-deadline-ms: 1e3", INVALID),
    ("x-deadline-ms: 5s", INVALID),
    ("x-deadline-ms: soon", INVALID),
    ("x-deadline-ms:", INVALID),
    ("x-deadline-ms: 500, 600", INVALID),
    ("x-deadline-ms: 500\r\nx-deadline-ms: 600", INVALID),
    ("x-deadline-ms: 86400001", INVALID),
    ("x-deadline-ms: 99999999999999999999999999", INVALID),
    ("x-deadline-ms: ５００", INVALID),
    ("content-type:", MEDIA),
    ("content-type: text/plain", MEDIA),
    ("content-type: text/json", MEDIA),
    ("content-type: application/xml", MEDIA),
    ("content-type: application/jsonp", MEDIA),
    ("content-type: application/x-www-form-urlencoded", MEDIA),
    ("content-type: multipart/form-data; boundary=x", MEDIA),
    ("content-type: application/json; charset=latin1", MEDIA),
    ("content-type: application/json; charset=utf-16", MEDIA),
    ("content-type: application/json, text/plain", MEDIA),
    ("content-type: application/json\r\ncontent-type: application/json", MEDIA),
    ("content-type: application/json\r\ncontent-type: text/plain", MEDIA),
    ("content-type: /", MEDIA),
    ("content-type: ;;;", MEDIA),
    ("content-type: äpplication/json", MEDIA),
    ("content-encoding: br", ENCODING),
    ("content-encoding: deflate", ENCODING),
    ("content-encoding: gzip, gzip", ENCODING),
    ("content-encoding: gzip\r\ncontent-encoding: gzip", ENCODING),
    ("content-encoding:", ENCODING),
    ("content-encoding: ä", ENCODING),
    ("accept: text/html", ACCEPT),
    ("accept: application/json;q=0", ACCEPT),
    ("accept: application/jsonx", ACCEPT),
    ("accept: json", ACCEPT),
    ("accept: //;;q=x,,;", ACCEPT),
    ("accept: */*;q=0", ACCEPT),
];

/// Headers whose invalid values are ignored; the body is rejected. The check makes sure that an invalid request id is
/// not echoed.
const IGNORED: &[&str] = &[
    "x-request-id:",
    "x-request-id: a b",
    "x-request-id: <script>",
    "x-request-id: a/b",
    "x-request-id: ä",
    "traceparent:",
    "traceparent: garbage",
    "traceparent: 00-00000000000000000000000000000000-0000000000000000-00",
    "traceparent: ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "traceparent: 00-4BF92F3577B34DA6A3CE929D0E0E4736-00F067AA0BA902B7-01",
    "traceparent: 00-é\r\ntracestate: ===,,,é",
    "authorization: ä",
    "authorization: Bearer",
    "expect: a-miracle",
    "upgrade: websocket\r\nconnection: upgrade",
    "upgrade: h2c\r\nconnection: upgrade, http2-settings\r\nhttp2-settings: ///",
    "connection: ä, close, keep-alive",
    "origin: null",
    "cookie: ;;;=",
    "range: bytes=0-,-1",
    "x-forwarded-for: ' OR 1=1",
];

/// Every case of this file.
pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = LINES
        .iter()
        .map(|(line, expect)| Case::new(*line, request("/predict", &format!("{line}\r\n"), GOOD.as_bytes()), *expect))
        .collect();
    cases.extend(
        IGNORED
            .iter()
            .map(|line| Case::new(*line, request("/predict", &format!("{line}\r\n"), b"{\"features\":"), MALFORMED)),
    );
    let long = format!("x-request-id: {}\r\n", "x".repeat(129));
    cases.push(Case::new("a request id of 129 bytes", request("/predict", &long, b"{"), MALFORMED));
    let long = format!("traceparent: 00-{}\r\n", "0".repeat(12_000));
    cases.push(Case::new("a traceparent of 12 kB", request("/predict", &long, b"{"), MALFORMED));
    let long = format!("accept: {}\r\n", "text/html,".repeat(1200));
    cases.push(Case::new("1,200 media types", request("/predict", &long, GOOD.as_bytes()), ACCEPT));
    let bare = format!("POST /predict HTTP/1.1\r\nhost: test\r\ncontent-length: {}\r\n\r\n{GOOD}", GOOD.len());
    cases.push(Case::new("no content type", bare, MEDIA));
    // A client that expects 100 Continue is rejected before it sends the body.
    let asks = "POST /predict HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n\
                content-length: 9000000\r\n\r\n";
    cases.push(Case::new("a large body, asked for first", asks, Problem(413, "body_too_large")));
    cases
}
