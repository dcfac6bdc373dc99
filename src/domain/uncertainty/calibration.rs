//! The content of calibration.json: how outputs become honest uncertainty, for which model, from which rows.

use serde::{Deserialize, Serialize};

use super::{Isotonic, Quantiles, Report, ScoreKind, Scores, Temperature, VennAbers};
use crate::domain::contract::JsonValue;

/// The format's number.
pub const FORMAT: u32 = 1;

/// A calibration, as it stands in its file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationDocument {
    /// The format's number, [`FORMAT`].
    pub format: u32,
    /// The model.onnx that it was made for: `sha256:` and hexadecimal.
    pub model_sha256: String,
    /// When it was made (RFC 3339).
    pub created: String,
    /// The rows that it was made from.
    pub data: CalibrationSource,
    /// What is done to outputs.
    pub rule: CalibrationRule,
    /// How well it did.
    pub report: Report,
}

/// The rows of a calibration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CalibrationSource {
    /// The name of the file, without its directory.
    pub file: String,
    /// Its digest: `sha256:` and hexadecimal.
    pub sha256: String,
    /// How many rows were used.
    pub rows: usize,
}

/// What is done to outputs, by task.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "task", rename_all = "snake_case", deny_unknown_fields)]
pub enum CalibrationRule {
    /// Probabilities, and sets of classes.
    Classification {
        /// The classes, in the contract's order.
        classes: Vec<String>,
        /// What the graph gives.
        scores: ScoreKind,
        /// From the graph's scores to probabilities.
        probabilities: ProbabilityMap,
        /// Sets of classes.
        sets: Option<Sets>,
    },
    /// Intervals.
    Regression {
        /// How an interval is made.
        intervals: Intervals,
        /// The quantiles over all rows.
        quantiles: Quantiles,
        /// The quantiles by group.
        groups: Option<Groups>,
    },
}

/// From the graph's scores to probabilities.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "kebab-case")]
pub enum ProbabilityMap {
    /// As the graph gives them.
    Uncalibrated,
    /// One temperature.
    Temperature(Temperature),
    /// A curve, for two classes.
    Isotonic(Isotonic),
    /// Two tables, for two classes.
    VennAbers(VennAbers),
}

/// How sets of classes are made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sets {
    /// The score.
    pub method: SetMethod,
    /// The quantiles over all rows.
    pub quantiles: Quantiles,
    /// The quantiles by group.
    pub groups: Option<Groups>,
}

/// The score of a class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SetMethod {
    /// One minus its probability.
    Lac,
    /// The probability of the likelier classes, randomised.
    Aps,
}

/// How an interval is made.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Intervals {
    /// The value and the quantile to both sides.
    SplitConformal,
    /// The value and the quantile times a scale to both sides.
    NormalizedConformal {
        /// Which scale.
        scale: Scale,
    },
    /// The lowest and the highest of the model's quantiles, moved by the quantile.
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

/// Quantiles within the groups of one feature (Mondrian).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Groups {
    /// The feature of the contract.
    pub feature: String,
    /// The groups that had rows.
    pub groups: Vec<Group>,
}

/// The rows with one value of the feature.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// The value; null where it is missing.
    pub value: JsonValue,
    /// Their quantiles. Where there are too few rows for a bound, the quantile of all rows is used.
    pub quantiles: Quantiles,
}

impl ProbabilityMap {
    /// The calibrated probabilities of one row, and with Venn-Abers the bounds of the second class's probability.
    pub fn apply(&self, scores: Scores<'_>) -> (Vec<f64>, Option<(f64, f64)>) {
        let two = |positive: f64| vec![1.0 - positive, positive];
        match self {
            Self::Uncalibrated => (scores.probabilities(), None),
            Self::Temperature(temperature) => (temperature.apply(scores), None),
            Self::Isotonic(curve) => (two(curve.apply(positive_probability(scores))), None),
            Self::VennAbers(tables) => {
                let bounds = tables.bounds(positive_probability(scores));
                (two(VennAbers::merge(bounds)), Some(bounds))
            }
        }
    }

    /// The name of the method.
    pub fn name(&self) -> &'static str {
        super::method::classification(self, None, false)
    }
}

/// The graph's own probability of the second of two classes: what the methods for two classes calibrate.
pub(in crate::domain) fn positive_probability(scores: Scores<'_>) -> f64 {
    match scores.kind {
        ScoreKind::Probabilities => scores.values[1],
        ScoreKind::Logits => 1.0 / (1.0 + (scores.values[0] - scores.values[1]).exp()),
    }
}

impl CalibrationDocument {
    /// The quantiles by group, where there are any.
    pub fn groups(&self) -> Option<&Groups> {
        match &self.rule {
            CalibrationRule::Classification { sets, .. } => sets.as_ref()?.groups.as_ref(),
            CalibrationRule::Regression { groups, .. } => groups.as_ref(),
        }
    }

    /// Everything that is wrong with a calibration that was read from a file, by itself.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.format != FORMAT {
            problems.push(format!("format must be {FORMAT}; found {}", self.format));
        }
        let quantiles = match &self.rule {
            CalibrationRule::Classification { classes, probabilities, sets, .. } => {
                problems.extend(map_problems(probabilities, classes.len()));
                let misplaced = |sets: &Sets| sets.method == SetMethod::Aps && sets.groups.is_some();
                if sets.as_ref().is_some_and(misplaced) {
                    problems.push("groups go with lac, not with aps".to_owned());
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
        problems.extend(quantiles.into_iter().chain(by_group).filter_map(|quantiles| quantiles.check().err()));
        let scalar = |group: &Group| !matches!(group.value, JsonValue::List(_) | JsonValue::Object(_));
        if self.groups().is_some_and(|groups| !groups.groups.iter().all(scalar)) {
            problems.push("the value of a group is a string, a number, a boolean or null".to_owned());
        }
        problems
    }
}

fn map_problems(map: &ProbabilityMap, classes: usize) -> Option<String> {
    let checked = match map {
        ProbabilityMap::Uncalibrated => Ok(()),
        ProbabilityMap::Temperature(temperature) => temperature.check(),
        ProbabilityMap::Isotonic(curve) => curve.check(),
        ProbabilityMap::VennAbers(tables) => tables.check(),
    };
    let two = matches!(map, ProbabilityMap::Isotonic(_) | ProbabilityMap::VennAbers(_));
    match checked {
        Ok(()) if two && classes != 2 => Some(format!("{} is for two classes; found {classes}", map.name())),
        Ok(()) if classes < 2 => Some(format!("classes must list at least two; found {classes}")),
        checked => checked.err(),
    }
}
