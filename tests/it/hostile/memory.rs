//! How much memory clients can make the server hold: at most twice its idle size plus its budget.

use std::{
    future::poll_fn,
    io::Write as _,
    net::{SocketAddr, TcpStream},
};

use bytes::Bytes;
use futures_util::{
    FutureExt as _,
    future::{BoxFuture, join_all},
};
use h2::{SendStream, client::ResponseFuture};

use super::{is_long, latency, memory, metric, report, serve};
use crate::support::{http2_client::Frames, process::Process, server::block_on, wait::wait_until};

/// The memory budget of these servers, in bytes.
const BUDGET: u64 = 32 << 20;

fn server(settings: &[&str]) -> Process {
    let budget = format!("http.max_buffered_bytes={BUDGET}");
    serve(&[&[budget.as_str()], settings].concat())
}

/// Makes an attack, then compares the server's peak memory with the limit. Good requests are sent before, during and
/// after; in the end the server is nearly back to its idle size.
fn attack<H>(name: &str, process: &Process, make: impl FnOnce(SocketAddr) -> H) {
    let rounds = if is_long() { 2000 } else { 50 };
    let (p50, p99) = latency(process.address, rounds);
    let (idle, _) = memory(process);
    let held = make(process.address);
    let (during, p99_during) = latency(process.address, rounds);
    let (_, peak) = memory(process);
    let promise = 2 * idle + BUDGET;
    report(
        name,
        &format!(
            "memory {} MB idle, {} MB at most, of {} MB; good clients p50 {p50:?} -> {during:?}, p99 {p99:?} -> {p99_during:?}",
            idle >> 20,
            peak >> 20,
            promise >> 20
        ),
    );
    assert!(peak <= promise, "{name}: {} MB of {} MB", peak >> 20, promise >> 20);
    drop(held);
    wait_until("memory is released", || {
        latency(process.address, 1);
        memory(process).0 <= 2 * idle
    });
    report(name, &format!("memory {} MB afterwards", memory(process).0 >> 20));
}

/// 6 connections with 200 bodies of one megabyte each, all but the last byte.
#[test]
fn unfinished_bodies_of_http_2() {
    let process = server(&["http.body_timeout_ms=60000"]);
    let (connections, streams) = if is_long() { (6, 200) } else { (2, 64) };
    attack("unfinished bodies of HTTP/2", &process, |address| {
        block_on(join_all((0..connections).map(|_| send_bodies(address, streams))))
    });
    assert!(shed(&process) >= 1.0, "some were rejected");
}

/// The number of requests rejected for lack of memory.
fn shed(process: &Process) -> f64 {
    metric(process.address, "candor_requests_shed_total", &["memory"])
}

