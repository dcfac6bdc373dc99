//! The request log: who requested what and how much, and who is to blame if there was no answer.

use std::{cell::RefCell, io::Write as _, net::TcpStream, path::Path};

use serde_json::{Value, json};

use crate::support::{
    http_client::{Reply, raw},
    packages::{add, copy_models},
    paths::fixture,
    process::Process,
    tokens::{Caller, write_tokens},
    wait::TEST_TIMEOUT,
};

const GOOD: &str = r#"{"features":{"tenure_months":4,"monthly_charge":79.5,"plan":"basic"}}"#;

/// Sends a request to the program; `lines` are whole header lines.
fn ask(process: &Process, line: &str, lines: &str, body: &str) -> Reply {
    let head = format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n{lines}");
    let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
    Reply::parse(&raw(process.address, request.as_bytes(), false)).expect("an answer")
}

/// The log line of the request with this id, and every line before it.
fn line_of(process: &Process, id: &str) -> (Value, Vec<Value>) {
    let before = RefCell::new(Vec::new());
    let fits = |line: &Value| {
        let found = line["request_id"] == id && line["message"] == "request";
        if !found {
            before.borrow_mut().push(line.clone());
        }
        found
    };
    let line = process.wait_for(fits).expect("a line of the request");
    (line, before.into_inner())
}

fn assert_contains(line: &Value, expected: &Value) {
    for (name, value) in expected.as_object().expect("an object") {
        assert_eq!(&line[name], value, "{name} in {line}");
    }
}

fn errors(lines: &[Value]) -> Vec<&Value> {
    lines.iter().filter(|line| line["level"] == "ERROR").collect()
}

fn over(models: &Path, more: &[&str]) -> Process {
    Process::serve(&[&[models.to_str().expect("a path")], more].concat())
}

#[test]
fn a_line_tells_method_route_caller_and_sizes() {
    let root = copy_models(&["churn"]);
    let tokens = root.path().join("tokens.toml");
    write_tokens(&tokens, &[Caller { name: "shop", token: "s3cret", more: "" }]);
    let set = format!("security.tokens_file={}", tokens.display());
    let process = over(root.path(), &["--set", &set]);
    let bearer = "authorization: Bearer s3cret\r\n";
    let zipped = {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(GOOD.as_bytes()).expect("written");
        gzip.finish().expect("compressed")
    };
    let head = format!(
        "POST /predict HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-type: application/json\r\n{bearer}\
         content-encoding: gzip\r\nx-request-id: zipped\r\ncontent-length: {}\r\n\r\n",
        zipped.len()
    );
    let reply = Reply::parse(&raw(process.address, &[head.as_bytes(), &zipped].concat(), false)).expect("an answer");
    let (line, _) = line_of(&process, "zipped");
    let (asked, answered) = (GOOD.len(), reply.body.len());
    assert_contains(
        &line,
        &json!({ "method": "POST", "route": "/predict", "caller": "shop", "model": "churn", "version": "1", "status": 200,
            "code": "ok", "request_bytes": asked, "response_bytes": answered, "client": null }),
    );
    for (id, ask_line, lines, expected) in [
        ("read", "GET /models/churn", bearer, json!({ "method": "GET", "route": "/models/{model}", "caller": "shop" })),
        ("stranger", "POST /predict", "", json!({ "caller": null, "status": 401, "request_bytes": null })),
        (
            "nowhere",
            "BREW /pot",
            bearer,
            json!({ "method": "_other", "route": "_other", "caller": "shop", "status": 404 }),
        ),
        (
            "forbidden",
            "PUT /models/churn/predict",
            bearer,
            json!({ "method": "PUT", "route": "/models/{model}/predict", "status": 405 }),
        ),
    ] {
        let reply = ask(&process, ask_line, &format!("{lines}x-request-id: {id}\r\n"), GOOD);
        let (line, before) = line_of(&process, id);
        assert_contains(&line, &expected);
        assert_eq!(line["response_bytes"], reply.body.len(), "{line}");
        assert!(errors(&before).is_empty(), "{before:#?}");
    }
}

