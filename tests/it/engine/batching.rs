//! Which rows share a run, in which order they run, and what happens to them when the engine stops.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

use candor::runtime::{EngineOptions, Placement, Policy, Priority, SubmitError, compute_threads_busy};

use super::{Caller, EngineFixture, LONG};
use crate::support::{
    fake_executor::{ExecutorGate, Fake, blocking_executor, options},
    metrics::series,
    wait::{TEST_TIMEOUT, wait_until},
};

const BOTH: [Placement; 2] = [Placement::Workers, Placement::Inline];

fn engine(placement: Placement, change: impl FnOnce(&mut Policy)) -> (EngineFixture, ExecutorGate) {
    let (executor, gate) = blocking_executor();
    let EngineOptions { mut policy, capacity, .. } = options(16);
    change(&mut policy);
    (EngineFixture::start(executor, EngineOptions { placement, policy, capacity }), gate)
}

/// Queues rows with these numbers, in this order, behind a running one.
fn queued(fixture: &EngineFixture, values: &[f64]) -> Vec<Caller> {
    let places = values.iter().zip(1..);
    places.map(|(value, place)| fixture.queue(*value, Priority::Predict, place)).collect()
}

#[test]
fn rows_that_wait_while_one_is_run_share_the_next_run() {
    for placement in BOTH {
        let (fixture, gate) = engine(placement, |policy| policy.max_rows = 4);
        let first = fixture.predict(0.0);
        assert_eq!(gate.begun(), [0.0], "no wait for further rows");
        let others = queued(&fixture, &[1.0, 2.0, 3.0, 4.0, 5.0]);
        gate.open();
        assert_eq!(gate.begun(), [1.0, 2.0, 3.0, 4.0], "in order, up to the limit: {placement:?}");
        gate.open();
        assert_eq!(gate.begun(), [5.0]);
        gate.open();
        assert_eq!(first.answer(), (0.0, 1));
        let answers: Vec<(f64, usize)> = others.into_iter().map(Caller::answer).collect();
        assert_eq!(answers, [(2.0, 4), (4.0, 4), (6.0, 4), (8.0, 4), (10.0, 1)]);
        fixture.wait_for_queue(0);
    }
}

/// A caller whose own row is done continues with full batches that wait; otherwise the next caller would have to wake
/// up first.
#[test]
fn a_caller_goes_on_with_whole_runs_of_what_waits() {
    // Records which thread ran which number; a run of zero waits for the test.
    let ran = Arc::new(Mutex::new(HashMap::new()));
    let (go, gate) = mpsc::channel::<()>();
    let (noted, (begun, first_begun)) = (Arc::clone(&ran), mpsc::channel());
    let executor = Fake(move |value: f64| {
        noted.lock().expect("no panic").insert(value.to_bits(), thread::current().id());
        if value == 0.0 {
            begun.send(()).expect("the test waits");
            gate.recv().expect("the test goes on");
        }
        value
    });
    let policy = Policy { preferred_rows: 2, max_rows: 2, ..options(16).policy };
    let options = EngineOptions { placement: Placement::Inline, policy, capacity: 16 };
    let fixture = EngineFixture::start(Box::new(executor), options);
    // The thread may be preempted at that moment, and then the next caller takes over; this does not happen every time.
    wait_until("a caller continues with full batches", || {
        let first = fixture.predict(0.0);
        first_begun.recv_timeout(TEST_TIMEOUT).expect("a run begins");
        let others = queued(&fixture, &[1.0, 2.0, 3.0, 4.0, 5.0]);
        go.send(()).expect("the executor is there");
        let own = first.thread.thread().id();
        assert_eq!(first.answer(), (0.0, 1));
        let answers: Vec<(f64, usize)> = others.into_iter().map(Caller::answer).collect();
        assert_eq!(answers, [(1.0, 2), (2.0, 2), (3.0, 2), (4.0, 2), (5.0, 1)]);
        let ran = ran.lock().expect("no panic");
        assert_ne!(ran[&5.0_f64.to_bits()], own, "a partial batch is left to the next caller");
        [1.0_f64, 2.0, 3.0, 4.0].iter().all(|value| ran[&value.to_bits()] == own)
    });
}

