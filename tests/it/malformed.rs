//! Malformed requests: each is rejected with its own code or its connection is closed, and the server answers a good
//! request right after. Never a 5xx, a panic or a hang.

mod body;
mod client;
mod compressed;
mod extremes;
mod head;
mod header;
mod json;
mod length;
mod protocol;
mod shape;
mod slow;

use std::net::SocketAddr;

use client::{Answer, Ending};
use uuid::Uuid;

use crate::support::{http_client::Reply, server::Server};

/// A body that churn answers with 200.
const GOOD: &str = r#"{"features":{"tenure_months":4,"monthly_charge":79.5,"plan":"basic"}}"#;

const MALFORMED: Expect = Expect::Problem(400, "malformed_json");
const VIOLATION: Expect = Expect::Problem(400, "data_contract_violation");

/// The expected response.
#[derive(Debug, Clone, Copy)]
enum Expect {
    /// A problem with this status and code.
    Problem(u16, &'static str),
    /// A problem `data_contract_violation` that lists this violation, by pointer and code.
    Lists(&'static str, &'static str),
    /// A response of the HTTP library without a body, since it could not parse a request; then the connection is
    /// closed.
    EmptyBody(u16),
    /// The status of a problem in response to a HEAD request, which has no body.
    Head(u16),
    /// The connection is closed without a response.
    Closed,
    /// Nothing, or a problem with this code: reading and closing race.
    ClosedOr(u16, &'static str),
    /// HTTP/2 frames and the end: the bytes began with its preface.
    Frames,
    /// The client did not wait for a response.
    Nothing,
    /// Exactly these statuses in this order, then the end of the connection.
    Sequence(&'static [u16]),
}

/// One input.
#[derive(Debug, Clone)]
struct Case {
    name: String,
    bytes: Vec<u8>,
    ending: Ending,
    expect: Expect,
}

impl Case {
    fn new(name: impl Into<String>, bytes: impl Into<Vec<u8>>, expect: Expect) -> Self {
        Self { name: name.into(), bytes: bytes.into(), ending: Ending::Wait, expect }
    }

    /// The same, with the sending side closed after the last byte.
    fn half_closed(self) -> Self {
        Self { ending: Ending::HalfClose, ..self }
    }

    /// The same, with a disconnect after the last byte.
    fn left(self) -> Self {
        Self { ending: Ending::Leave, ..self }
    }

    /// Whether the end of the connection is checked too, and not only the first response.
    fn to_the_end(&self) -> bool {
        self.ending == Ending::HalfClose || !matches!(self.expect, Expect::Problem(..) | Expect::Lists(..))
    }

    /// A well-formed request to /predict with this body.
    fn body(name: impl Into<String>, body: impl AsRef<[u8]>, expect: Expect) -> Self {
        Self::new(name, request("/predict", "", body.as_ref()), expect)
    }
}

/// A well-formed POST of JSON; `headers` are whole lines.
fn request(path: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let kind = if headers.to_ascii_lowercase().contains("content-type") { "" } else { JSON };
    let length = body.len();
    let head = format!("POST {path} HTTP/1.1\r\nhost: test\r\n{kind}{headers}content-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}

const JSON: &str = "content-type: application/json\r\n";

#[test]
fn no_request_makes_a_server_fail_or_hang() {
    let server = Server::shared();
    let cases: Vec<Case> = [
        json::cases(),
        body::cases(),
        shape::cases(),
        length::cases(),
        head::cases(),
        header::cases(),
        compressed::cases(),
        protocol::cases(),
    ]
    .concat();
    assert!(cases.len() >= 150, "only {} cases", cases.len());
    let mut names: Vec<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    names.sort_unstable();
    let twice: Vec<_> = names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
    assert!(twice.is_empty(), "duplicate names: {twice:?}");

    let faults: Vec<String> = cases.iter().filter_map(|case| check(server, case).err()).collect();
    assert!(faults.is_empty(), "{} of {} cases:\n{}", faults.len(), cases.len(), faults.join("\n"));
    println!("{} malformed requests", cases.len());
}

#[test]
fn every_beginning_of_a_good_body_is_refused() {
    let server = Server::shared();
    let cuts = (0..GOOD.len()).map(|end| Case::body(format!("the first {end} bytes"), &GOOD[..end], MALFORMED));
    let faults: Vec<String> = cuts.filter_map(|case| check(server, &case).err()).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// Sends one case, checks the response, and sends the server a good request.
fn check(server: &Server, case: &Case) -> Result<(), String> {
    let sent = client::send(server.address, &case.bytes, case.ending);
    if case.ending != Ending::Leave {
        judge(case, &sent.read(case.to_the_end()))?;
    }
    alive(server.address, &case.name)
}

/// The server answers a good request.
fn alive(address: SocketAddr, after: &str) -> Result<(), String> {
    let good = request("/predict", "connection: close\r\n", GOOD.as_bytes());
    let answer = client::send(address, &good, Ending::Wait).read(false);
    match answer.first() {
        Some(reply) if reply.status == 200 => Ok(()),
        _ => Err(format!("{after}: the good request after it got {answer:?}")),
    }
}

fn judge(case: &Case, answer: &Answer) -> Result<(), String> {
    let fault = |what: &str| Err(format!("{}: {what}; wanted {:?}, got {answer:?}", case.name, case.expect));
    if answer.hung {
        return fault("no end and no answer");
    }
    if answer.replies.iter().any(|reply| reply.status >= 500) {
        return fault("a server error");
    }
    let right = match (case.expect, answer.first()) {
        (Expect::Problem(status, code) | Expect::ClosedOr(status, code), Some(reply)) => {
            reply.status == status && problem(reply)? == code
        }
        (Expect::Lists(pointer, code), Some(reply)) => {
            let listed = reply.status == 400 && problem(reply)? == "data_contract_violation";
            let errors = reply.json()["errors"].as_array().cloned().unwrap_or_default();
            listed && errors.iter().any(|error| error["pointer"] == pointer && error["code"] == code)
        }
        (Expect::EmptyBody(status), Some(reply)) => reply.status == status && reply.body.is_empty() && answer.closed,
        (Expect::Head(status), None) => Reply::parse(&answer.rest).is_some_and(|reply| {
            reply.status == status && reply.body.is_empty() && reply.header("x-request-id").is_some()
        }),
        (Expect::Frames, None) => answer.closed && !answer.rest.is_empty(),
        (Expect::Closed | Expect::ClosedOr(..), None) => answer.closed && answer.rest.is_empty(),
        (Expect::Sequence(wanted), _) => {
            let found: Vec<u16> = answer.replies.iter().map(|reply| reply.status).collect();
            for reply in answer.replies.iter().filter(|reply| reply.status != 200 && !reply.body.is_empty()) {
                problem(reply)?;
            }
            answer.closed && found == wanted
        }
        _ => false,
    };
    if right { Ok(()) } else { fault("another answer") }
}

/// Checks that a response is a problem by RFC 9457 with its request id, and returns its code.
fn problem(reply: &Reply) -> Result<String, String> {
    let fault = |what: &str| Err(format!("{what}: {reply:?}"));
    if reply.header("content-type") != Some("application/problem+json") {
        return fault("not a problem");
    }
    let Ok(body) = serde_json::from_slice::<serde_json::Value>(&reply.body) else { return fault("not JSON") };
    let code = body["code"].as_str().unwrap_or_default();
    if body["type"] != format!("/problems/{code}") || body["status"] != reply.status {
        return fault("the type or the status is not the code's");
    }
    if ["title", "detail"].iter().any(|member| body[member].as_str().is_none_or(str::is_empty)) {
        return fault("no title or no detail");
    }
    let id = reply.header("x-request-id").unwrap_or_default();
    if body["request_id"] != id || !Uuid::parse_str(id).is_ok_and(|id| id.get_version_num() == 7) {
        return fault("the request id differs, or was the caller's odd one");
    }
    Ok(code.to_owned())
}
