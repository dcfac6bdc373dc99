//! Deadlines: a request is rejected at once if its deadline cannot be met, told when the deadline passes, and never
//! answered late as if in time.

use std::time::{Duration, Instant};

use candor::runtime::{Cost, EngineOptions, Placement, Policy, Priority, SubmitError};
use serde_json::json;

use super::{EngineFixture, LONG, request, under_way};
use crate::support::{
    fake_executor::{ExecutorGate, blocking_executor, options, server_of},
    http_client::{KeepAliveClient, Reply},
    metrics::{scraped, series, wait_for},
    server::Server,
    wait::wait_until,
};

const SHORT: Duration = Duration::from_millis(200);

/// Options with this measured cost per row in seconds; how long a run really takes is up to the gate.
fn costing(per_row: f64) -> EngineOptions {
    let options = options(8);
    EngineOptions { policy: Policy { cost: Cost { per_run: 0.0, per_row }, ..options.policy }, ..options }
}

fn server(per_row: f64) -> (Server, ExecutorGate) {
    let (executor, gate) = blocking_executor();
    (server_of(executor, costing(per_row)), gate)
}

fn ask(server: &Server, headers: &str) -> Reply {
    let mut kept = KeepAliveClient::open(server.address).expect("a connection");
    kept.ask(&request("/predict", headers, &json!({ "x": 1 }))).expect("an answer")
}

/// Retry-After lies between the estimated drain time, in milliseconds, and twice that, rounded up to seconds.
fn assert_overloaded(reply: &Reply, drain: u64) {
    assert_eq!((reply.status, reply.code().as_str()), (503, "overloaded"), "{}", reply.text());
    let wait: u64 = reply.header("retry-after").and_then(|text| text.parse().ok()).expect("a number of seconds");
    let seconds = drain.div_ceil(1000)..=(2 * drain).div_ceil(1000);
    assert!(seconds.contains(&wait), "{wait} s is not within {seconds:?}");
}

/// An idle server is not overloaded: the deadline itself is too short, so this is a 504 and not a 503.
#[test]
fn a_deadline_below_the_cost_of_a_row_is_refused_at_once() {
    let (server, gate) = server(3.0);
    let started = Instant::now();
    let reply = ask(&server, "x-deadline-ms: 2000\r\n");
    assert!(started.elapsed() < Duration::from_secs(2), "before the deadline");
    assert_eq!((reply.status, reply.code().as_str()), (504, "deadline_exceeded"), "{}", reply.text());
    assert_eq!(reply.json()["detail"], "x-deadline-ms is 2000 ms; a row of fake takes about 3000 ms");
    assert_eq!(reply.header("retry-after"), None, "a retry would fail too");
    assert!(gate.is_quiet(), "nothing was run");
    assert_eq!(scraped(&server, &series("requests_shed_total", "fake", ",reason=\"deadline\"")), 1);
    assert_eq!(scraped(&server, &series("abandoned_rows_total", "fake", ",stage=\"queue\"")), 0);
}

#[test]
fn a_model_that_cannot_keep_its_own_limit_says_so() {
    let (server, gate) = server(61.0);
    let reply = ask(&server, "");
    assert_eq!((reply.status, reply.code().as_str()), (504, "deadline_exceeded"), "{}", reply.text());
    let expected = "the model's limits.deadline_ms is 60000 ms; a row of fake takes about 61000 ms";
    assert_eq!(reply.json()["detail"], expected);
    assert!(gate.is_quiet());
}

