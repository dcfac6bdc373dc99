//! A client that closes its sending side after its request still gets its response.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
};

use serde_json::json;

use super::{is_long, post};
use crate::support::{
    fake_executor::{blocking_executor, options, server_of},
    http_client::{Reply, raw},
    server::Server,
    wait::TEST_TIMEOUT,
};

#[test]
fn a_client_that_half_closes_gets_its_answer() {
    let server = Server::shared();
    let requests =
        [post(""), "GET /models/churn HTTP/1.1\r\nhost: test\r\n\r\n".to_owned(), post("x-deadline-ms: 900\r\n")];
    let rounds = if is_long() { 1000 } else { 100 };
    for round in 0..rounds {
        let bytes = raw(server.address, requests[round % requests.len()].as_bytes(), true);
        let reply = Reply::parse(&bytes).unwrap_or_else(|| panic!("no answer in round {round}"));
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

#[test]
fn each_of_several_requests_is_answered_before_the_end() {
    let server = Server::shared();
    let bytes = raw(server.address, post("").repeat(5).as_bytes(), true);
    let text = String::from_utf8(bytes).expect("UTF-8");
    assert_eq!(text.matches("HTTP/1.1 200 OK").count(), 5, "{text}");
}

#[test]
fn a_half_closed_client_of_http_1_0_is_answered_too() {
    let bytes = raw(Server::shared().address, b"GET /livez HTTP/1.0\r\n\r\n", true);
    assert_eq!(Reply::parse(&bytes).map(|reply| reply.status), Some(200));
}

#[test]
fn a_half_closed_administrator_is_answered_too() {
    let tokens = tempfile::NamedTempFile::new().expect("a file");
    // The digest of `foo`.
    let digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    let text = format!("[[caller]]\nname = \"ops\"\ntoken_sha256 = \"{digest}\"\n");
    std::fs::write(tokens.path(), text).expect("written");
    let server = Server::start(|config| config.admin.tokens_file = tokens.path().to_path_buf());
    let head = "host: test\r\nauthorization: Bearer foo\r\n";
    for (request, status) in [
        (format!("GET /admin/log-level HTTP/1.1\r\n{head}\r\n"), 200),
        (format!("PUT /admin/log-level HTTP/1.1\r\n{head}content-length: 4\r\n\r\ninof"), 400),
    ] {
        let bytes = raw(server.admin_address(), request.as_bytes(), true);
        assert_eq!(Reply::parse(&bytes).map(|reply| reply.status), Some(status), "{request}");
    }
}

/// A response larger than the socket's buffer is not cut off when the client has closed its sending side.
#[test]
fn a_large_answer_to_a_half_closed_client_comes_whole() {
    let server = Server::shared();
    let bytes = raw(server.address, b"GET /openapi.json HTTP/1.1\r\nhost: test\r\n\r\n", true);
    let reply = Reply::parse(&bytes).expect("an answer");
    assert_eq!(reply.header("content-length"), Some(&*reply.body.len().to_string()));
    assert!(reply.json()["paths"].is_object());
}

/// During a slow response, an interim response shows whether the client is still connected.
#[test]
fn a_half_closed_client_may_wait_long() {
    let (executor, gate) = blocking_executor();
    let server = server_of(executor, options(4));
    let body = json!({ "features": { "x": 3 } }).to_string();
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(TEST_TIMEOUT)).expect("a timeout");
    let head = "POST /predict HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-length: ";
    write!(stream, "{head}{}\r\n\r\n{body}", body.len()).expect("sent");
    stream.shutdown(Shutdown::Write).expect("half closed");
    gate.begun();
    let interim = b"HTTP/1.1 102 Processing\r\n\r\n";
    let mut first = [0; 27];
    stream.read_exact(&mut first).expect("an interim answer");
    assert_eq!(&first, interim);
    gate.open();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).expect("the answer");
    let reply = Reply::parse(&rest).expect("an answer");
    assert_eq!((reply.status, &reply.json()["prediction"]), (200, &json!(6.0)));
}
