//! Explanations have lower priority than predictions, and keep their limits of rows, queue space and time.

use std::{sync::Arc, thread};

use candor::{
    domain::{
        profile::Profile,
        tensor::{Buffer, Inputs, Tensor},
    },
    repository::Repository,
    runtime::{Priority, SubmitError},
};
use serde_json::{Value, json};

use super::{codes, explainable, explained, number, profile};
use crate::support::{
    fake_executor::{self, ExecutorGate},
    http_client::Reply,
    metrics::wait_for,
    server::{Server, block_on},
    wait::wait_until,
};

const FEATURES: &[&str] = &["a", "b", "c", "d"];

/// All coalitions of four features except the full one.
const ROWS: usize = 15;

/// A model of four numbers with a baseline of zeros; each row runs when the test opens the gate.
fn blocking_model(capacity: usize) -> (Server, Arc<Repository>, ExecutorGate) {
    let profile = profile(&json!({ "a": 0.0, "b": 0.0, "c": 0.0, "d": 0.0 }));
    let profile: Profile = serde_json::from_value(profile).expect("a profile");
    let (executor, gate) = fake_executor::blocking_executor();
    let (server, repository) = fake_executor::explained(executor, fake_executor::options(capacity), FEATURES, profile);
    (server, repository, gate)
}

/// Sends the request on a new thread.
fn ask<'s>(scope: &'s thread::Scope<'s, '_>, server: &'s Server, body: Value) -> thread::ScopedJoinHandle<'s, Reply> {
    ask_within(scope, server, body, "60000")
}

fn ask_within<'s>(
    scope: &'s thread::Scope<'s, '_>,
    server: &'s Server,
    body: Value,
    deadline_ms: &'static str,
) -> thread::ScopedJoinHandle<'s, Reply> {
    let headers = [("content-type", "application/json"), ("x-deadline-ms", deadline_ms)];
    scope.spawn(move || server.send("POST", "/predict", &headers, body.to_string().as_bytes()))
}

fn question() -> Value {
    json!({ "features": [1.0, 2.0, 3.0, 4.0], "explain": true })
}

#[test]
fn a_prediction_does_not_wait_for_an_explanation() {
    let (server, _, gate) = blocking_model(1024);
    thread::scope(|scope| {
        let slow = ask(scope, &server, question());
        assert_eq!(gate.begun(), [1.0, 2.0, 3.0, 4.0], "the prediction runs first");
        gate.open();
        gate.begun();
        // One row of the explanation runs and all others wait; new predictions run next.
        until_waiting(&server, ROWS - 1);
        for (turn, value) in [(1, 100.0), (2, 200.0), (3, 300.0)] {
            let prediction = ask(scope, &server, json!({ "features": [value, 0.0, 0.0, 0.0] }));
            until_waiting(&server, ROWS - turn + 1);
            gate.open();
            assert_eq!(gate.begun(), [value, 0.0, 0.0, 0.0], "the prediction runs before {} rows", ROWS - turn);
            gate.open();
            let reply = prediction.join().expect("no panic");
            assert_eq!((reply.status, number(&reply.json()["prediction"])), (200, 2.0 * value));
            gate.begun();
        }
        (4..ROWS).for_each(|_| {
            gate.open();
            gate.begun();
        });
        gate.open();
        let answer = slow.join().expect("no panic").json();
        assert_eq!((&answer["explanation"]["complete"], &answer["explanation"]["rows"]), (&json!(true), &json!(ROWS)));
        let first = &answer["explanation"]["contributions"][0];
        assert_eq!(
            (&first["feature"], number(&first["contribution"])),
            (&json!("a"), 2.0),
            "the fake doubles the first feature"
        );
    });
}

/// Waits until this many rows are queued.
fn until_waiting(server: &Server, rows: usize) {
    let series = r#"candor_queue_depth{model="fake",version="1"}"#;
    wait_for(server, series, rows as u64);
}

