//! ONNX Runtime's error messages quote the values that failed: the log has them only as details.

use std::{io::Write as _, net::TcpStream};

use serde_json::Value;

use crate::{
    loading::index,
    support::{http_client::Reply, paths::fixture, process::Process},
};

/// A value that occurs nowhere else.
const SECRET: i64 = 4_711_471_147;

/// Requests this value, and returns every log line until the server has ended.
fn lines(level: &str) -> Vec<Value> {
    let mut process = Process::serve(&[&fixture("failing.onnx").display().to_string(), "--log-level", level]);
    let body = serde_json::json!({ "features": index(SECRET) }).to_string();
    let head = format!(
        "POST /predict HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: \
         {}\r\n\r\n",
        body.len()
    );
    let mut stream = TcpStream::connect(process.address).expect("a connection");
    stream.write_all((head + &body).as_bytes()).expect("sent");
    let mut answer = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut answer).expect("an answer");
    assert_eq!(Reply::parse(&answer).expect("an answer").code(), "inference_failed");
    process.signal("TERM");
    let lines = std::cell::RefCell::new(Vec::new());
    process.wait_for(|line| {
        lines.borrow_mut().push(line.clone());
        false
    });
    assert_eq!(process.ended(), Some(0));
    lines.into_inner()
}

#[test]
fn values_of_features_are_not_logged() {
    let logged = lines("info");
    let secret = SECRET.to_string();
    assert!(logged.iter().all(|line| !line.to_string().contains(&secret)), "{logged:#?}");
    let cause = logged.iter().find(|line| line["code"] == "inference_failed" && line["level"] == "ERROR");
    assert_eq!(cause.expect("the cause")["message"], "Gather node failed (InvalidArgument)", "{logged:#?}");
}

#[test]
fn the_whole_message_is_a_detail() {
    let logged = lines("debug");
    let secret = SECRET.to_string();
    let quoting: Vec<&Value> = logged.iter().filter(|line| line.to_string().contains(&secret)).collect();
    assert!(!quoting.is_empty(), "{logged:#?}");
    assert!(quoting.iter().all(|line| line["level"] == "DEBUG" && line["target"] == "onnxruntime"), "{quoting:#?}");
}
