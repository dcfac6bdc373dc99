//! A held-out row as the server would answer it with some calibration.

use super::rows::ClassificationRows;
use crate::domain::uncertainty::{CalibrationRule, ConfidenceMap, ProbabilityMap};

/// The answer for one row, and its truth.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct AssessedRow {
    /// One probability per class.
    pub(super) probabilities: Vec<f64>,
    /// The probability that the prediction is right, as claimed: `1 − uncertainty`.
    pub(super) confidence: f64,
    /// Whether the prediction is right.
    pub(super) right: bool,
    /// The true class.
    pub(super) label: usize,
}

/// The two maps of a classifier's calibration.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct ClassifierMaps {
    pub(super) probabilities: ProbabilityMap,
    pub(super) confidence: Option<ConfidenceMap>,
}

impl ClassifierMaps {
    /// The graph's own probabilities.
    pub(super) const UNCALIBRATED: Self = Self { probabilities: ProbabilityMap::Uncalibrated, confidence: None };

    /// Answers one row.
    pub(super) fn assess(&self, rows: &ClassificationRows, row: usize) -> AssessedRow {
        let probabilities = self.probabilities.apply(rows.scores(row)).0;
        let predicted = rows.decide(&probabilities);
        let confidence = probabilities[predicted];
        let confidence = self.confidence.as_ref().map_or(confidence, |map| map.apply(confidence).0);
        let label = rows.labels[row];
        AssessedRow { probabilities, confidence, right: predicted == label, label }
    }
}

/// The answers of a classifier to some of the rows: `1 − uncertainty`, and whether the prediction is right. Without a
/// calibration they are the model's own.
pub fn answers(rows: &ClassificationRows, chosen: &[usize], rule: Option<&CalibrationRule>) -> Vec<(f64, bool)> {
    let maps = match rule {
        Some(CalibrationRule::Classification { probabilities, confidence, .. }) => {
            ClassifierMaps { probabilities: probabilities.clone(), confidence: confidence.as_deref().cloned() }
        }
        _ => ClassifierMaps::UNCALIBRATED,
    };
    let assessed = chosen.iter().map(|row| maps.assess(rows, *row));
    assessed.map(|row| (row.confidence, row.right)).collect()
}