#[test]
fn at_the_deadline_it_says_what_is_reached() {
    // The baseline, one permutation and its reverse are the least that give an estimate. The cases run concurrently,
    // because each waits for its deadline.
    thread::scope(|scope| {
        for (answered, reached) in [(0, false), (6, false), (7, true), (ROWS - 1, true)] {
            scope.spawn(move || stopped_after(answered, reached));
        }
    });
}

fn stopped_after(answered: usize, reached: bool) {
    let (server, _, gate) = blocking_model(1024);
    thread::scope(|scope| {
        let asked = ask_within(scope, &server, question(), "6000");
        for _ in 0..=answered {
            gate.begun();
            gate.open();
        }
        gate.begun();
        let reply = asked.join().expect("no panic");
        let answer = reply.json();
        assert_eq!((reply.status, number(&answer["prediction"])), (200, 2.0), "the prediction is answered");
        assert_eq!(codes(&answer), ["explanation_incomplete"]);
        let detail = answer["warnings"][0]["detail"].as_str().expect("a detail");
        assert!(
            detail.starts_with(&format!("the deadline was near after {answered} rows (of at most 4096)")),
            "{detail}"
        );
        let explanation = &answer["explanation"];
        assert_eq!(explanation.is_object(), reached, "{answered}: {answer}");
        if reached {
            assert_eq!(
                (&explanation["complete"], &explanation["method"]),
                (&json!(false), &json!("shapley-permutation"))
            );
            assert_eq!(explanation["rows"], answered);
        }
    });
}

#[test]
fn a_version_that_is_being_stopped_answers_without_the_explanation() {
    let (server, repository, gate) = blocking_model(1024);
    thread::scope(|scope| {
        let asked = ask(scope, &server, question());
        gate.begun();
        let stopped = scope.spawn(|| repository.stop());
        until_closed(&repository);
        gate.open();
        let answer = asked.join().expect("no panic").json();
        assert_eq!((number(&answer["prediction"]), &answer["explanation"]), (2.0, &Value::Null));
        let detail = answer["warnings"][0]["detail"].as_str().expect("a detail");
        let expected = "the model could not accept more rows after 0 rows (of at most 4096); an explanation needs at \
                        least 7 rows";
        assert_eq!((codes(&answer), detail), (vec!["explanation_incomplete"], expected));
        stopped.join().expect("no panic");
    });
}

fn until_closed(repository: &Repository) {
    let catalog = repository.catalog();
    let version = catalog.resolve(None, None).expect("the version");
    let row = || Inputs { tensors: vec![Tensor { shape: vec![1, 4], buffer: Buffer::F64(vec![9.0; 4]) }], rows: 1 };
    wait_until("no row is taken", || {
        let refused = block_on(version.engine.execute(row(), std::time::Instant::now(), Priority::Predict));
        matches!(refused, Err(SubmitError::ShuttingDown))
    });
}

#[test]
fn the_rows_of_one_explanation_are_bounded() {
    let usual = Server::shared().get("/models/breast-cancer/versions/1").json()["example"]["features"].clone();
    let other = usual.as_object().expect("by name").iter();
    let other: Value = other.map(|(name, value)| (name.clone(), json!(number(value) * 1.3))).collect();
    // Thirty features: 59 rows for the baseline and the first pair, at most 58 for each further pair.
    for (limit, least) in [(58, 0), (59, 59), (116, 59), (400, 342)] {
        let root = explainable("breast-cancer/1", Some(&profile(&usual)), &format!("max_explain_rows = {limit}\n"));
        let answer = explained(root.path(), &other);
        assert_eq!(codes(&answer), ["explanation_incomplete"], "{answer}");
        let detail = answer["warnings"][0]["detail"].as_str().expect("a detail");
        let explanation = &answer["explanation"];
        if least == 0 {
            assert_eq!(*explanation, Value::Null);
            let expected =
                "the row limit was reached after 0 rows (of at most 58); an explanation needs at least 59 rows";
            assert_eq!(detail, expected);
            continue;
        }
        let rows = explanation["rows"].as_u64().expect("a count");
        assert!((least..=limit).contains(&rows), "{rows} of {limit}");
        assert_eq!(
            explanation["standard_error"].is_null(),
            limit < 117,
            "one pair has no standard error: {explanation}"
        );
    }
}