/// An idle server and a cheap model: the deadline of 1 ms passes before the body has arrived.
#[test]
fn a_deadline_that_passed_on_the_way_is_told_as_that() {
    let server = Server::shared();
    let body = r#"{"features":{"tenure_months":4,"monthly_charge":79.5,"plan":"basic"}}"#;
    let mut kept = KeepAliveClient::open(server.address).expect("a connection");
    let head = format!(
        "POST /predict HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\nx-deadline-ms: 1\r\nexpect: \
         100-continue\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    kept.send(head.as_bytes());
    kept.expect_continue();
    let started = Instant::now();
    wait_until("the deadline passes", || started.elapsed() > Duration::from_millis(2));
    let reply = kept.ask(body.as_bytes()).expect("an answer");
    assert_eq!((reply.status, reply.code().as_str()), (504, "deadline_exceeded"), "{}", reply.text());
    assert_eq!(reply.json()["detail"], "x-deadline-ms is 1 ms, but the request took longer to arrive");
}

#[test]
fn a_deadline_below_what_the_queue_costs_is_refused_at_once() {
    let (server, gate) = server(3.0);
    let running = under_way(&server, &request("/predict", "", &json!({ "x": 1 })));
    gate.begun();
    let waiting = under_way(&server, &request("/predict", "", &json!({ "x": 2 })));
    wait_for(&server, &series("queue_depth", "fake", ""), 1);
    // Half of the running row and one waiting row, a quarter more as a safety margin, and the row itself: 8.6 s.
    assert_overloaded(&ask(&server, "x-deadline-ms: 7000\r\n"), 8_625);
    assert!(gate.is_quiet());
    drop((running, waiting));
}

#[test]
fn a_deadline_that_passes_is_told_and_gives_the_place_up() {
    let (server, gate) = server(0.0);
    let running = under_way(&server, &request("/predict", "x-deadline-ms: 500\r\n", &json!({ "x": 1 })));
    gate.begun();
    let reply = ask(&server, "x-deadline-ms: 250\r\n");
    assert_eq!((reply.status, reply.code().as_str()), (504, "deadline_exceeded"), "{}", reply.text());
    wait_for(&server, &series("queue_depth", "fake", ""), 0);
    wait_for(&server, &series("abandoned_rows_total", "fake", ",stage=\"queue\""), 1);
    // The running request times out too, although its run continues.
    wait_for(&server, &series("abandoned_rows_total", "fake", ",stage=\"infer\""), 1);
    wait_for(&server, &series("requests_in_flight", "fake", ""), 0);
    drop(running);
    gate.open();
    assert!(gate.is_quiet(), "the row whose deadline has passed was not run");
    gate.open();
    assert_eq!(ask(&server, "").status, 200);
}

#[test]
fn an_answer_is_never_late_without_saying_so() {
    for placement in [Placement::Workers, Placement::Inline] {
        let (executor, gate) = blocking_executor();
        let fixture = EngineFixture::start(executor, EngineOptions { placement, ..options(8) });
        let deadline = Instant::now() + SHORT;
        let running = fixture.ask(1.0, SHORT, Priority::Predict);
        gate.begun();
        let waiting = fixture.ask(2.0, SHORT, Priority::Predict);
        let patient = fixture.predict(3.0);
        // The second row may have left the queue already; the third one stays.
        wait_until("the deadline passes", || Instant::now() > deadline + SHORT / 10);
        fixture.wait_for_queue(1);
        gate.open();
        assert_eq!(gate.begun(), [3.0], "an expired row is not run: {placement:?}");
        gate.open();
        for late in [running, waiting] {
            assert_eq!(late.outcome().err(), Some(SubmitError::DeadlineExceeded), "{placement:?}");
        }
        assert!(patient.outcome().is_ok());
        let counted = |stage| fixture.counted(&series("abandoned_rows_total", "fake", stage));
        assert_eq!((counted(",stage=\"infer\""), counted(",stage=\"queue\"")), (1, 1), "{placement:?}");
    }
}

/// A version that was slow for a while must not reject for ever what it could answer.
#[test]
fn slow_runs_of_the_past_do_not_close_the_door() {
    let (executor, gate) = blocking_executor();
    let policy = Policy { cost: Cost { per_run: 0.0, per_row: 0.001 }, ..options(8).policy };
    let fixture = EngineFixture::start(executor, EngineOptions { policy, ..options(8) });
    let mut runs = 0;
    wait_until("the estimate is far above the cost", || {
        let row = fixture.predict(1.0);
        gate.begun();
        let started = Instant::now();
        wait_until("a slow run", || started.elapsed() > Duration::from_millis(20));
        let behind = fixture.queue(2.0, Priority::Predict, 1);
        let estimate = fixture.engine.estimate();
        gate.open();
        gate.begun();
        gate.open();
        assert!(row.outcome().is_ok() && behind.outcome().is_ok());
        runs += 1;
        estimate > Duration::from_millis(12)
    });
    wait_until("the estimate of an idle engine is its cost", || fixture.engine.estimate() < Duration::from_millis(2));
    gate.open();
    assert!(fixture.ask(3.0, LONG, Priority::Predict).outcome().is_ok(), "after {runs} slow runs");
}
