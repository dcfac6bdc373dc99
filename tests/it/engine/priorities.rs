//! Low-priority rows take neither the queue slots nor the time of predictions.

use std::time::Duration;

use candor::runtime::{Cost, Priority, SubmitError};

use super::{Caller, EngineFixture, LONG};
use crate::support::fake_executor;

#[test]
fn they_fill_a_part_of_the_queue_and_none_of_the_predictions() {
    let (executor, gate) = fake_executor::blocking_executor();
    let fixture = EngineFixture::start(executor, fake_executor::options(8));
    let first = fixture.predict(0.0);
    gate.begun();
    let explaining: Vec<Caller> = (1..=2).map(|at| fixture.queue(f64::from(at), Priority::Explain, at)).collect();
    for priority in [Priority::Explain, Priority::Background] {
        let refused = fixture.ask(9.0, LONG, priority).outcome();
        assert!(
            matches!(refused, Err(SubmitError::QueueFull { .. })),
            "a quarter of eight slots is in use: {refused:?}"
        );
    }
    let predicting: Vec<Caller> = (3..=10).map(|at| fixture.queue(f64::from(at), Priority::Predict, at)).collect();
    let refused = fixture.predict(9.0).outcome();
    assert!(matches!(refused, Err(SubmitError::QueueFull { .. })), "{refused:?}");
    for _ in 0..11 {
        gate.open();
    }
    let answers: Vec<f64> = predicting.into_iter().chain(explaining).map(|caller| caller.answer().0).collect();
    assert_eq!(answers, [6.0, 8.0, 10.0, 12.0, 14.0, 16.0, 18.0, 20.0, 2.0, 4.0]);
    assert!(first.outcome().is_ok());
    fixture.wait_for_queue(0);
    // The count of low-priority rows is back to zero: there is room again.
    let waiting = fixture.ask(1.0, LONG, Priority::Explain);
    gate.open();
    assert!(waiting.outcome().is_ok());
}

#[test]
fn a_prediction_is_not_judged_by_the_rows_behind_it() {
    let (executor, gate) = fake_executor::blocking_executor();
    let mut options = fake_executor::options(64);
    options.policy.cost = Cost { per_run: 0.0, per_row: 10.0 };
    let fixture = EngineFixture::start(executor, options);
    let first = fixture.predict(0.0);
    gate.begun();
    let explaining: Vec<Caller> = (1..=3).map(|at| fixture.ask_queued(at)).collect();
    let estimate = fixture.engine.estimate();
    assert!(
        estimate < Duration::from_secs(20),
        "half a run and its own, without the three low-priority rows: {estimate:?}"
    );
    let refused = fixture.ask(9.0, Duration::from_secs(40), Priority::Explain).outcome();
    assert!(matches!(refused, Err(SubmitError::WouldMissDeadline { .. })), "{refused:?}");
    (0..4).for_each(|_| gate.open());
    assert!(explaining.into_iter().all(|caller| caller.outcome().is_ok()) && first.outcome().is_ok());
}

impl EngineFixture {
    /// Submits a row of an explanation with a far deadline, and returns once it is at this position of the queue.
    fn ask_queued(&self, place: u32) -> Caller {
        let caller = self.ask(f64::from(place), LONG * 60, Priority::Explain);
        self.wait_for_queue(place);
        caller
    }
}
