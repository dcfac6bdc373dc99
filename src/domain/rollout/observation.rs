//! What was observed of a canary so far, in the terms of the limits, for people.

use serde::Serialize;

use super::{
    counts::{ArmCounts, CanaryCounts},
    latency_test::p99_ms,
    rate_test::error_rate,
};

/// What was observed of one arm.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArmObservation {
    /// Its requests.
    pub requests: u64,
    /// The share of them that failed.
    pub error_rate: f64,
    /// The 99th percentile of its latency in milliseconds.
    pub p99_ms: Option<f64>,
    /// The mean uncertainty of its answers, from 0 to 1.
    pub mean_uncertainty: Option<f64>,
}

/// What was observed of a canary and of the stable version in the same time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CanaryObservation {
    /// The candidate.
    pub canary: ArmObservation,
    /// What it would replace.
    pub stable: ArmObservation,
    /// Rows that both versions answered.
    pub compared: u64,
    /// The share of these rows with different answers.
    pub disagreement: Option<f64>,
}

impl ArmObservation {
    fn of(arm: &ArmCounts) -> Self {
        Self {
            requests: arm.requests,
            error_rate: error_rate(arm),
            p99_ms: p99_ms(&arm.latencies),
            mean_uncertainty: (arm.uncertainty.count > 0).then(|| arm.uncertainty.mean()),
        }
    }
}

impl CanaryObservation {
    /// Summarizes counts.
    pub fn of(counts: &CanaryCounts) -> Self {
        let CanaryCounts { canary, stable, compared, disagreed, restarts: _ } = counts;
        let disagreement = (*compared > 0).then(|| *disagreed as f64 / *compared as f64);
        Self {
            canary: ArmObservation::of(canary),
            stable: ArmObservation::of(stable),
            compared: *compared,
            disagreement,
        }
    }
}
