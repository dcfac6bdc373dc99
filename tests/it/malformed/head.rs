//! Invalid request lines, paths, methods and header blocks.

use Expect::{Closed, EmptyBody, Head, Problem};

use super::{Case, Expect, GOOD, JSON};

const NOT_FOUND: Expect = Problem(404, "not_found");
const UNKNOWN: Expect = Problem(404, "unknown_model");
const METHOD: Expect = Problem(405, "method_not_allowed");

/// Request lines, followed by a good body.
const LINES: &[(&str, Expect)] = &[
    // Methods.
    ("GET /predict HTTP/1.1", METHOD),
    ("PUT /predict HTTP/1.1", METHOD),
    ("DELETE /models/churn HTTP/1.1", METHOD),
    ("PATCH /models/churn/predict HTTP/1.1", METHOD),
    ("OPTIONS /predict HTTP/1.1", METHOD),
    ("TRACE /predict HTTP/1.1", METHOD),
    ("PROPFIND /models HTTP/1.1", METHOD),
    ("post /predict HTTP/1.1", METHOD),
    ("FOO /predict HTTP/1.1", METHOD),
    ("POST /metrics HTTP/1.1", METHOD),
    ("POST / HTTP/1.1", METHOD),
    ("HEAD /predict HTTP/1.1\r\nconnection: close", Head(405)),
    ("CONNECT test:443 HTTP/1.1", NOT_FOUND),
    ("OPTIONS * HTTP/1.1", NOT_FOUND),
    ("P\u{1}ST /predict HTTP/1.1", EmptyBody(400)),
    ("P(ST /predict HTTP/1.1", EmptyBody(400)),
    ("PÖST /predict HTTP/1.1", EmptyBody(400)),
    // Versions.
    ("POST /predict HTTP/3.0", EmptyBody(400)),
    ("POST /predict HTTP/2.0", EmptyBody(400)),
    ("POST /predict HTTP/1.2", EmptyBody(400)),
    ("POST /predict HTTP/0.9", EmptyBody(400)),
    ("POST /predict HTTP/1", EmptyBody(400)),
    ("POST /predict http/1.1", EmptyBody(400)),
    ("POST /predict HTPP/1.1", EmptyBody(400)),
    ("POST /predict HTTP/1.1 more", EmptyBody(400)),
    ("POST /predict", EmptyBody(400)),
    ("POST", EmptyBody(400)),
    ("GET /predict", EmptyBody(400)),
    (" POST /predict HTTP/1.1", EmptyBody(400)),
    // Paths.
    ("POST predict HTTP/1.1", NOT_FOUND),
    ("POST ?x HTTP/1.1", EmptyBody(400)),
    ("POST * HTTP/1.1", NOT_FOUND),
    ("POST http://elsewhere/nothing HTTP/1.1", NOT_FOUND),
    ("POST http:// HTTP/1.1", EmptyBody(400)),
    ("POST http://[::1/predict HTTP/1.1", EmptyBody(400)),
    ("POST /pre\0dict HTTP/1.1", EmptyBody(400)),
    ("POST /pre dict HTTP/1.1", EmptyBody(400)),
    ("POST /pre\tdict HTTP/1.1", EmptyBody(400)),
    ("POST /prédict HTTP/1.1", NOT_FOUND),
    ("POST //predict HTTP/1.1", NOT_FOUND),
    ("POST /predict/ HTTP/1.1", NOT_FOUND),
    ("POST /Predict HTTP/1.1", NOT_FOUND),
    ("POST /predict;v=1 HTTP/1.1", NOT_FOUND),
    ("POST /%70redict%00 HTTP/1.1", NOT_FOUND),
    ("POST /predict%2f HTTP/1.1", NOT_FOUND),
    ("POST /predict%zz HTTP/1.1", NOT_FOUND),
    ("POST /predict% HTTP/1.1", NOT_FOUND),
    ("POST /../predict HTTP/1.1", NOT_FOUND),
    ("POST /models/../../etc/passwd HTTP/1.1", NOT_FOUND),
    ("POST /models/../predict HTTP/1.1", UNKNOWN),
    ("POST /models/./predict HTTP/1.1", UNKNOWN),
    ("POST /models/..%2f..%2fetc%2fpasswd/predict HTTP/1.1", UNKNOWN),
    ("POST /models/%2e%2e/predict HTTP/1.1", UNKNOWN),
    ("POST /models/churn%00/predict HTTP/1.1", UNKNOWN),
    ("POST /models/churn%zz/predict HTTP/1.1", UNKNOWN),
    ("POST /models/churn%/predict HTTP/1.1", UNKNOWN),
    ("POST /models/%ff/predict HTTP/1.1", NOT_FOUND),
    ("POST /models/%c0%af/predict HTTP/1.1", NOT_FOUND),
    ("POST /models/%F0%9F%98/predict HTTP/1.1", NOT_FOUND),
    ("POST /models/churn%0d%0ax:y/predict HTTP/1.1", UNKNOWN),
    ("POST /models/CHURN/predict HTTP/1.1", UNKNOWN),
    ("POST /models//predict HTTP/1.1", UNKNOWN),
    ("POST /models/{model}/predict HTTP/1.1", UNKNOWN),
    ("POST /models/churn/versions/9/predict HTTP/1.1", Problem(404, "unknown_version")),
    ("POST /models/churn/versions/-1/predict HTTP/1.1", Problem(404, "unknown_version")),
    ("POST /models/churn/versions/%ff/predict HTTP/1.1", NOT_FOUND),
    ("POST /models/churn/versions/latest/predict HTTP/1.1", Problem(404, "unknown_version")),
    ("GET /models/%ff HTTP/1.1", NOT_FOUND),
    ("GET /models/%ff/contract HTTP/1.1", NOT_FOUND),
    ("GET /models/churn/versions/%ff HTTP/1.1", NOT_FOUND),
    ("GET /problems/%ff HTTP/1.1", NOT_FOUND),
    ("GET /problems/nothing HTTP/1.1", NOT_FOUND),
    ("GET /problems/../predict HTTP/1.1", NOT_FOUND),
    ("GET /admin/log-level HTTP/1.1", NOT_FOUND),
    ("GET /.git/config HTTP/1.1", NOT_FOUND),
    ("GET /index.php?id=1'%20OR%201=1 HTTP/1.1", NOT_FOUND),
];