/// What keeps the bodies unfinished: the connection and its streams.
type Unfinished = (BoxFuture<'static, ()>, Vec<(ResponseFuture, SendStream<Bytes>)>);

/// Opens up to this many streams, as far as the server allows, and sends each one megabyte less one byte. A stream is
/// done when the server has received all of it or has rejected it.
async fn send_bodies(address: SocketAddr, streams: usize) -> Unfinished {
    let socket = tokio::net::TcpStream::connect(address).await.expect("a connection");
    let (client, connection) = h2::client::handshake(socket).await.expect("HTTP/2");
    let mut connection = connection.map(|_| ()).boxed();
    let sending = async {
        let mut client = client;
        let mut sending = Vec::new();
        for _ in 0..streams.min(64) {
            client = client.ready().await.expect("room for a stream");
            let request = http::Request::post(format!("http://{address}/predict"))
                .header("content-type", "application/json")
                .body(())
                .expect("a request");
            let (response, body) = client.send_request(request, false).expect("a stream");
            sending.push(send_body(response, body));
        }
        join_all(sending).await
    };
    let streams = tokio::select! {
        streams = sending => streams,
        () = &mut connection => panic!("the server keeps the connection"),
    };
    (connection, streams)
}

async fn send_body(response: ResponseFuture, mut body: SendStream<Bytes>) -> (ResponseFuture, SendStream<Bytes>) {
    let mut left = 999_999;
    while left > 0 {
        body.reserve_capacity(left.min(16_384));
        // `None` or an error: the server has rejected it.
        let Some(Ok(room)) = poll_fn(|context| body.poll_capacity(context)).await else { break };
        let piece = room.min(left);
        if body.send_data(Bytes::from(vec![b' '; piece]), false).is_err() {
            break;
        }
        left -= piece;
    }
    (response, body)
}

/// 600 connections, each with an endless body that has reached 0.94 megabytes.
#[test]
fn unfinished_bodies_of_http_1() {
    let process = server(&["http.body_timeout_ms=60000"]);
    let count = if is_long() { 600 } else { 80 };
    attack("unfinished bodies of HTTP/1", &process, |address| {
        let body = vec![b' '; 940_000];
        let open = |_| {
            let mut stream = TcpStream::connect(address).expect("a connection");
            let head = "POST /predict HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n";
            let _ = write!(stream, "{head}content-length: 1000000\r\n\r\n");
            // The server reads everything, or rejects it and closes the connection.
            let _ = stream.write_all(&body);
            stream
        };
        (0..count).map(open).collect::<Vec<_>>()
    });
    assert!(shed(&process) >= 1.0, "some were rejected");
}

/// Bodies that decompress to a thousand times their size, and never end.
#[test]
fn bodies_that_unpack() {
    let process = server(&["http.max_body_bytes=8388608"]);
    let count = if is_long() { 1000 } else { 64 };
    let plain = vec![b' '; 8 << 20];
    let packed = zstd::encode_all(&plain[..], 1).expect("packed");
    attack("bodies that unpack", &process, |address| {
        let open = |_| {
            let mut stream = TcpStream::connect(address).expect("a connection");
            let head =
                "POST /predict HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\ncontent-encoding: zstd\r\n";
            let _ = write!(stream, "{head}content-length: {}\r\n\r\n", packed.len());
            let _ = stream.write_all(&packed);
            stream
        };
        (0..count).map(open).collect::<Vec<_>>()
    });
}

/// 40 connections that request the metrics on every stream and never read a response: their flow-control windows are
/// closed.
#[test]
fn readers_with_a_closed_window() {
    const INITIAL_WINDOW_SIZE: u16 = 4;
    let process = server(&["http.answer_timeout_ms=2000"]);
    let connections = if is_long() { 40 } else { 10 };
    let mut clients = Vec::new();
    attack("readers with a closed window", &process, |address| {
        for _ in 0..connections {
            let mut client = Frames::with_settings(address, &[(INITIAL_WINDOW_SIZE, 0)]);
            (0..64).for_each(|stream| client.get(2 * stream + 1, "/metrics"));
            clients.push(client);
        }
        let all = f64::from(connections * 64);
        wait_until("every scrape is answered or rejected", || {
            metric(address, "candor_requests_total", &["route=\"/metrics\""]) >= all
        });
    });
    // A client that reads no response is disconnected.
    assert!(clients.into_iter().all(Frames::closes_in_the_end));
    assert!(metric(process.address, "candor_connections_timed_out_total", &["slow_reader"]) >= f64::from(connections));
}

/// An HTTP/1 client that keeps sending requests and reads nothing.
#[test]
fn a_reader_that_reads_nothing() {
    let process = server(&["http.answer_timeout_ms=1000", "http.header_timeout_ms=1000"]);
    let requests = "GET /openapi.json HTTP/1.1\r\nhost: test\r\n\r\n".repeat(2000);
    attack("a reader that reads nothing", &process, |address| {
        let open = |_| {
            let mut stream = TcpStream::connect(address).expect("a connection");
            stream.set_write_timeout(Some(std::time::Duration::from_millis(200))).expect("a timeout");
            let _ = stream.write_all(requests.as_bytes());
            stream
        };
        (0..if is_long() { 100 } else { 10 }).map(open).collect::<Vec<_>>()
    });
}
