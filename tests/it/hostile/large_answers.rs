//! Small requests with large responses: rejected if too large, written within the deadline, and never blocking others.

use std::{fs, thread};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{memory, report};
use crate::support::{
    http_client::Reply,
    packages::{add, ask, contract},
    process::Process,
    server::Server,
};

/// A graph that answers as many values as the instance says.
fn expanding() -> TempDir {
    let models = tempfile::tempdir().expect("a directory");
    let size = json!({ "size": { "type": "integer", "minimum": 0, "maximum": 100_000_000 } });
    let contract = contract("size", &size, &json!({ "task": "tensors" })).to_string();
    add(models.path(), "expanding", "expanding", &[("contract.json", &contract)]);
    add(models.path(), "other", "binary_vector", &[]);
    fs::write(models.path().join("expanding/model.toml"), "[limits]\ndeadline_ms = 20000\n").expect("written");
    models
}

fn server(models: &TempDir, max_answer_bytes: usize) -> Server {
    Server::start(|config| {
        config.repository.models = models.path().to_path_buf();
        config.repository.default_model = String::new();
        config.http.server.max_answer_bytes = max_answer_bytes;
    })
}

fn values(reply: &Reply) -> usize {
    reply.json()["outputs"]["values"].as_array().map_or(0, Vec::len)
}

#[test]
fn an_answer_has_a_largest_size() {
    let models = expanding();
    let server = server(&models, 1 << 20);
    let cases = [
        ("small", 10, 200, Value::Null),
        ("a million bytes", 200_000, 200, Value::Null),
        ("refused when it is written", 400_000, 422, json!("answer_too_large")),
        ("refused by the shape of the outputs", 40_000_000, 422, json!("answer_too_large")),
    ];
    for (name, size, status, code) in cases {
        let reply = ask(&server, "expanding", &json!({ "size": size }));
        assert_eq!((reply.status, &reply.json()["code"]), (status, &code), "{name}: {}", reply.text().len());
        if status == 200 {
            assert_eq!(values(&reply), size, "{name}");
        } else {
            assert!(reply.text().contains("1048576 bytes"), "{name}: {}", reply.text());
            assert_eq!(reply.json()["model"], "expanding", "{name}");
        }
    }
}

/// Regression test for the first release, which answered 200 after 11.9 s under a deadline of one second.
#[test]
fn the_deadline_holds_to_the_last_byte_of_a_large_answer() {
    let models = expanding();
    let server = server(&models, 1 << 30);
    for deadline in [5.0, 20.0, 100.0] {
        let headers = [("content-type", "application/json"), ("x-deadline-ms", &*deadline.to_string())];
        let body = json!({ "features": { "size": 5_000_000 } }).to_string();
        let reply = server.send("POST", "/models/expanding/predict", &headers, body.as_bytes());
        if reply.status == 200 {
            let timing = reply.header("server-timing").expect("times");
            let total = timing.rsplit_once("total;dur=").and_then(|(_, total)| total.parse::<f64>().ok());
            assert!(total.is_some_and(|total| total <= deadline), "{timing}");
        } else {
            assert!(["deadline_exceeded", "overloaded"].contains(&&*reply.code()), "{}", reply.text());
        }
    }
}

/// The serving threads stay responsive while large responses are read and written.
#[test]
fn large_answers_hold_nobody_up() {
    let models = expanding();
    let server = server(&models, 64 << 20);
    thread::scope(|scope| {
        let large: Vec<_> =
            (0..4).map(|_| scope.spawn(|| ask(&server, "expanding", &json!({ "size": 1_000_000 })))).collect();
        let mut asked = 0;
        while !large.iter().all(thread::ScopedJoinHandle::is_finished) {
            assert_eq!(ask(&server, "other", &json!([0.5, 0.5])).status, 200);
            asked += 1;
        }
        report("large answers", &format!("{asked} small ones were answered beside four of 4 MB"));
        for reply in large {
            let reply = reply.join().expect("an answer");
            assert_eq!((reply.status, values(&reply)), (200, 1_000_000), "{}", &reply.text()[..200]);
        }
    });
}

/// Regression test for the first release, in which an 80-byte request took 3.8 GB.
#[test]
fn a_small_request_for_a_huge_answer_takes_little_memory() {
    let models = expanding();
    let process = Process::serve(&[&models.path().display().to_string()]);
    let (idle, _) = memory(&process);
    for _ in 0..3 {
        let body = json!({ "features": { "size": 20_000_000 } }).to_string();
        let head = "POST /models/expanding/predict HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n";
        let request = format!("{head}connection: close\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        let reply = super::send(process.address, &request).expect("an answer");
        assert_eq!((reply.status, reply.code().as_str()), (422, "answer_too_large"));
    }
    let (after, peak) = memory(&process);
    report(
        "huge answers",
        &format!("memory {} MB idle, {} MB at most, {} MB after", idle >> 20, peak >> 20, after >> 20),
    );
    // The graph's own outputs, 80 MB, are held once.
    assert!(peak <= 2 * idle + (96 << 20), "{} MB", peak >> 20);
}
