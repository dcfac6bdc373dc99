//! The metrics of a shadow: how its answers compare with those that callers got.

use super::{
    buckets,
    instrument::{Counter, Histogram},
    metrics::Metrics,
    version_metrics::VersionMetrics,
};

/// What became of a copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShadowOutcome {
    /// Both answers are the same: one class, or values within half the interval.
    Agree,
    /// The answers differ.
    Disagree,
    /// There is no interval to say whether the values differ.
    Undecided,
    /// The shadow gave no answer.
    Error,
    /// The copy was dropped, because the shadow is too slow or no processor was idle.
    Dropped,
}

impl ShadowOutcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Agree => "agree",
            Self::Disagree => "disagree",
            Self::Undecided => "undecided",
            Self::Error => "error",
            Self::Dropped => "dropped",
        }
    }
}

/// One copy and its comparison.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ShadowRow {
    /// What became of it.
    pub outcome: ShadowOutcome,
    /// The largest difference of a probability, or the difference of the values in units of half the interval.
    pub difference: Option<f64>,
    /// The time that the shadow computed, divided by that of the answer.
    pub latency_ratio: Option<f64>,
    /// The uncertainty of the shadow minus that of the answer.
    pub uncertainty_difference: Option<f64>,
}

impl ShadowRow {
    /// A copy that the shadow did not answer.
    pub fn without_answer(outcome: ShadowOutcome) -> Self {
        Self { outcome, difference: None, latency_ratio: None, uncertainty_difference: None }
    }
}

impl Metrics {
    /// Records a copy of a request for this version.
    pub fn record_shadow(&self, version: &VersionMetrics, row: ShadowRow) {
        if version.is_retired() {
            return;
        }
        let both = [version.model(), version.version()];
        let labels = [both[0], both[1], row.outcome.as_str()];
        self.shadow_rows.series(&labels, Counter::default).inc();
        let observe = |family: &super::family::Family<Histogram>, bounds: &[f64], value: Option<f64>| {
            if let Some(value) = value {
                family.series(&both, || Histogram::new(bounds)).observe(value);
            }
        };
        observe(&self.shadow_difference, &buckets::SHADOW_DIFFERENCE, row.difference);
        observe(&self.shadow_latency_ratio, &buckets::LATENCY_RATIO, row.latency_ratio);
        observe(&self.shadow_uncertainty, &buckets::SIGNED_DIFFERENCE, row.uncertainty_difference);
    }
}
