//! Counts what a canary and the stable version do while the canary runs. Requests count, the coordinator reads.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use crate::domain::rollout::{
    ArmCounts, CanaryCounts, LATENCY_BUCKETS, LatencyCounts, UncertaintySums, latency_bucket,
};

/// The version that a request was assigned to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CanaryArm {
    /// The canary.
    Canary,
    /// The stable version.
    Stable,
}

/// How a request of an arm ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ArmOutcome {
    /// It was answered, in this time and with this uncertainty (in the unit of the version).
    Answered {
        /// The time that the version took.
        took: Duration,
        /// The uncertainty of the answer, if it has one.
        uncertainty: Option<f64>,
    },
    /// It failed.
    Failed,
}

/// The steps of an uncertainty between 0 and 1, which is summed as an integer.
const UNCERTAINTY_STEPS: f64 = (1_u64 << 32) as f64;

/// What is counted of one arm.
struct ArmTally {
    requests: AtomicU64,
    errors: AtomicU64,
    latencies: Box<[AtomicU64]>,
    uncertain: AtomicU64,
    sum: AtomicU64,
    sum_of_squares: AtomicU64,
}

impl Default for ArmTally {
    fn default() -> Self {
        Self {
            requests: AtomicU64::default(),
            errors: AtomicU64::default(),
            latencies: (0..LATENCY_BUCKETS).map(|_| AtomicU64::default()).collect(),
            uncertain: AtomicU64::default(),
            sum: AtomicU64::default(),
            sum_of_squares: AtomicU64::default(),
        }
    }
}

impl ArmTally {
    fn read(&self) -> ArmCounts {
        let get = |count: &AtomicU64| count.load(Ordering::Relaxed);
        let mut latencies = LatencyCounts::default();
        for (bucket, count) in self.latencies.iter().enumerate() {
            latencies.add(bucket, get(count));
        }
        let real = |count: &AtomicU64| get(count) as f64 / UNCERTAINTY_STEPS;
        let (count, sum, sum_of_squares) = (get(&self.uncertain), real(&self.sum), real(&self.sum_of_squares));
        let uncertainty = UncertaintySums { count, sum, sum_of_squares };
        ArmCounts { requests: get(&self.requests), errors: get(&self.errors), latencies, uncertainty }
    }
}

/// What is counted of one canary.
pub struct CanaryWatch {
    canary: ArmTally,
    stable: ArmTally,
    compared: AtomicU64,
    disagreed: AtomicU64,
    /// The uncertainty that counts as one half: 0.5 for probabilities, a typical one of the stable version for a
    /// regression, whose uncertainty is in the unit of the target. `None` if it is not counted.
    half: Option<f64>,
    /// How often the counts of this canary were begun anew before.
    restarts: u32,
}

impl CanaryWatch {
    /// Creates a watch. `half` is the uncertainty that counts as one half; `None` if none is counted. `restarts` is how
    /// often the counts of the canary were begun anew before.
    pub(super) fn new(half: Option<f64>, restarts: u32) -> Self {
        let half = half.filter(|half| *half > 0.0 && half.is_finite());
        Self {
            canary: ArmTally::default(),
            stable: ArmTally::default(),
            compared: AtomicU64::default(),
            disagreed: AtomicU64::default(),
            half,
            restarts,
        }
    }

    /// Counts a request.
    pub fn count(&self, arm: CanaryArm, outcome: ArmOutcome) {
        let tally = match arm {
            CanaryArm::Canary => &self.canary,
            CanaryArm::Stable => &self.stable,
        };
        let add = |to: &AtomicU64, amount| _ = to.fetch_add(amount, Ordering::Relaxed);
        match outcome {
            ArmOutcome::Failed => add(&tally.errors, 1),
            ArmOutcome::Answered { took, uncertainty } => {
                add(&tally.latencies[latency_bucket(took)], 1);
                if let Some((uncertainty, half)) = uncertainty.zip(self.half) {
                    let share = (0.5 * uncertainty / half).clamp(0.0, 1.0);
                    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and 2^32")]
                    let steps = |share: f64| (share * UNCERTAINTY_STEPS) as u64;
                    add(&tally.sum, steps(share));
                    add(&tally.sum_of_squares, steps(share * share));
                    add(&tally.uncertain, 1);
                }
            }
        }
        // Last, so that a reader never sees more errors than requests.
        tally.requests.fetch_add(1, Ordering::Release);
    }

    /// Counts a row that both versions answered.
    pub fn compare(&self, agrees: bool) {
        if !agrees {
            self.disagreed.fetch_add(1, Ordering::Relaxed);
        }
        self.compared.fetch_add(1, Ordering::Release);
    }

    /// The canary's requests so far.
    pub(super) fn canary_requests(&self) -> u64 {
        self.canary.requests.load(Ordering::Relaxed)
    }

    /// The counts so far.
    pub fn counts(&self) -> CanaryCounts {
        let compared = self.compared.load(Ordering::Acquire);
        CanaryCounts {
            restarts: self.restarts,
            canary: self.canary.read(),
            stable: self.stable.read(),
            compared,
            disagreed: self.disagreed.load(Ordering::Relaxed).min(compared),
        }
    }
}
