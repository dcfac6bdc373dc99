//! Malicious clients: how much memory they can tie up, and what other clients notice.
//!
//! Each attack runs against the program itself, whose memory is then read. `make hostile` runs larger versions of the
//! same attacks and prints the measurements.

mod half_closed;
mod large_answers;
mod many_connections;
mod memory;

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};

use crate::support::{http_client::Reply, process::Process, wait::TEST_TIMEOUT};

const GOOD: &str = r#"{"features":{"tenure_months":4,"monthly_charge":79.5,"plan":"basic"}}"#;

/// Whether the attacks run at full size.
fn is_long() -> bool {
    std::env::var_os("CANDOR_LONG").is_some_and(|value| value == "1")
}

/// The program with the bundled churn and these settings.
fn serve(settings: &[&str]) -> Process {
    let set = settings.iter().flat_map(|setting| ["--set", *setting]);
    let arguments: Vec<&str> = ["models/churn"].into_iter().chain(set).collect();
    Process::serve(&arguments)
}

/// The current and the peak resident memory of the process, in bytes.
fn memory(process: &Process) -> (u64, u64) {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.child.id())).expect("a running process");
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("the field");
        line.trim_matches(|letter: char| !letter.is_ascii_digit()).parse::<u64>().expect("kilobytes") << 10
    };
    (field("VmRSS:"), field("VmHWM:"))
}

/// A good request on a new connection.
fn ask(address: SocketAddr) -> Reply {
    send(address, &post("connection: close\r\n")).unwrap_or_else(|| panic!("no answer to a good request"))
}

fn post(lines: &str) -> String {
    let length = GOOD.len();
    format!(
        "POST /predict HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n{lines}content-length: {length}\r\n\r\n{GOOD}"
    )
}

/// Sends a request and reads until the connection ends; `None` if there was no response.
fn send(address: SocketAddr, request: &str) -> Option<Reply> {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(TEST_TIMEOUT)).expect("a timeout");
    let _ = stream.write_all(request.as_bytes());
    let mut bytes = Vec::new();
    let _ = stream.read_to_end(&mut bytes);
    Reply::parse(&bytes)
}

fn get(address: SocketAddr, path: &str) -> Reply {
    send(address, &format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")).expect("an answer")
}

/// The sum of the samples of a metric whose labels contain all these texts.
fn metric(address: SocketAddr, name: &str, labels: &[&str]) -> f64 {
    let text = get(address, "/metrics").text();
    let of = |line: &str| {
        let rest = line.strip_prefix(name)?;
        let (labelled, value) = rest.rsplit_once(' ')?;
        let fits = rest.starts_with(['{', ' ']) && labels.iter().all(|label| labelled.contains(label));
        fits.then(|| value.parse::<f64>().expect("a number"))
    };
    text.lines().filter_map(of).sum()
}

/// The latency of good requests sent one after the other: median and 99th percentile.
fn latency(address: SocketAddr, requests: usize) -> (Duration, Duration) {
    let mut times: Vec<Duration> = (0..requests)
        .map(|_| {
            let started = Instant::now();
            assert_eq!(ask(address).status, 200);
            started.elapsed()
        })
        .collect();
    times.sort();
    (times[requests / 2], times[requests * 99 / 100])
}

/// Prints a measurement if the attacks run at full size.
fn report(name: &str, line: &str) {
    if is_long() {
        println!("{name}: {line}");
    }
}
