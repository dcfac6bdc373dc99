//! What a calibration says about itself: how the probabilities were before and after, and how sets and intervals covered
//! rows that they were not made from. Only the form; `domain::calibration` computes it.

use serde::{Deserialize, Serialize};

use super::Coverage;
use crate::domain::contract::JsonValue;

/// The report of a calibration. Everything in it was measured on rows that the measured thing was not fitted to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Rows that fitted the probabilities; 0 where nothing was fitted.
    pub fitted_rows: usize,
    /// Rows that the quantiles come from.
    pub conformal_rows: usize,
    /// Classification: the graph's own probabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<ProbabilityMetrics>,
    /// Classification: the calibrated ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ProbabilityMetrics>,
    /// Classification: the methods that were tried, with their cross-fitted log loss.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub candidates: Vec<Candidate>,
    /// Regression: the error of the value itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<PointError>,
    /// Regression: the least, the deciles and the greatest of the predicted values.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<f64>,
    /// Sets or intervals at each level.
    pub levels: Vec<LevelReport>,
    /// The same by group.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<GroupReport>,
}

/// How good probabilities are.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbabilityMetrics {
    /// The share of rows whose likeliest class is the true one.
    pub accuracy: f64,
    /// Expected calibration error of the likeliest class's probability, over the bins.
    pub ece: f64,
    /// Brier score: the mean squared error of the second class's probability, or the sum over more than two classes.
    pub brier: f64,
    /// Mean log loss, in nats.
    pub log_loss: f64,
    /// Bins of equal mass, by rising confidence: what a reliability diagram shows.
    pub bins: Vec<Bin>,
}

/// Rows of like confidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bin {
    /// How many.
    pub rows: usize,
    /// The mean probability of their likeliest class.
    pub confidence: f64,
    /// The share of them that are right.
    pub accuracy: f64,
}

/// A method that was tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// Its name.
    pub method: String,
    /// Its cross-fitted mean log loss; `None` where it cannot be used here.
    pub log_loss: Option<f64>,
    /// Whether it was taken.
    pub chosen: bool,
    /// Why it cannot be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unusable: Option<String>,
}

/// How far a regression's value is off.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointError {
    /// Mean absolute error, in the target's unit.
    pub mean_absolute: f64,
    /// Root of the mean squared error, in the target's unit.
    pub root_mean_square: f64,
}

/// Sets or intervals at one level, measured by cross-fitting.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelReport {
    /// The level.
    pub coverage: Coverage,
    /// The fewest rows with which the level has a bound.
    pub rows_needed: usize,
    /// The share of rows whose set or interval held the truth; one without a bound holds everything.
    pub empirical: f64,
    /// The mean number of classes in a set, or the mean width of an interval; `None` where none has a bound.
    pub mean_size: Option<f64>,
    /// The share of rows with an empty set.
    pub empty: f64,
    /// The share of rows without a bound.
    pub unbounded: f64,
}

/// The report of one group.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupReport {
    /// The value of the feature.
    pub value: JsonValue,
    /// Rows of the group, of all that were given.
    pub rows: usize,
    /// Classification: the graph's own probabilities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<ProbabilityMetrics>,
    /// Classification: the calibrated ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<ProbabilityMetrics>,
    /// Regression: the error of the value itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<PointError>,
    /// Sets or intervals at each level.
    pub levels: Vec<LevelReport>,
}
