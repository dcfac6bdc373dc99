//! Whether a row can be answered in time, judged before it waits: a pure estimate from the queue and the measured cost.

use std::time::Duration;

use super::Cost;

/// The work that lies before a new row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Backlog {
    /// Rows that wait.
    pub waiting: usize,
    /// Rows that are being run, on all executors together.
    pub running: usize,
    /// Executors that are free.
    pub free: usize,
    /// Executors in all, at least one.
    pub executors: usize,
}

/// What lies before a row may take so much longer than expected. A queue filled up to the deadline without it would have
/// half of its rows late, and the work for these would be lost.
const MARGIN: f64 = 1.25;

/// How long a row that comes now takes until it is answered. `pace` is how much slower runs are now than when their
/// cost was measured.
pub(super) fn estimate(backlog: Backlog, cost: Cost, max_rows: usize, pace: f64) -> Duration {
    let executors = backlog.executors.max(1);
    // A free executor takes the row at once. Else the runs under way must end; they are half done on average.
    let under_way = if backlog.free > 0 { Duration::ZERO } else { cost.of(backlog.running.div_ceil(executors)) / 2 };
    let full_batches = backlog.waiting / max_rows;
    let rounds = u32::try_from(full_batches.div_ceil(executors)).unwrap_or(u32::MAX);
    let own = cost.of(backlog.waiting % max_rows + 1);
    let before = under_way + cost.of(max_rows).saturating_mul(rounds);
    let total = before.mul_f64(MARGIN) + own;
    // A row with nothing before it is judged by the measured cost alone: if slow runs of the past could refuse it, no run
    // would ever show that they are past.
    let idle = backlog.free > 0 && backlog.waiting == 0;
    total.mul_f64(pace.clamp(0.1, if idle { 1.0 } else { 100.0 }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_follows_the_queue() {
        let cost = Cost { per_run: 0.001, per_row: 0.001 };
        let idle = Backlog { waiting: 0, running: 0, free: 1, executors: 1 };
        let busy = Backlog { running: 3, free: 0, ..idle };
        let cases = [
            ("a free executor: the row's own cost", idle, 1.0, 2_000),
            ("a busy one: half of what runs, then the row", busy, 1.0, 4_500),
            ("whole batches lie before it", Backlog { waiting: 8, ..busy }, 1.0, 17_000),
            ("two executors share them", Backlog { waiting: 8, executors: 2, ..busy }, 1.0, 9_500),
            ("a slower machine", busy, 3.0, 13_500),
            ("a lone row is not judged by slow runs of the past", idle, 3.0, 2_000),
        ];
        for (name, backlog, pace, micros) in cases {
            let estimate = estimate(backlog, cost, 4, pace);
            let expected = Duration::from_micros(micros);
            assert!(estimate.abs_diff(expected) < Duration::from_millis(1), "{name}: {estimate:?}, not {expected:?}");
        }
    }

    #[test]
    fn more_work_never_makes_it_sooner() {
        let cost = Cost { per_run: 0.0005, per_row: 0.0002 };
        let estimates: Vec<Duration> = (0..64)
            .map(|waiting| {
                estimate(Backlog { waiting: waiting * 16, running: 4, free: 0, executors: 2 }, cost, 16, 1.0)
            })
            .collect();
        assert!(estimates.is_sorted());
    }
}