#[test]
fn the_address_of_a_client_is_logged_where_that_is_wanted() {
    let root = copy_models(&["churn"]);
    let process = over(root.path(), &["--set", "telemetry.log_client_address=true"]);
    ask(&process, "POST /predict", "x-request-id: seen\r\n", GOOD);
    assert_contains(&line_of(&process, "seen").0, &json!({ "client": "127.0.0.1", "status": 200 }));
}

#[test]
fn a_client_that_goes_away_is_not_an_error() {
    let root = copy_models(&["churn"]);
    add(root.path(), "slow", "slow_loop", &[]);
    std::fs::write(root.path().join("slow/model.toml"), "[limits]\nworkers = 1\n").expect("written");
    let process = over(root.path(), &["--default-model", "churn"]);
    // The 100 Continue shows that the request has begun. Left unread, it makes the close a reset rather than a
    // half-close, after which the client might still read.
    let begin = |path: &str, id: &str, length: usize, body: &str| {
        let head =
            format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nexpect: 100-continue\r\n");
        let mut stream = TcpStream::connect(process.address).expect("a connection");
        stream.set_read_timeout(Some(TEST_TIMEOUT)).expect("a timeout");
        write!(stream, "{head}x-request-id: {id}\r\ncontent-length: {length}\r\n\r\n").expect("sent");
        stream.peek(&mut [0]).expect("it may go on");
        write!(stream, "{body}").expect("sent");
        stream
    };
    drop(begin("/predict", "in-the-body", 1000, GOOD));
    let slow = json!({ "features": [1, 300_000] }).to_string();
    let running = begin("/models/slow/predict", "in-the-run", slow.len(), &slow);
    let in_flight = "candor_requests_in_flight{model=\"slow\",version=\"1\"} 1";
    while !ask(&process, "GET /metrics", "", "").text().contains(in_flight) {}
    drop(running);
    let expected = json!({ "level": "INFO", "code": "cancelled", "status": 499, "method": "POST" });
    // Either of the two may end first.
    let lines = RefCell::new(Vec::new());
    let both = |line: &Value| {
        lines.borrow_mut().push(line.clone());
        lines.borrow().iter().filter(|line| line["message"] == "request").count() == 2
    };
    let ended = process.wait_for(both);
    assert!(ended.is_some(), "one log line per request: {:#?}", lines.borrow());
    let lines = lines.into_inner();
    assert!(errors(&lines).is_empty(), "{lines:#?}");
    let of = |id: &str| lines.iter().find(|line| line["request_id"] == id).expect("its line");
    assert_contains(of("in-the-body"), &expected);
    assert_contains(of("in-the-run"), &expected);
    assert_contains(of("in-the-run"), &json!({ "model": "slow", "version": "1", "route": "/models/{model}/predict" }));
}

#[test]
fn a_failure_is_an_error_that_names_model_and_route() {
    for (graph, body, code) in [
        ("failing", r#"{"features":[99]}"#, "inference_failed"),
        ("non_finite", r#"{"features":[0]}"#, "non_finite_output"),
    ] {
        let process = over(&fixture(&format!("{graph}.onnx")), &[]);
        let reply = ask(&process, "POST /predict", "x-request-id: failed\r\n", body);
        assert_eq!((reply.status, reply.code().as_str()), (500, code), "{}", reply.text());
        let (line, before) = line_of(&process, "failed");
        let about = json!({ "request_id": "failed", "method": "POST", "route": "/predict", "code": code, "version": "1",
            "model": graph.replace('_', "-") });
        assert_contains(&line, &about);
        let told: Vec<&Value> = errors(&before).into_iter().filter(|line| line["request_id"] == "failed").collect();
        assert_eq!(told.len(), 1, "{before:#?}");
        assert_contains(told[0], &about);
        assert!(told[0]["message"].as_str().is_some_and(|cause| cause.len() > 10), "{}", told[0]);
        // A mistake of the client is not logged as an error.
        ask(&process, "POST /predict", "x-request-id: refused\r\n", "{");
        let (_, before) = line_of(&process, "refused");
        assert!(errors(&before).is_empty(), "{before:#?}");
    }
}
