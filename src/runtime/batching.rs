//! Decides which queued rows to run now: a pure function. Threads and clocks are elsewhere; they only carry the
//! decision out.

use std::{
    cmp::Reverse,
    time::{Duration, Instant},
};

use super::Cost;
use crate::telemetry::BatchCloseReason;

/// Priority of a row. Earlier variants run first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A client waits for a prediction.
    Predict,
    /// A client waits for an explanation.
    Explain,
    /// Background work: no client waits for it.
    Background,
}

/// The properties of a queued row that batching depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueuedRow {
    /// When the row was queued.
    pub queued: Instant,
    /// When its result is due.
    pub deadline: Instant,
    /// Its priority.
    pub priority: Priority,
    /// Rows of the same group have the same tensor shapes and may share a run.
    pub group: u64,
}

impl QueuedRow {
    /// Whether the row is not a prediction. Such rows must not delay predictions.
    pub(super) fn is_low_priority(self) -> bool {
        self.priority > Priority::Predict
    }
}

/// The batching limits of a version.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Policy {
    /// Preferred batch size: above it the cost per row hardly falls, so rows do not wait for a larger batch.
    pub preferred_rows: usize,
    /// Maximum number of rows in one run.
    pub max_rows: usize,
    /// How long the oldest row of a batch may wait for others; zero to not wait.
    pub max_delay: Duration,
    /// Above this queue length the newest rows run first, since the oldest will miss their deadlines anyway.
    pub high_water: usize,
    /// The measured cost of a run.
    pub cost: Cost,
}

impl Policy {
    /// The maximum batch size for a leader that has waited this long.
    ///
    /// Above the preferred size, each further row saves no more than one handover between threads. For a leader that
    /// has waited long, that is worth a larger run, as long as the run takes at most a quarter of the time that the
    /// leader has waited.
    pub(super) fn batch_limit_after(&self, waited: Duration) -> usize {
        /// The run may take this fraction of the leader's waiting time.
        const LEADER_WAIT_FRACTION: f64 = 0.25;
        let (gives, Cost { per_run, per_row }) = (waited.as_secs_f64() * LEADER_WAIT_FRACTION, self.cost);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a float's cast saturates")]
        let rows = ((gives - per_run) / per_row) as usize;
        rows.max(self.preferred_rows).min(self.max_rows)
    }
}

/// The decision of [`decide`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BatchDecision {
    /// Run these rows, given as indices into the queue, the leader first.
    Run {
        /// The indices, each once.
        rows: Vec<usize>,
        /// Why the batch was closed.
        reason: BatchCloseReason,
    },
    /// Wait for more rows, until this instant at the latest.
    Wait(Instant),
    /// No queued row can still meet its deadline.
    Idle,
}

/// Decides which of the queued rows to run. `waiting` is sorted oldest first.
///
/// The leader is a row of the highest priority present; among equals the oldest, or the newest above the high-water
/// mark. Rows of its shape and priority join in the same order, as long as the batch has room and no row of it becomes
/// late: a prediction does not wait for the rows of an explanation. If `leader` is given (a row that is not queued),
/// only rows of its shape with at least its priority may join.
pub(super) fn decide<'w>(
    waiting: impl ExactSizeIterator<Item = &'w QueuedRow>,
    now: Instant,
    policy: &Policy,
    leader: Option<QueuedRow>,
) -> BatchDecision {
    let order = in_order(waiting, now, policy.high_water, leader);
    let Some((_, leader)) = order.first().copied() else { return BatchDecision::Idle };
    let waited = if leader.is_low_priority() { Duration::ZERO } else { now.saturating_duration_since(leader.queued) };
    let limit = policy.batch_limit_after(waited);
    let filled = fill(&order, now, policy, limit);
    if filled.rows.len() == limit {
        return BatchDecision::Run { rows: filled.rows, reason: BatchCloseReason::Full };
    }
    close(filled, now, policy)
}

