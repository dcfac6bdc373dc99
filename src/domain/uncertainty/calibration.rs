//! The content of calibration.json: how outputs are calibrated, for which model, and from which rows.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{
    Beta, ConfidenceMap, Isotonic, Quantiles, Report, ScoreKind, Scores, Temperature, VectorScaling, VennAbers,
};
use crate::domain::json::JsonValue;

/// The format version.
pub const FORMAT: u32 = 2;

/// A calibration, as stored in its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationDocument {
    /// The format version, [`FORMAT`].
    pub format: u32,
    /// The digest of the model.onnx that it belongs to: `sha256:` and hexadecimal.
    pub model_sha256: String,
    /// What it depends on in the contract: the role of each output and the features of each input, as text.
    pub contract: BTreeMap<String, String>,
    /// Creation time (RFC 3339).
    pub created: String,
    /// The rows that it was computed from.
    pub data: CalibrationSource,
    /// How outputs are calibrated.
    pub rule: CalibrationRule,
    /// Its measured quality.
    pub report: Report,
}

/// The source of the calibration rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationSource {
    /// The file name, without its directory.
    pub file: String,
    /// The digest of the file: `sha256:` and hexadecimal.
    pub sha256: String,
    /// Number of rows used.
    pub rows: usize,
    /// Number of rows left out because they could not be used.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub skipped: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// How outputs are calibrated, by task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case", deny_unknown_fields)]
pub enum CalibrationRule {
    /// Classification: probabilities and prediction sets.
    Classification {
        /// The classes, in contract order.
        classes: Vec<String>,
        /// The kind of scores that the graph outputs.
        scores: ScoreKind,
        /// The map from the graph's scores to probabilities.
        probabilities: ProbabilityMap,
        /// The map from the probability of the predicted class to the probability that it is right; `None` if the
        /// probabilities themselves say so.
        confidence: Option<Box<ConfidenceMap>>,
        /// The prediction sets.
        sets: Option<Sets>,
    },
    /// Regression: intervals.
    Regression {
        /// How intervals are computed.
        intervals: Intervals,
        /// The pooled quantiles.
        quantiles: Quantiles,
        /// The quantiles by group.
        groups: Option<Groups>,
    },
}

/// The map from the graph's scores to probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "kebab-case")]
pub enum ProbabilityMap {
    /// The graph's probabilities, unchanged.
    Uncalibrated,
    /// Temperature scaling.
    Temperature(Temperature),
    /// Vector scaling.
    VectorScaling(VectorScaling),
    /// A beta curve, for two classes.
    Beta(Beta),
    /// Isotonic regression, for two classes.
    Isotonic(Isotonic),
    /// Venn-Abers prediction, for two classes.
    VennAbers(VennAbers),
}

/// How prediction sets are computed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sets {
    /// The conformity score.
    pub method: SetMethod,
    /// The pooled quantiles.
    pub quantiles: Quantiles,
    /// The quantiles by group.
    pub groups: Option<Groups>,
}

/// The conformity score of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetMethod {
    /// One minus the probability of the class.
    Lac,
    /// The randomised total probability of the likelier classes and the class itself.
    Aps,
}

/// How intervals are computed.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Intervals {
    /// The value plus and minus the quantile.
    SplitConformal,
    /// The value plus and minus the quantile times a scale.
    NormalizedConformal {
        /// The scale.
        scale: Scale,
    },
    /// The lowest and highest quantile of the model, each moved outward by the conformal quantile.
    Cqr {
        /// The level of the lower quantile.
        lower: f64,
        /// The level of the upper quantile.
        upper: f64,
    },
}

/// The scale of a normalized interval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// The contract's `sigma`.
    Sigma,
    /// The standard deviation of the contract's `members`.
    Members,
}

/// Quantiles by the values of one feature (Mondrian conformal prediction).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Groups {
    /// The feature in the contract.
    pub feature: String,
    /// The groups with at least one row.
    pub groups: Vec<Group>,
}

/// One value of the feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The value; null for missing.
    pub value: JsonValue,
    /// The quantiles of the group. If it has too few rows for a bound, the pooled quantile is used.
    pub quantiles: Quantiles,
}

