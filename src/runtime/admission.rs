//! Whether a row can be answered in time, judged before it waits: pure functions of the queue and the measured cost.

use std::time::{Duration, Instant};

use super::{
    batching::{Policy, QueuedRow},
    queue::QueueLoad,
    reply::SubmitError,
};

/// Rows of low priority (explanations, background work) may occupy this fraction of the queue's capacity, on top of the
/// predictions' own: they must not fill it.
const LOW_PRIORITY_QUEUE_DIVISOR: usize = 4;

/// The work that lies before a new row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Backlog {
    /// Rows that wait.
    pub waiting: usize,
    /// Rows that are being run, on all sessions together.
    pub running: usize,
    /// Sessions that are free.
    pub free: usize,
    /// Sessions in all, at least one.
    pub sessions: usize,
}

/// The work before a new row may take this much longer than expected. Without it, a queue filled up to the deadline would
/// have half of its rows late, and the work for these would be lost.
const MARGIN: f64 = 1.25;

/// How long a row that is submitted now takes until it is answered. `slowdown` is how much slower runs are now than when
/// their cost was measured.
pub(super) fn estimate(backlog: Backlog, policy: &Policy, slowdown: f64) -> Duration {
    let (sessions, cost, preferred) = (backlog.sessions.max(1), policy.cost, policy.preferred_rows);
    // A free session takes the row at once. Otherwise the runs under way must end; they are half done on average.
    let under_way =
        if backlog.free > 0 { Duration::ZERO } else { cost.batch_time(backlog.running.div_ceil(sessions)) / 2 };
    let full_batches = backlog.waiting / preferred;
    let rounds = u32::try_from(full_batches.div_ceil(sessions)).unwrap_or(u32::MAX);
    let before = under_way + cost.batch_time(preferred).saturating_mul(rounds);
    // After that wait the row's own batch may be larger than the preferred size.
    let own =
        cost.batch_time(backlog.waiting % preferred + 1 + policy.batch_limit_after(before).saturating_sub(preferred));
    let total = before.mul_f64(MARGIN) + own;
    // A row with nothing before it is judged by the measured cost alone: if slow runs of the past could reject it, no run
    // would ever show that they are over.
    let idle = backlog.free > 0 && backlog.waiting == 0;
    total.mul_f64(slowdown.clamp(0.1, if idle { 1.0 } else { 100.0 }))
}

/// Rejects a row that finds no room in the queue, or that could not be answered before its deadline. `wait` is the
/// [`estimate`] for the row, `idle` that for an idle engine.
pub(super) fn check(
    load: QueueLoad,
    capacity: usize,
    row: QueuedRow,
    now: Instant,
    [wait, idle]: [Duration; 2],
) -> Result<(), SubmitError> {
    let (taken, room) = if row.is_low_priority() {
        (load.low_priority, capacity.div_ceil(LOW_PRIORITY_QUEUE_DIVISOR))
    } else {
        (load.predictions, capacity)
    };
    if taken >= room {
        return Err(SubmitError::QueueFull { wait });
    }
    if now + wait <= row.deadline {
        return Ok(());
    }
    if now + idle > row.deadline {
        Err(SubmitError::DeadlineTooShort { row: idle })
    } else {
        Err(SubmitError::WouldMissDeadline { wait })
    }
}

#[cfg(test)]
mod tests {
    use super::{super::Cost, *};

    fn policy(cost: Cost, worth_rows: usize, max_rows: usize) -> Policy {
        Policy { preferred_rows: worth_rows, max_rows, max_delay: Duration::ZERO, high_water: 100, cost }
    }

    #[test]
    fn the_estimate_follows_the_queue() {
        let cost = Cost { per_run: 0.001, per_row: 0.001 };
        let idle = Backlog { waiting: 0, running: 0, free: 1, sessions: 1 };
        let busy = Backlog { running: 3, free: 0, ..idle };
        let cases = [
            ("a free session: the row's own cost", idle, 1.0, 2_000),
            ("a busy one: half of what runs, then the row", busy, 1.0, 4_500),
            ("whole batches lie before it", Backlog { waiting: 8, ..busy }, 1.0, 17_000),
            ("two sessions share them", Backlog { waiting: 8, sessions: 2, ..busy }, 1.0, 9_500),
            ("a slower machine", busy, 3.0, 13_500),
            ("a lone row is not judged by slow runs of the past", idle, 3.0, 2_000),
        ];
        for (name, backlog, pace, micros) in cases {
            let estimate = estimate(backlog, &policy(cost, 4, 4), pace);
            let expected = Duration::from_micros(micros);
            assert!(estimate.abs_diff(expected) < Duration::from_millis(1), "{name}: {estimate:?}, not {expected:?}");
        }
    }

    #[test]
    fn a_row_that_will_have_waited_long_shares_its_run() {
        let cost = Cost { per_run: 0.0, per_row: 0.001 };
        let backlog = Backlog { waiting: 40, running: 1, free: 0, sessions: 1 };
        let alone = estimate(backlog, &policy(cost, 1, 1), 1.0);
        let shared = estimate(backlog, &policy(cost, 1, 32), 1.0);
        assert_eq!(
            shared.abs_diff(alone).as_millis(),
            9,
            "after 40.5 ms there is room for 10 rows, its own and 9 more"
        );
    }

    #[test]
    fn more_work_never_makes_it_sooner() {
        let cost = Cost { per_run: 0.0005, per_row: 0.0002 };
        for policy in [policy(cost, 16, 16), policy(cost, 1, 16)] {
            let backlog = |waiting: usize| Backlog { waiting: waiting * 16, running: 4, free: 0, sessions: 2 };
            let estimates: Vec<Duration> = (0..64).map(|waiting| estimate(backlog(waiting), &policy, 1.0)).collect();
            assert!(estimates.is_sorted());
        }
    }
}