/// Serving threads do not busy-poll meanwhile: the worker needs the CPU.
#[test]
fn a_worker_computes_while_it_runs() {
    let executor = Fake(|value: f64| if compute_threads_busy() { value } else { -1.0 });
    let fixture = EngineFixture::start(Box::new(executor), options(16));
    assert_eq!(fixture.predict(1.0).answer(), (1.0, 1));
}

#[test]
fn predictions_go_before_explanations_and_these_before_background_work() {
    for placement in BOTH {
        let (fixture, gate) = engine(placement, |_| {});
        let first = fixture.predict(0.0);
        gate.begun();
        let ranks = [Priority::Background, Priority::Explain, Priority::Predict];
        let others: Vec<Caller> =
            ranks.into_iter().zip([1, 2, 3]).map(|(rank, at)| fixture.queue(f64::from(at), rank, at)).collect();
        for expected in [3.0, 2.0, 1.0] {
            gate.open();
            assert_eq!(gate.begun(), [expected], "{placement:?}");
        }
        gate.open();
        assert_eq!(first.answer(), (0.0, 1));
        assert!(others.into_iter().all(|caller| caller.outcome().is_ok()));
    }
}

#[test]
fn above_the_high_water_mark_the_newest_go_first() {
    for placement in BOTH {
        let (fixture, gate) = engine(placement, |policy| policy.high_water = 2);
        let first = fixture.predict(0.0);
        gate.begun();
        let others = queued(&fixture, &[1.0, 2.0, 3.0]);
        for expected in [3.0, 1.0, 2.0] {
            gate.open();
            assert_eq!(gate.begun(), [expected], "{placement:?}");
        }
        gate.open();
        assert!(first.outcome().is_ok() && others.into_iter().all(|caller| caller.outcome().is_ok()));
    }
}

#[test]
fn where_waiting_pays_a_batch_waits_until_it_is_full_or_the_delay_is_over() {
    let (fixture, gate) = engine(Placement::Workers, |policy| {
        (policy.max_rows, policy.max_delay) = (3, LONG / 2);
    });
    let rows = queued(&fixture, &[1.0, 2.0]);
    assert!(gate.is_quiet(), "two rows wait for a third");
    let third = fixture.predict(3.0);
    assert_eq!(gate.begun(), [1.0, 2.0, 3.0]);
    gate.open();
    assert!(third.outcome().is_ok() && rows.into_iter().all(|caller| caller.answer().1 == 3));
    assert_eq!(fixture.counted(&series("batches_total", "fake", ",close_reason=\"full\"")), 1);

    let delay = Duration::from_millis(30);
    let (fixture, gate) = engine(Placement::Workers, |policy| (policy.max_rows, policy.max_delay) = (3, delay));
    gate.open();
    let completed = fixture.predict(1.0).outcome().expect("an answer");
    assert!(completed.queue >= delay, "it waited for others: {:?}", completed.queue);
    assert_eq!(fixture.counted(&series("batches_total", "fake", ",close_reason=\"delay\"")), 1);
}

#[test]
fn a_stopped_engine_finishes_what_waits_and_takes_nothing_more() {
    let at_once = Duration::ZERO;
    for (placement, delay) in
        [(Placement::Workers, at_once), (Placement::Workers, LONG / 2), (Placement::Inline, at_once)]
    {
        let (fixture, gate) = engine(placement, |policy| (policy.max_rows, policy.max_delay) = (4, delay));
        // With a delay, these rows wait for others to join.
        let first = (delay == at_once).then(|| fixture.predict(0.0)).inspect(|_| assert_eq!(gate.begun(), [0.0]));
        let others = queued(&fixture, &[1.0, 2.0]);
        let engine = Arc::clone(&fixture.engine);
        let stopped = thread::spawn(move || engine.stop());
        wait_until("no row is taken", || {
            let soon = fixture.ask(9.0, Duration::ZERO, Priority::Predict).outcome();
            matches!(soon, Err(SubmitError::ShuttingDown))
        });
        if let Some(first) = first {
            gate.open();
            assert_eq!(first.answer(), (0.0, 1));
        }
        assert_eq!(gate.begun(), [1.0, 2.0], "{placement:?}");
        gate.open();
        assert!(others.into_iter().all(|caller| caller.answer().1 == 2));
        stopped.join().expect("the engine stops");
        fixture.wait_for_queue(0);
    }
}