impl ProbabilityMap {
    /// The calibrated probabilities of one row, and for Venn-Abers the bounds of the second class's probability.
    pub fn apply(&self, scores: Scores<'_>) -> (Vec<f64>, Option<(f64, f64)>) {
        let two = |positive: f64| vec![1.0 - positive, positive];
        match self {
            Self::Uncalibrated => (scores.probabilities(), None),
            Self::Temperature(temperature) => (temperature.apply(scores), None),
            Self::VectorScaling(scaling) => (scaling.apply(scores), None),
            Self::Beta(curve) => (two(curve.apply(positive_probability(scores))), None),
            Self::Isotonic(curve) => (two(curve.apply(positive_probability(scores))), None),
            Self::VennAbers(tables) => {
                let bounds = tables.bounds(positive_probability(scores));
                (two(VennAbers::merge(bounds)), Some(bounds))
            }
        }
    }

    /// The name of the method.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Uncalibrated => "uncalibrated",
            Self::Temperature(_) => "temperature",
            Self::VectorScaling(_) => "vector-scaling",
            Self::Beta(_) => "beta",
            Self::Isotonic(_) => "isotonic",
            Self::VennAbers(_) => "venn-abers",
        }
    }
}

/// The graph's own probability of the second of two classes, which the two-class methods calibrate.
pub(in crate::domain) fn positive_probability(scores: Scores<'_>) -> f64 {
    match scores.kind {
        ScoreKind::Probabilities => scores.values[1],
        ScoreKind::Logits => 1.0 / (1.0 + (scores.values[0] - scores.values[1]).exp()),
    }
}

impl CalibrationDocument {
    /// The quantiles by group, if there are any.
    pub fn groups(&self) -> Option<&Groups> {
        match &self.rule {
            CalibrationRule::Classification { sets, .. } => sets.as_ref()?.groups.as_ref(),
            CalibrationRule::Regression { groups, .. } => groups.as_ref(),
        }
    }

    /// Validates a calibration read from a file, on its own; returns one message per problem.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.format != FORMAT {
            problems.push(format!("format must be {FORMAT}; found {}: run `candor calibrate` again", self.format));
        }
        let quantiles = match &self.rule {
            CalibrationRule::Classification { classes, probabilities, confidence, sets, .. } => {
                problems.extend(map_problems(probabilities, classes.len()));
                let checked = confidence.as_deref().map_or(Ok(()), ConfidenceMap::check);
                problems.extend(checked.err().map(|error| error.to_string()));
                let misplaced = |sets: &Sets| sets.method == SetMethod::Aps && sets.groups.is_some();
                if sets.as_ref().is_some_and(misplaced) {
                    problems.push("groups require lac; aps does not support them".to_owned());
                }
                sets.as_ref().map(|sets| &sets.quantiles)
            }
            CalibrationRule::Regression { intervals, quantiles, .. } => {
                if let Intervals::Cqr { lower, upper } = intervals
                    && lower >= upper
                {
                    problems.push(format!("cqr needs a lower level below the upper; found {lower} and {upper}"));
                }
                Some(quantiles)
            }
        };
        let by_group = self.groups().into_iter().flat_map(|groups| &groups.groups).map(|group| &group.quantiles);
        problems.extend(
            quantiles.into_iter().chain(by_group).filter_map(|quantiles| Some(quantiles.check().err()?.to_string())),
        );
        let scalar = |group: &Group| !matches!(group.value, JsonValue::List(_) | JsonValue::Object(_));
        if self.groups().is_some_and(|groups| !groups.groups.iter().all(scalar)) {
            problems.push("the value of a group must be a string, a number, a boolean or null".to_owned());
        }
        problems
    }
}

fn map_problems(map: &ProbabilityMap, classes: usize) -> Option<String> {
    let checked = match map {
        ProbabilityMap::Uncalibrated => Ok(()),
        ProbabilityMap::Temperature(temperature) => temperature.check(),
        ProbabilityMap::VectorScaling(scaling) => scaling.check(classes),
        ProbabilityMap::Beta(curve) => curve.check(),
        ProbabilityMap::Isotonic(curve) => curve.check(),
        ProbabilityMap::VennAbers(tables) => tables.check(),
    };
    let two = matches!(map, ProbabilityMap::Beta(_) | ProbabilityMap::Isotonic(_) | ProbabilityMap::VennAbers(_));
    match checked {
        Ok(()) if two && classes != 2 => Some(format!("{} is for two classes; found {classes}", map.name())),
        Ok(()) if classes < 2 => Some(format!("classes must list at least two; found {classes}")),
        checked => checked.err().map(|error| error.to_string()),
    }
}
