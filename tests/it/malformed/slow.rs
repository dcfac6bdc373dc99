//! Connections that stall: each is closed by a timeout of the server, and none blocks it.

use std::time::Instant;

use Expect::{Closed, Frames, Problem};

use super::{Case, Expect, GOOD, JSON, alive, judge, protocol};
use crate::{
    malformed::client::{self, Ending},
    support::{http_client::KeepAliveClient, server::Server, wait::TEST_TIMEOUT},
};

const TIMEOUT: Expect = Problem(408, "body_timeout");

/// This server's timeouts for a head and for a body.
const LIMIT_MS: u64 = 250;

fn server() -> Server {
    Server::start(|config| {
        config.http.server.header_timeout_ms = LIMIT_MS;
        config.http.server.body_timeout_ms = LIMIT_MS;
    })
}

/// What is sent before the stall.
fn cases() -> Vec<Case> {
    let line = "POST /predict HTTP/1.1\r\n";
    let head = format!("{line}host: test\r\n{JSON}");
    let body = format!("{head}content-length: {}\r\n\r\n", GOOD.len());
    let chunked = format!("{head}transfer-encoding: chunked\r\n\r\n");
    let asks = format!("{head}expect: 100-continue\r\ncontent-length: 70\r\n\r\n");
    let stream = [0, 0, 1, 1, 0, 0, 0, 0, 1, 0x82];
    let frames = [protocol::PREFACE, protocol::SETTINGS].concat();
    vec![
        Case::new("nothing", "", Closed),
        Case::new("one byte", "P", Closed),
        Case::new("line ends", "\r\n\r\n", Closed),
        Case::new("half a method", "PO", Closed),
        Case::new("half a request line", &line[..10], Closed),
        Case::new("a request line", line, Closed),
        Case::new("half a head", head.as_str(), Closed),
        Case::new("a head without its last line end", &body[..body.len() - 1], Closed),
        Case::new("no body", body.as_str(), TIMEOUT),
        Case::new("one byte of a body", format!("{body}{{"), TIMEOUT),
        Case::new("half a body", format!("{body}{}", &GOOD[..30]), TIMEOUT),
        Case::new("a body without its last byte", format!("{body}{}", &GOOD[..GOOD.len() - 1]), TIMEOUT),
        Case::new("no chunk", chunked.as_str(), TIMEOUT),
        Case::new("half a chunk's size", format!("{chunked}4"), TIMEOUT),
        Case::new("half a chunk", format!("{chunked}46\r\n{{\"fea"), TIMEOUT),
        Case::new("chunks without the last", format!("{chunked}2\r\n{{}}\r\n"), TIMEOUT),
        Case::new("chunks without the last line end", format!("{chunked}2\r\n{{}}\r\n0\r\n"), TIMEOUT),
        Case::new("a body that was asked for", asks, TIMEOUT),
        Case::new("half of HTTP/2's preface", &protocol::PREFACE[..12], Closed),
        Case::new("HTTP/2's preface", protocol::PREFACE, Frames),
        Case::new("HTTP/2's preface and settings", frames.as_slice(), Frames),
        Case::new("half a head of HTTP/2", [&frames[..], &stream].concat(), Frames),
    ]
}

#[test]
fn a_silent_connection_is_ended() {
    let server = server();
    let cases = cases();
    // All of them wait concurrently, so that their timeouts elapse together.
    let waiting: Vec<_> =
        cases.iter().map(|case| (case, client::send(server.address, &case.bytes, Ending::Wait))).collect();
    let mut faults = Vec::new();
    for (case, sent) in waiting {
        let answer = sent.read(case.to_the_end());
        faults.extend(judge(case, &answer).err());
        faults.extend(alive(server.address, &case.name).err());
    }
    assert!(faults.is_empty(), "{} of {} cases:\n{}", faults.len(), cases.len(), faults.join("\n"));
}

/// Single bytes now and then do not extend the timeout of a head or a body: it covers the whole of it.
#[test]
fn a_trickling_connection_is_ended() {
    let server = server();
    let head = format!("POST /predict HTTP/1.1\r\nhost: test\r\n{JSON}");
    let cases = [
        Case::new("a head byte by byte", format!("{head}x-long: "), Closed),
        Case::new("a body byte by byte", format!("{head}content-length: 1000000\r\n\r\n"), TIMEOUT),
    ];
    for case in cases {
        let started = Instant::now();
        let mut sent = client::send(server.address, &case.bytes, Ending::Wait);
        // Each good request in between takes a few milliseconds, which paces the bytes.
        while started.elapsed().as_millis() < u128::from(LIMIT_MS) * 2 && sent.push(b'x') {
            assert_eq!(alive(server.address, &case.name), Ok(()));
            assert!(started.elapsed() < TEST_TIMEOUT, "{} never ends", case.name);
        }
        assert_eq!(judge(&case, &sent.read(true)), Ok(()));
    }
}

/// Between requests a connection may be idle for longer than a head may take to arrive.
#[test]
fn an_open_connection_outlives_the_timeout_of_a_head() {
    let server = server();
    let request = b"GET /livez HTTP/1.1\r\nhost: test\r\n\r\n";
    let mut idle = KeepAliveClient::open(server.address).expect("a connection");
    assert_eq!(idle.ask(request).expect("a response").status, 200);
    // Two heads that stall, one after the other, pass the time: longer than a head may take.
    for _ in 0..2 {
        let mut stalled = KeepAliveClient::open(server.address).expect("a connection");
        assert_eq!(stalled.ask(request).expect("a response").status, 200);
        stalled.send(b"GET /livez HT");
        assert!(stalled.ends_cleanly());
    }
    assert_eq!(idle.ask(request).expect("a response on the idle connection").status, 200);
}

#[test]
fn an_idle_connection_is_closed() {
    let server = Server::start(|config| config.http.server.idle_timeout_ms = LIMIT_MS);
    let mut idle = KeepAliveClient::open(server.address).expect("a connection");
    assert_eq!(idle.ask(b"GET /livez HTTP/1.1\r\nhost: test\r\n\r\n").expect("a response").status, 200);
    assert!(idle.ends_cleanly());
}

/// More stalled connections than workers and CPUs: other clients do not notice.
#[test]
fn silent_connections_do_not_keep_others_out() {
    let server = Server::shared();
    let silent: Vec<_> = (0..200).map(|_| client::send(server.address, b"POST /predict HT", Ending::Wait)).collect();
    assert_eq!(alive(server.address, "200 silent connections"), Ok(()));
    drop(silent);
    assert_eq!(alive(server.address, "200 lost connections"), Ok(()));
}