/// The rows that can still meet their deadline and may lead or join, in that order.
fn in_order<'w>(
    waiting: impl ExactSizeIterator<Item = &'w QueuedRow>,
    now: Instant,
    high_water: usize,
    leader: Option<QueuedRow>,
) -> Vec<(usize, &'w QueuedRow)> {
    let newest_first = waiting.len() > high_water;
    // A row past its deadline is removed elsewhere; here it is only skipped.
    let mut order: Vec<(usize, &QueuedRow)> = waiting
        .enumerate()
        .filter(|(_, row)| row.deadline > now)
        .filter(|(_, row)| leader.is_none_or(|own| row.group == own.group && row.priority <= own.priority))
        .collect();
    if newest_first {
        order.reverse();
    }
    if !order.is_sorted_by_key(|(_, row)| row.priority) {
        order.sort_by_key(|(_, row)| row.priority);
    }
    order
}

/// A batch while it is being filled.
struct FilledBatch {
    rows: Vec<usize>,
    /// The earliest deadline of its rows.
    due: Instant,
    /// When its oldest row was queued.
    first: Instant,
    /// [`BatchCloseReason::Deadline`] if one more row would have made the batch late.
    reason: BatchCloseReason,
}

/// Fills a batch with rows of the leader's shape and priority, as long as none of its rows becomes late.
fn fill(order: &[(usize, &QueuedRow)], now: Instant, policy: &Policy, limit: usize) -> FilledBatch {
    let leader = order[0].1;
    let mut batch = FilledBatch {
        rows: Vec::with_capacity(order.len().min(limit)),
        due: leader.deadline,
        first: leader.queued,
        reason: BatchCloseReason::Idle,
    };
    for (index, row) in order.iter().filter(|(_, row)| (row.group, row.priority) == (leader.group, leader.priority)) {
        if batch.rows.len() == limit {
            break;
        }
        let done = now + policy.cost.batch_time(batch.rows.len() + 1);
        if !batch.rows.is_empty() && done > batch.due {
            batch.reason = BatchCloseReason::Deadline;
            break;
        }
        // A row that would be late in this batch is skipped: later rows may still fit.
        if !batch.rows.is_empty() && done > row.deadline {
            continue;
        }
        (batch.due, batch.first) = (batch.due.min(row.deadline), batch.first.min(row.queued));
        batch.rows.push(*index);
    }
    batch
}

/// Closes a batch that is not full: runs it now, or waits for more rows if the operator set a delay.
fn close(batch: FilledBatch, now: Instant, policy: &Policy) -> BatchDecision {
    let FilledBatch { rows, due, first, mut reason } = batch;
    if policy.max_delay > Duration::ZERO && reason == BatchCloseReason::Idle {
        let delayed = first + policy.max_delay;
        let last_moment = due.checked_sub(policy.cost.batch_time(rows.len() + 1)).unwrap_or(now);
        if now < delayed.min(last_moment) {
            return BatchDecision::Wait(delayed.min(last_moment));
        }
        reason = if last_moment < delayed { BatchCloseReason::Deadline } else { BatchCloseReason::Delay };
    }
    BatchDecision::Run { rows, reason }
}

