//! Judges from the times of runs whether a version is too heavy for the threads that ask: pure counting.

use std::time::Duration;

/// A run on a thread that asks that takes longer than this, and [`FAR_OVER`] its measured cost, counts against the
/// version: the cost depends on the input, and the probe's rows were cheap ones.
const INLINE_RUN_LIMIT: Duration = Duration::from_millis(20);

/// How many times the measured cost is far over it.
const SLOW_FACTOR: u32 = 10;

/// What one such run counts; each ordinary run takes one off again. A thread that was held up by others looks the same, but
/// not three times among some thirty runs.
const SLOW_RUN_WEIGHT: u32 = 32;

/// Beyond two strikes.
const LIMIT: u32 = 2 * SLOW_RUN_WEIGHT;

/// The count of one version.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SlowRunDetector(u32);

impl SlowRunDetector {
    /// Notes a run; whether the version is too heavy now.
    pub(super) fn observe(&mut self, took: Duration, expected: Duration) -> bool {
        if took > INLINE_RUN_LIMIT && took > expected * SLOW_FACTOR {
            self.0 += SLOW_RUN_WEIGHT;
        } else {
            self.0 = self.0.saturating_sub(1);
        }
        self.0 > LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `L` is a run that is far too long, `.` an ordinary one.
    fn is_heavy(runs: &str) -> bool {
        let expected = Duration::from_micros(10);
        let mut strikes = SlowRunDetector::default();
        runs.chars().any(|run| strikes.observe(if run == 'L' { INLINE_RUN_LIMIT * 2 } else { expected }, expected))
    }

    #[test]
    fn three_long_runs_close_together_are_too_many() {
        let apart = ".".repeat(40);
        let cases = [
            ("L", false),
            ("LL", false),
            ("LLL", true),
            ("L.L.L", true),
            ("L.....L......L", true),
            (&format!("L{apart}L{apart}L{apart}L"), false),
            (&format!("LL{apart}L"), false),
            (&format!("LL{apart}LL"), true),
        ];
        for (runs, heavy) in cases {
            assert_eq!(is_heavy(runs), heavy, "{runs}");
        }
    }

    #[test]
    fn what_was_measured_to_be_long_is_not_far_over() {
        let expected = Duration::from_millis(5);
        let mut strikes = SlowRunDetector::default();
        assert!((0..100).all(|_| !strikes.observe(expected * 9, expected)));
    }
}
