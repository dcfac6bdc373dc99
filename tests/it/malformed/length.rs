//! Wrong lengths, and chunked bodies with broken framing.

use Expect::{EmptyBody, Problem, Sequence};

use super::{Case, Expect, GOOD, JSON, MALFORMED, request};

/// Header lines with wrong framing, the body, and the expected response.
const FRAMES: &[(&str, &str, &str, Expect)] = &[
    ("a negative length", "content-length: -1", GOOD, EmptyBody(400)),
    ("a length with a sign", "content-length: +70", GOOD, EmptyBody(400)),
    ("a length in words", "content-length: seventy", GOOD, EmptyBody(400)),
    ("a length in hexadecimal", "content-length: 0x46", GOOD, EmptyBody(400)),
    ("a length with a fraction", "content-length: 70.0", GOOD, EmptyBody(400)),
    ("a length past 64 bits", "content-length: 99999999999999999999999", GOOD, EmptyBody(400)),
    ("a length of just 64 bits", "content-length: 18446744073709551615", GOOD, EmptyBody(431)),
    ("an empty length", "content-length:", GOOD, EmptyBody(400)),
    ("a list of lengths", "content-length: 70, 71", GOOD, EmptyBody(400)),
    ("two lengths", "content-length: 70\r\ncontent-length: 71", GOOD, EmptyBody(400)),
    ("a length of a terabyte", "content-length: 1000000000000", GOOD, Problem(413, "body_too_large")),
    ("a length one past the limit", "content-length: 1048577", GOOD, Problem(413, "body_too_large")),
    ("a length of none", "content-length: 0", "", MALFORMED),
    ("no length", "accept: */*", "", MALFORMED),
    // What follows the announced length is parsed as the next request, which is malformed.
    ("a length too small", "content-length: 20", GOOD, Sequence(&[400, 400])),
    ("a length of none before a body", "content-length: 0", GOOD, Sequence(&[400, 400])),
    ("no length before a body", "accept: */*", GOOD, Sequence(&[400, 400])),
    ("an encoding that is none", "transfer-encoding: pieces", GOOD, EmptyBody(400)),
    ("an empty encoding", "transfer-encoding:", GOOD, EmptyBody(400)),
    ("the encoding identity", "transfer-encoding: identity", GOOD, EmptyBody(400)),
    ("the encoding chunked, not last", "transfer-encoding: chunked, gzip", GOOD, EmptyBody(400)),
    ("the encoding chunked in quotes", "transfer-encoding: \"chunked\"", GOOD, EmptyBody(400)),
    ("chunked, and plain JSON", "transfer-encoding: chunked", GOOD, MALFORMED),
    ("a chunk without a size", "transfer-encoding: chunked", "\r\n{}\r\n0\r\n\r\n", MALFORMED),
    ("a chunk of a negative size", "transfer-encoding: chunked", "-2\r\n{}\r\n0\r\n\r\n", MALFORMED),
    ("a chunk with a size in words", "transfer-encoding: chunked", "two\r\n{}\r\n0\r\n\r\n", MALFORMED),
    ("a chunk with 0x", "transfer-encoding: chunked", "0x2\r\n{}\r\n0\r\n\r\n", MALFORMED),
    ("a chunk past 64 bits", "transfer-encoding: chunked", "10000000000000000\r\n{}\r\n0\r\n\r\n", MALFORMED),
    ("a chunk longer than its size", "transfer-encoding: chunked", "1\r\n{}\r\n0\r\n\r\n", MALFORMED),
    ("a chunk without an end of line", "transfer-encoding: chunked", "2\r\n{}0\r\n\r\n", MALFORMED),
    ("chunks of nothing", "transfer-encoding: chunked", "0\r\n\r\n", MALFORMED),
    ("half an object in chunks", "transfer-encoding: chunked", "1\r\n{\r\n0\r\n\r\n", MALFORMED),
    ("chunks behind HTTP/1.0's back", "transfer-encoding: chunked, chunked, x", "0\r\n\r\n", EmptyBody(400)),
];

/// Every case of this file.
pub(super) fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = FRAMES
        .iter()
        .map(|(name, lines, body, expect)| {
            let head = format!("POST /predict HTTP/1.1\r\nhost: test\r\n{JSON}{lines}\r\n\r\n{body}");
            let case = Case::new(*name, head, *expect);
            // If a second response is possible, reading to the end shows how many there were.
            if matches!(expect, Sequence(_)) { case.half_closed() } else { case }
        })
        .collect();
    cases.extend(smuggled());
    cases.extend(cut());
    cases.extend(oversized());
    cases
}