/// The row that a free session is leased to: the leader of [`decide`]. Returns `None` if no row can still meet its
/// deadline.
pub(super) fn next_leader<'w>(
    waiting: impl ExactSizeIterator<Item = &'w QueuedRow>,
    now: Instant,
    high_water: usize,
) -> Option<usize> {
    let newest_first = waiting.len() > high_water;
    let in_time = waiting.enumerate().filter(|(_, row)| row.deadline > now);
    // Among equals, `min_by_key` returns the first and `max_by_key` the last.
    let found = if newest_first {
        in_time.max_by_key(|(_, row)| Reverse(row.priority))
    } else {
        in_time.min_by_key(|(_, row)| row.priority)
    };
    found.map(|(place, _)| place)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn policy(max_rows: usize) -> Policy {
        Policy {
            preferred_rows: max_rows,
            max_rows,
            max_delay: Duration::ZERO,
            high_water: 100,
            cost: Cost { per_run: 0.001, per_row: 0.001 },
        }
    }

    fn row(now: Instant, age: u32, left: u32, priority: Priority, group: u64) -> QueuedRow {
        QueuedRow { queued: now.checked_sub(MS * age).unwrap_or(now), deadline: now + MS * left, priority, group }
    }

    #[test]
    fn what_is_run_now() {
        use Priority::{Background, Predict};
        let now = Instant::now() + MS * 1000;
        let plain = |left| row(now, 1, left, Predict, 0);
        let run = |rows: &[usize], reason| BatchDecision::Run { rows: rows.to_vec(), reason };
        let cases: Vec<(&str, Vec<QueuedRow>, Policy, BatchDecision)> = vec![
            ("nothing waits", vec![], policy(4), BatchDecision::Idle),
            ("a lone row runs at once", vec![plain(100)], policy(4), run(&[0], BatchCloseReason::Idle)),
            ("what waits runs together", vec![plain(100); 3], policy(4), run(&[0, 1, 2], BatchCloseReason::Idle)),
            ("up to the limit", vec![plain(100); 6], policy(4), run(&[0, 1, 2, 3], BatchCloseReason::Full)),
            ("late rows are passed over", vec![plain(0), plain(100)], policy(4), run(&[1], BatchCloseReason::Idle)),
            (
                "nobody is made late",
                vec![plain(3), plain(100), plain(100)],
                policy(4),
                run(&[0, 1], BatchCloseReason::Deadline),
            ),
            (
                "a row that would be late leaves its room",
                vec![plain(100), plain(1), plain(100), plain(100)],
                policy(3),
                run(&[0, 2, 3], BatchCloseReason::Full),
            ),
            (
                "other shapes wait their turn",
                vec![plain(100), row(now, 1, 100, Predict, 7), plain(100)],
                policy(4),
                run(&[0, 2], BatchCloseReason::Idle),
            ),
            (
                "predictions go first",
                vec![row(now, 9, 100, Background, 0), plain(100)],
                policy(1),
                run(&[1], BatchCloseReason::Full),
            ),
            (
                "above high water the newest go first",
                vec![plain(100); 4],
                Policy { high_water: 3, ..policy(2) },
                run(&[3, 2], BatchCloseReason::Full),
            ),
            (
                "where waiting pays, a batch waits",
                vec![plain(100)],
                Policy { max_delay: MS * 5, ..policy(4) },
                BatchDecision::Wait(now + MS * 4),
            ),
            (
                "above high water the delay is still the oldest row's",
                vec![row(now, 5, 100, Predict, 0), plain(100)],
                Policy { max_delay: MS * 5, high_water: 1, ..policy(4) },
                run(&[1, 0], BatchCloseReason::Delay),
            ),
            (
                "but not past its delay",
                vec![row(now, 5, 100, Predict, 0)],
                Policy { max_delay: MS * 5, ..policy(4) },
                run(&[0], BatchCloseReason::Delay),
            ),
            (
                "nor past the last moment",
                vec![plain(3)],
                Policy { max_delay: MS * 5, ..policy(4) },
                run(&[0], BatchCloseReason::Deadline),
            ),
        ];
        for (name, rows, policy, expected) in cases {
            assert_eq!(decide(rows.iter(), now, &policy, None), expected, "{name}");
        }
    }

    #[test]
    fn who_has_waited_long_takes_others_along() {
        use Priority::{Explain, Predict};
        let now = Instant::now() + MS * 1000;
        // A run costs 1 ms plus 1 ms per row. Each case: age of 9 rows in ms, preferred size, expected size; the
        // maximum is 8.
        let cases = [
            ("up to a quarter of its wait", Predict, 16, 1, 3),
            ("up to the most", Predict, 160, 1, 8),
            ("what is worth a run anyway", Predict, 4, 2, 2),
            ("no explanation does: predictions may come behind it", Explain, 160, 1, 1),
        ];
        for (name, priority, age, preferred_rows, expected) in cases {
            let rows = [row(now, age, 100, priority, 0); 9];
            let decision = decide(rows.iter(), now, &Policy { preferred_rows, ..policy(8) }, None);
            let run = BatchDecision::Run { rows: (0..expected).collect(), reason: BatchCloseReason::Full };
            assert_eq!(decision, run, "{name}");
        }
    }

    #[test]
    fn no_row_waits_for_those_that_go_after_it() {
        use Priority::{Background, Explain, Predict};
        let now = Instant::now() + MS * 1000;
        let of = |priority| row(now, 1, 100, priority, 0);
        let rows = [of(Background), of(Explain), of(Predict), row(now, 1, 100, Predict, 7)];
        let run = |place| BatchDecision::Run { rows: vec![place], reason: BatchCloseReason::Idle };
        assert_eq!(decide(rows.iter(), now, &policy(4), None), run(2), "nobody rides with a prediction");
        for (own, expected) in [(Predict, run(2)), (Explain, run(2)), (Background, run(2))] {
            assert_eq!(decide(rows.iter(), now, &policy(4), Some(of(own))), expected, "{own:?}");
        }
        for (own, expected) in [(Predict, BatchDecision::Idle), (Explain, run(1)), (Background, run(1))] {
            assert_eq!(decide(rows[..2].iter(), now, &policy(4), Some(of(own))), expected, "{own:?}");
        }
    }

    proptest! {
        #[test]
        fn a_batch_keeps_its_limits(
            rows in prop::collection::vec((0_u32..50, 0_u32..50, 0_u8..3, 0_u64..3), 0..40),
            max_rows in 1_usize..9,
            preferred_rows in 1_usize..9,
            delay in 0_u32..20,
            high_water in 0_usize..40,
        ) {
            let now = Instant::now() + MS * 1000;
            let priorities = [Priority::Predict, Priority::Explain, Priority::Background];
            let rows: Vec<QueuedRow> = rows
                .into_iter()
                .map(|(age, left, priority, group)| row(now, age, left, priorities[usize::from(priority)], group))
                .collect();
            let preferred_rows = preferred_rows.min(max_rows);
            let policy = Policy { preferred_rows, max_delay: MS * delay, high_water, ..policy(max_rows) };
            let decision = decide(rows.iter(), now, &policy, None);
            let first = next_leader(rows.iter(), now, high_water);
            prop_assert_eq!(first.is_none(), decision == BatchDecision::Idle);
            match decision {
                BatchDecision::Run { rows: picked, .. } => {
                    prop_assert_eq!(picked.first().copied(), first, "both know the same leader");
                    let late = now + policy.cost.batch_time(picked.len());
                    prop_assert!(picked.len() == 1 || picked.iter().all(|place| rows[*place].deadline >= late));
                    prop_assert!(!picked.is_empty() && picked.len() <= max_rows);
                    let gives = now.saturating_duration_since(rows[picked[0]].queued) / 4;
                    prop_assert!(picked.len() <= preferred_rows || policy.cost.batch_time(picked.len()) <= gives);
                    let distinct: std::collections::HashSet<&usize> = picked.iter().collect();
                    prop_assert_eq!(distinct.len(), picked.len());
                    prop_assert!(picked.iter().all(|place| rows[*place].deadline > now));
                    prop_assert!(picked.iter().all(|place| rows[*place].group == rows[picked[0]].group));
                    let best = rows.iter().filter(|row| row.deadline > now).map(|row| row.priority).min();
                    prop_assert_eq!(Some(rows[picked[0]].priority), best);
                    let alike = picked.iter().all(|place| Some(rows[*place].priority) == best);
                    prop_assert!(alike, "no priority waits for another in its batch");
                }
                BatchDecision::Wait(until) => prop_assert!(until > now && !policy.max_delay.is_zero()),
                BatchDecision::Idle => prop_assert!(rows.iter().all(|row| row.deadline <= now)),
            }
        }
    }
}
