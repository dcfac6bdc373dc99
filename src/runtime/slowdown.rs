//! How much slower runs are now than at the probe: a moving average.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Time constant of the average, in time spent running, so that many short runs weigh as much as a few long ones.
const AVERAGING_TIME: Duration = Duration::from_millis(100);

/// The most that one run weighs.
const MAX_WEIGHT: f64 = 0.1;

/// The average of measured by expected run times, as the bits of a double. Updates that race may be lost; it is an average.
pub(super) struct Slowdown(AtomicU64);

impl Default for Slowdown {
    fn default() -> Self {
        Self(AtomicU64::new(1.0_f64.to_bits()))
    }
}

impl Slowdown {
    pub(super) fn get(&self) -> f64 {
        f64::from_bits(self.0.load(Ordering::Relaxed))
    }

    /// Takes in one run.
    pub(super) fn observe(&self, took: Duration, expected: Duration) {
        if expected.is_zero() {
            return;
        }
        let before = self.get();
        // Clamp outliers, so that one slow run cannot make admission reject everybody.
        let ratio = took.div_duration_f64(expected).clamp(0.1, 10.0);
        let weight = took.div_duration_f64(took + AVERAGING_TIME).min(MAX_WEIGHT);
        self.0.store((before + weight * (ratio - before)).to_bits(), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_outlier_weighs_little_and_many_runs_settle() {
        let (slowdown, expected) = (Slowdown::default(), Duration::from_millis(1));
        slowdown.observe(Duration::from_secs(10), expected);
        assert!(slowdown.get() < 2.0, "{}", slowdown.get());
        for _ in 0..2000 {
            slowdown.observe(expected * 3, expected);
        }
        assert!((slowdown.get() - 3.0).abs() < 1e-6, "{}", slowdown.get());
        slowdown.observe(expected, Duration::ZERO);
        assert!((slowdown.get() - 3.0).abs() < 1e-6, "a run of no expected cost says nothing");
    }
}