/// Content-Length and chunked together: the chunks count, there is one response, and the rest is not a second request.
fn smuggled() -> Vec<Case> {
    let hidden = String::from_utf8_lossy(&request("/predict", "", GOOD.as_bytes())).into_owned();
    let head = |lines: &str| format!("POST /predict HTTP/1.1\r\nhost: test\r\n{JSON}{lines}\r\n");
    let (long, short) = (hidden.len() + 5, 4);
    let of = |name: &str, lines: &str| {
        Case::new(name, format!("{}0\r\n\r\n{hidden}", head(lines)), Sequence(&[400])).half_closed()
    };
    vec![
        of("a long length, then chunks", &format!("content-length: {long}\r\ntransfer-encoding: chunked\r\n")),
        of("chunks, then a long length", &format!("transfer-encoding: chunked\r\ncontent-length: {long}\r\n")),
        of("a short length, then chunks", &format!("content-length: {short}\r\ntransfer-encoding: chunked\r\n")),
        of("a bad length after chunks", "transfer-encoding: chunked\r\ncontent-length: no\r\n"),
        Case::new(
            "chunks in HTTP/1.0",
            format!(
                "POST /predict HTTP/1.0\r\nhost: test\r\n{JSON}transfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
            ),
            Sequence(&[400]),
        )
        .half_closed(),
        Case::new(
            "chunks behind a blank before the colon",
            format!("{}\r\n0\r\n\r\n{hidden}", head("transfer-encoding : chunked\r\ncontent-length: 5")),
            Sequence(&[400]),
        )
        .half_closed(),
    ]
}

/// Bodies that end too early, because the client closes its sending side or disconnects.
fn cut() -> Vec<Case> {
    let whole = request("/predict", "", GOOD.as_bytes());
    let chunked = format!("POST /predict HTTP/1.1\r\nhost: test\r\n{JSON}transfer-encoding: chunked\r\n\r\n");
    let body = whole.len() - GOOD.len();
    let early = Expect::ClosedOr(400, "malformed_json");
    let ends = [
        ("before the body", whole[..body].to_vec()),
        ("after one byte of the body", whole[..=body].to_vec()),
        ("before the last byte of the body", whole[..whole.len() - 1].to_vec()),
        ("before the first chunk", chunked.clone().into_bytes()),
        ("inside a chunk's size", format!("{chunked}4").into_bytes()),
        ("inside a chunk", format!("{chunked}46\r\n{{\"feat").into_bytes()),
        ("before the last chunk", format!("{chunked}2\r\n{{}}\r\n").into_bytes()),
        ("inside the last chunk", format!("{chunked}2\r\n{{}}\r\n0\r\n").into_bytes()),
    ];
    let half = ends.iter().map(|(end, bytes)| Case::new(format!("half-closed {end}"), bytes.clone(), early));
    let gone = ends.iter().map(|(end, bytes)| Case::new(format!("gone {end}"), bytes.clone(), Expect::Nothing));
    half.map(Case::half_closed).chain(gone.map(Case::left)).collect()
}

/// Too many chunks, or too large ones.
fn oversized() -> Vec<Case> {
    let head = format!("POST /predict HTTP/1.1\r\nhost: test\r\n{JSON}transfer-encoding: chunked\r\n\r\n");
    let megabyte = "x".repeat(1 << 20);
    let tiny = "1\r\n{\r\n".repeat(1000);
    let extension = "x".repeat(100_000);
    let trailers = (0..2000).map(|index| format!("t{index}: x\r\n")).collect::<Vec<_>>().concat();
    vec![
        Case::new(
            "chunks past the limit",
            format!("{head}100000\r\n{megabyte}\r\n1\r\nx\r\n0\r\n\r\n"),
            Problem(413, "body_too_large"),
        ),
        Case::new("a chunk of a terabyte", format!("{head}E8D4A51000\r\n{megabyte}xx"), Problem(413, "body_too_large")),
        Case::new("1000 chunks of a byte", format!("{head}{tiny}0\r\n\r\n"), MALFORMED),
        Case::new("a long chunk extension", format!("{head}2;{extension}\r\n{{}}\r\n0\r\n\r\n"), MALFORMED),
        Case::new("many trailers", format!("{head}2\r\n{{}}\r\n0\r\n{trailers}\r\n"), MALFORMED),
        Case::new("a trailer without a colon", format!("{head}2\r\n{{}}\r\n0\r\nnothing\r\n\r\n"), MALFORMED),
    ]
}
