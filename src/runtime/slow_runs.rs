//! Detects from run times whether a version is too slow to run on its callers' threads: pure counting.

use std::time::Duration;

/// A run on a caller's thread that takes longer than this, and more than [`SLOW_FACTOR`] times its measured cost,
/// counts as slow. The measured cost may be too low: the cost can depend on the input, and the probe may have run cheap
/// rows.
const INLINE_RUN_LIMIT: Duration = Duration::from_millis(20);

/// A run is slow above this multiple of its measured cost.
const SLOW_FACTOR: u32 = 10;

/// Weight of one slow run; each ordinary run subtracts one. A run delayed by other threads looks the same, but does not
/// occur three times within some thirty runs.
const SLOW_RUN_WEIGHT: u32 = 32;

/// A count above this, as after three slow runs close together, means that the version is too slow.
const LIMIT: u32 = 2 * SLOW_RUN_WEIGHT;

/// Slow-run counter of one version.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SlowRunDetector(u32);

impl SlowRunDetector {
    /// Records a run. Returns whether the version is too slow now.
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

    /// `L` is a slow run, `.` an ordinary one.
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