/// Header lines that violate the syntax.
const BLOCKS: &[(&str, &str, Expect)] = &[
    ("no Host", "", Problem(400, "invalid_header")),
    ("two Hosts", "host: test\r\nhost: other\r\n", Problem(400, "invalid_header")),
    ("the same Host twice", "host: test\r\nhost: test\r\n", Problem(400, "invalid_header")),
    ("a line without a colon", "host: test\r\nnothing\r\n", EmptyBody(400)),
    ("a line of a colon", "host: test\r\n: nothing\r\n", EmptyBody(400)),
    ("a blank before the colon", "host: test\r\nname : value\r\n", EmptyBody(400)),
    ("a blank in the name", "host: test\r\na name: value\r\n", EmptyBody(400)),
    ("a name that is not ASCII", "host: test\r\nnäme: value\r\n", EmptyBody(400)),
    ("a name with a control character", "host: test\r\nna\u{1}me: value\r\n", EmptyBody(400)),
    ("a name in brackets", "host: test\r\n(name): value\r\n", EmptyBody(400)),
    ("a folded line", "host: test\r\nname: value\r\n folded\r\n", EmptyBody(400)),
    ("a folded first line", " host: test\r\n", EmptyBody(400)),
    ("NUL in a value", "host: test\r\nname: va\0lue\r\n", EmptyBody(400)),
    ("a control character in a value", "host: test\r\nname: va\u{1}lue\r\n", EmptyBody(400)),
    ("a bare carriage return in a value", "host: test\r\nname: va\rlue\r\n", EmptyBody(400)),
    ("two carriage returns", "host: test\r\r\n", EmptyBody(400)),
];

/// Every case of this file.
pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = LINES
        .iter()
        .map(|(line, expect)| {
            let body = if line.starts_with("POST ") { GOOD } else { "" };
            let length = body.len();
            let name = format!("the line {line:?}");
            let head = format!("{line}\r\nhost: test\r\n{JSON}content-length: {length}\r\n\r\n{body}");
            Case::new(name, head, *expect)
        })
        .collect();
    cases.extend(BLOCKS.iter().map(|(name, lines, expect)| {
        Case::new(*name, format!("POST /predict HTTP/1.1\r\n{lines}{JSON}content-length: 2\r\n\r\n{{}}"), *expect)
    }));
    cases.extend(large());
    cases.extend(cut());
    cases
}

/// Heads that are too large.
fn large() -> Vec<Case> {
    let with = |lines: &str| format!("GET /nothing HTTP/1.1\r\nhost: test\r\n{lines}\r\n");
    let many = |count: usize| with(&(0..count).map(|index| format!("x-{index}: 1\r\n")).collect::<Vec<_>>().concat());
    let path = |length: usize| format!("GET /{} HTTP/1.1\r\nhost: test\r\n\r\n", "x".repeat(length));
    let dots = format!("POST /models/{}/predict HTTP/1.1\r\nhost: test\r\n{JSON}\r\n", "..%2f".repeat(2000));
    vec![
        Case::new("200 headers", many(200), EmptyBody(431)),
        Case::new("100,000 headers", many(100_000), EmptyBody(431)),
        Case::new("one header of a megabyte", with(&format!("x: {}\r\n", "x".repeat(1 << 20))), EmptyBody(431)),
        Case::new("a header's name of 100 kB", with(&format!("{}: 1\r\n", "x".repeat(100_000))), EmptyBody(431)),
        Case::new("a path of 1 kB", path(1 << 10), NOT_FOUND),
        Case::new("a path of 12 kB", path(12_000), NOT_FOUND),
        Case::new("a head of more than 16 kB", path(20_000), EmptyBody(431)),
        Case::new("a path of 100 kB", path(100_000), EmptyBody(431)),
        Case::new("a path of a megabyte", path(1 << 20), EmptyBody(431)),
        Case::new("a method of a megabyte", "X".repeat(1 << 20), EmptyBody(431)),
        Case::new("dots and slashes for 10 kB", dots, UNKNOWN),
        Case::new("line ends for a megabyte", "\r\n".repeat(1 << 19), EmptyBody(431)),
    ]
}

/// Heads that end too early.
fn cut() -> Vec<Case> {
    let head = "POST /predict HTTP/1.1\r\nhost: test\r\ncontent-length: 2\r\n\r\n";
    let ends = [
        ("without a byte", ""),
        ("inside the method", &head[..3]),
        ("inside the path", &head[..9]),
        ("after the request line", &head[..24]),
        ("inside a header", &head[..30]),
        ("before the last line end", &head[..head.len() - 2]),
    ];
    let half = ends.map(|(end, bytes)| Case::new(format!("half-closed {end}"), bytes, Closed).half_closed());
    let gone = ends.map(|(end, bytes)| Case::new(format!("gone {end}"), bytes, Expect::Nothing).left());
    half.into_iter().chain(gone).collect()
}
