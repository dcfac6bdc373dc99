//! The report of a calibration: quality of the probabilities before and after, and coverage of sets and intervals on
//! rows that they were not fitted to. Only the format; `domain::calibration` computes it.

use serde::{Deserialize, Serialize};

use super::Coverage;
use crate::domain::json::JsonValue;

/// The report of a calibration. Every figure about a fitted quantity was measured on rows it was not fitted to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Number of rows that the method of the probabilities was chosen and fitted on; 0 if `uncalibrated` or a top-label
    /// method was requested.
    pub fitted_rows: usize,
    /// Number of rows that a top-label method was chosen and fitted on; 0 if none was tried.
    #[serde(default)]
    pub confidence_rows: usize,
    /// Number of rows that the quantiles come from.
    pub conformal_rows: usize,
    /// Classification: metrics of the uncalibrated answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<ProbabilityMetrics>,
    /// Classification: metrics of the calibrated answers, cross-fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ProbabilityMetrics>,
    /// Classification: the methods tried, with their cross-fitted scores.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// What a constant prediction achieves on the same rows: the accuracy of the most frequent class, or the root mean
    /// square error of the mean.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub constant: Option<f64>,
    /// Regression: the error of the predicted value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<PointError>,
    /// Regression: minimum, deciles and maximum of the predicted values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<f64>,
    /// Coverage and size of the sets or intervals at each level.
    pub levels: Vec<LevelReport>,
    /// The report of each group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupReport>,
}

/// Quality metrics of a classifier's answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbabilityMetrics {
    /// The share of rows whose prediction is right.
    pub accuracy: f64,
    /// Top-label expected calibration error of `1 − uncertainty`, over the bins.
    pub ece: f64,
    /// The error that a perfect calibration shows on as many rows of the same confidence.
    pub ece_by_chance: EceByChance,
    /// Brier score of the uncertainty: the mean squared difference of `1 − uncertainty` and whether the prediction is
    /// right.
    pub uncertainty_brier: f64,
    /// Brier score of the probabilities: the mean squared error of the second class's probability, or the sum over more
    /// than two classes.
    pub brier: f64,
    /// Mean log loss of the probabilities, in nats.
    pub log_loss: f64,
    /// Equal-mass bins by ascending confidence, as in a reliability diagram.
    pub bins: Vec<Bin>,
}

impl ProbabilityMetrics {
    /// Whether the calibration error is greater than a perfect calibration shows in 99 of 100 such sets of rows, and
    /// greater than half a percentage point, which many rows would prove but nobody would act on.
    pub fn is_miscalibrated(&self) -> bool {
        const NEGLIGIBLE: f64 = 0.005;
        self.ece > self.ece_by_chance.limit.max(NEGLIGIBLE)
    }
}

/// The expected calibration error of a perfect calibration, by consistency resampling (Bröcker and Smith 2007).
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EceByChance {
    /// The mean over the resamples.
    pub mean: f64,
    /// The value that 99 of 100 resamples do not exceed.
    pub limit: f64,
}

/// A bin of rows with similar confidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bin {
    /// Number of rows.
    pub rows: usize,
    /// The mean of `1 − uncertainty`.
    pub confidence: f64,
    /// The share of rows whose prediction is right.
    pub accuracy: f64,
}

/// A method that was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// The method of the uncertainty.
    pub method: String,
    /// The method of the probabilities, which a top-label method leaves as they are.
    pub probabilities_method: String,
    /// Its cross-fitted scores; `None` if the method cannot be used here.
    pub scores: Option<CandidateScores>,
    /// Number of rows that it was scored on. The methods of the probabilities are compared on the fitting rows, the
    /// top-label methods on all rows.
    pub rows: usize,
    /// Whether it was chosen among those on the same rows.
    pub chosen: bool,
    /// Why it cannot be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unusable: Option<String>,
}

/// The cross-fitted scores of a method.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CandidateScores {
    /// Brier score of the uncertainty.
    pub uncertainty_brier: f64,
    /// Brier score of the probabilities.
    pub brier: f64,
    /// Mean log loss of the probabilities, in nats.
    pub log_loss: f64,
    /// Top-label expected calibration error.
    pub ece: f64,
}

/// The error of a regression's predicted values.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointError {
    /// Mean absolute error, in the target's unit.
    pub mean_absolute: f64,
    /// Root of the mean squared error, in the target's unit.
    pub root_mean_square: f64,
}

/// Coverage and size of the sets or intervals at one level, measured by cross-fitting.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelReport {
    /// The coverage level.
    pub coverage: Coverage,
    /// Minimum number of rows for a bound at this level.
    pub rows_needed: usize,
    /// The share of rows whose set or interval contained the truth; an unbounded one contains everything.
    pub empirical: f64,
    /// The mean number of classes in a bounded set, or the mean width of a bounded interval; `None` if none has a
    /// bound.
    pub mean_size: Option<f64>,
    /// The share of rows with an empty set.
    pub empty: f64,
    /// The share of rows without a bound.
    pub unbounded: f64,
    /// The later rows of the table, covered by the quantile of the earlier ones; `None` if the earlier rows are too few
    /// for a bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub later: Option<LaterRows>,
}

/// The second half of the rows that give the quantiles, in the order of the table. Unlike cross-fitting, whose coverage
/// is right by construction, it shows whether the rows change along the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LaterRows {
    /// Number of earlier rows, which give the quantile.
    pub earlier: usize,
    /// Number of later rows.
    pub rows: usize,
    /// Number of later rows covered.
    pub covered: usize,
}

/// The report of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupReport {
    /// The value of the feature.
    pub value: JsonValue,
    /// Number of rows in the group, out of all rows given.
    pub rows: usize,
    /// Classification: metrics of the uncalibrated answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<ProbabilityMetrics>,
    /// Classification: metrics of the calibrated answers, cross-fitted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ProbabilityMetrics>,
    /// Regression: the error of the predicted value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<PointError>,
    /// Coverage and size of the sets or intervals at each level.
    pub levels: Vec<LevelReport>,
}
