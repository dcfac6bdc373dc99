//! A version that looked cheap at load but is not: it moves from the callers' threads to a worker.

use std::time::{Duration, Instant};

use candor::runtime::{EngineOptions, Placement, Priority, SubmitError};
use serde_json::json;

use super::{EngineFixture, LONG, request};
use crate::support::{
    fake_executor::{ExecutorGate, blocking_executor, interruptible_executor, options},
    http_client::KeepAliveClient,
    packages::package,
    process::Process,
    wait::wait_until,
};

/// Holds a run open past `INLINE_RUN_LIMIT` (20 ms, `runtime::slow_runs`). This is a lower bound: on a slow machine
/// the run only takes longer.
fn too_long() {
    let started = Instant::now();
    wait_until("a run longer than INLINE_RUN_LIMIT (20 ms)", || started.elapsed() > Duration::from_millis(30));
}

/// A single long run may be a preempted thread, so two are not enough: the next long run soon after these moves the
/// version.
fn two_long_runs(fixture: &EngineFixture, gate: &ExecutorGate) {
    for _ in 0..2 {
        let held_up = fixture.predict(0.0);
        gate.begun();
        too_long();
        gate.open();
        assert_eq!(held_up.answer(), (0.0, 1));
    }
}

/// Rows that waited for a caller's thread are answered by the worker.
#[test]
fn rows_that_wait_while_a_version_moves_are_answered() {
    let (executor, gate) = blocking_executor();
    let fixture = EngineFixture::start(executor, EngineOptions { placement: Placement::Inline, ..options(8) });
    two_long_runs(&fixture, &gate);
    let first = fixture.predict(1.0);
    gate.begun();
    let before = fixture.queue(2.0, Priority::Predict, 1);
    too_long();
    gate.open();
    assert_eq!(gate.begun(), [2.0]);
    // The caller whose run caused the change has its answer while the worker is busy.
    assert_eq!(first.answer(), (2.0, 1));
    let after = fixture.queue(3.0, Priority::Predict, 1);
    gate.open();
    gate.begun();
    gate.open();
    assert_eq!((before.answer().0, after.answer().0), (4.0, 6.0));
    drop(gate);
    fixture.engine.stop();
    assert!(fixture.ask(4.0, LONG, Priority::Predict).outcome().is_err(), "the engine stopped the new worker too");
}

/// A row that waits for a caller's thread has no timer; once a worker runs it, its deadline must still hold.
#[test]
fn a_row_that_moved_with_its_version_keeps_its_deadline() {
    let (executor, gate) = interruptible_executor();
    let fixture = EngineFixture::start(executor, EngineOptions { placement: Placement::Inline, ..options(8) });
    two_long_runs(&fixture, &gate);
    let first = fixture.predict(1.0);
    gate.begun();
    let endless = fixture.ask(2.0, Duration::from_secs(1), Priority::Predict);
    fixture.wait_for_queue(1);
    too_long();
    gate.open();
    first.answer();
    assert_eq!(gate.begun(), [2.0], "the worker runs it");
    assert_eq!(endless.outcome().expect_err("the gate stayed closed"), SubmitError::DeadlineExceeded);
}

/// The same with a real graph and from outside: the first run on each serving thread would never end.
#[test]
fn a_version_that_turns_out_heavy_holds_nobody_up() {
    let models = package("slow_loop", &[]);
    std::fs::write(models.path().join("model/model.toml"), "[limits]\ndeadline_ms = 600000\n").expect("written");
    let process = Process::serve(&["--models", &models.path().display().to_string()]);
    let open = || KeepAliveClient::open(process.address).expect("a connection");
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n");
    let forever = request("/predict", "x-deadline-ms: 200\r\n", &json!([4, 1_u64 << 40]));
    let mut threads: Vec<KeepAliveClient> = (0..4).map(|_| open()).collect();
    for thread in &mut threads {
        thread.send(&forever);
    }
    for thread in &mut threads {
        let reply = thread.ask(b"").expect("an answer");
        assert!(["deadline_exceeded", "overloaded"].contains(&reply.code().as_str()), "{}", reply.text());
    }
    let mut kept = open();
    let moved =
        |line: &serde_json::Value| line["message"].as_str().is_some_and(|text| text.contains("moved to a worker"));
    process.wait_for(moved).expect("it moves");

    // Only a worker can take this run, and only an interrupt can end it.
    let mut endless = open();
    endless.send(&request("/predict", "x-deadline-ms: 1000\r\n", &json!([4, 1_u64 << 40])));
    for path in ["/livez", "/readyz", "/healthz", "/models"] {
        assert_eq!(kept.ask(get(path).as_bytes()).expect("an answer").status, 200, "{path}");
    }
    let reply = endless.ask(b"").expect("an answer");
    assert_eq!((reply.status, reply.code().as_str()), (504, "deadline_exceeded"));
    let quick = endless.ask(&request("/predict", "", &json!([4, 2]))).expect("an answer");
    assert_eq!((quick.status, &quick.json()["prediction"]), (200, &json!(2.5)));
}
