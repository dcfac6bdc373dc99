//! More connections than the limit, most of them slow: who is accepted, who is rejected and how, and what operators
//! see.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
};

use tokio::net::TcpSocket;

use super::{ask, get, latency, memory, metric, report, serve};
use crate::support::{
    http_client::Reply,
    process::Process,
    server::{Server, block_on},
    wait::{TEST_TIMEOUT, wait_until},
};

/// Connections that send the beginning of a request and no more.
fn slow(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    let open = |_| {
        let mut stream = TcpStream::connect(address).expect("a connection");
        let _ = stream.write_all(b"POST /predict HTTP/1.1\r\nhost: test\r\n");
        stream
    };
    (0..count).map(open).collect()
}

/// The response on a connection from another address of this machine.
fn ask_from(source: &str, address: SocketAddr) -> Option<Reply> {
    let source: SocketAddr = format!("{source}:0").parse().expect("an address");
    let stream = block_on(async {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind(source).expect("an address of this machine");
        socket.connect(address).await.expect("a connection").into_std().expect("a stream")
    });
    stream.set_nonblocking(false).expect("a blocking stream");
    stream.set_read_timeout(Some(TEST_TIMEOUT)).expect("a timeout");
    let mut stream = stream;
    let _ = stream.write_all(super::post("connection: close\r\n").as_bytes());
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    Reply::parse(&bytes)
}

#[test]
fn slow_sockets_do_not_lock_others_out() {
    let process = serve(&[
        "http.max_connections=64",
        "http.max_connections_per_address=60",
        "health.host=127.0.0.1",
        "health.port=0",
        "health.metrics=true",
    ]);
    let health = health_address(&process);
    let held = slow(process.address, 60);
    // One address has used up its share: its next connection is rejected at once.
    let mut refused = TcpStream::connect(process.address).expect("a connection");
    refused.set_read_timeout(Some(TEST_TIMEOUT)).expect("a timeout");
    let mut bytes = Vec::new();
    let _ = refused.read_to_end(&mut bytes);
    let reply = Reply::parse(&bytes).expect("an answer");
    assert_eq!((reply.status, reply.code().as_str()), (503, "overloaded"));
    assert_eq!(reply.header("retry-after"), Some("1"));
    // Other addresses get in, and the health endpoints have their own listener.
    assert_eq!(ask_from("127.0.0.2", process.address).map(|reply| reply.status), Some(200));
    assert_eq!(get(health, "/livez").status, 200);
    assert_eq!(get(health, "/readyz").status, 200);
    assert_eq!(get(health, "/nothing").code(), "not_found");
    assert!(metric(health, "candor_connections", &["data", "open"]) >= 1.0);
    assert!(metric(health, "candor_connections_refused_total", &["data", "address"]) >= 1.0);
    let line = process.wait_for(|line| line["message"].as_str().is_some_and(|text| text.contains("one address is")));
    let line = line.expect("a line in the log");
    assert_eq!((&line["level"], &line["busiest_address"]), (&"WARN".into(), &"127.0.0.1".into()), "{line}");
    // While connections are scarce, idle ones are closed within about a second instead of the usual 30, down to half of
    // the limit.
    wait_until("idle connections are closed", || {
        metric(health, "candor_connections_timed_out_total", &["data", "idle"]) >= 28.0
    });
    assert_eq!(ask(process.address).status, 200);
    drop(held);
}

/// A full listener lets connections wait for a moment, and then accepts those that still wait.
#[test]
fn connections_wait_for_room_and_are_let_in() {
    let server = Server::start(|config| {
        config.http.server.max_connections = 16;
        config.http.server.max_connections_per_address = 1000;
    });
    let held = slow(server.address, 16);
    assert_eq!(ask(server.address).status, 200, "idle connections were closed");
    drop(held);
}

fn health_address(process: &Process) -> SocketAddr {
    process.health.expect("a health listener")
}

/// Regression test for the first release: 4,200 slow sockets locked new clients out for half a minute, health checks
/// included.
#[test]
fn thousands_of_slow_sockets() {
    let count = if super::is_long() { 4200 } else { 400 };
    let limit = count - count / 40;
    let process = serve(&[
        &format!("http.max_connections={limit}"),
        &format!("http.max_connections_per_address={}", 2 * count),
        "health.host=127.0.0.1",
        "health.port=0",
    ]);
    let health = health_address(&process);
    let (idle, _) = memory(&process);
    let (before, p99_before) = latency(process.address, 200);
    let held = slow(process.address, count);
    assert_eq!(get(health, "/livez").status, 200);
    let (during, p99_during) = latency(process.address, 200);
    let (_, peak) = memory(&process);
    report(
        "slow sockets",
        &format!(
            "{count} of them: p50 {before:?} -> {during:?}, p99 {p99_before:?} -> {p99_during:?}, memory {} -> {} MB",
            idle >> 20,
            peak >> 20
        ),
    );
    drop(held);
}
