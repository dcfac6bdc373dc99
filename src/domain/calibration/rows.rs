//! Held-out rows with the model outputs, as arrays, and their validation before anything is fitted.

use super::error::{CalibrationError, CalibrationErrors};
use crate::domain::{
    contract::DecisionRule,
    float::Float,
    json::JsonValue,
    tensor::ElementType,
    uncertainty::{RegressionOutputs, ScoreKind, Scores},
};

/// Targets must be smaller in magnitude, so that squared errors are finite.
const MAX_TARGET: f64 = 1e150;

/// The rows of a classifier.
#[derive(Debug, Clone, PartialEq)]
pub struct ClassificationRows {
    /// The classes, in the contract's order.
    pub classes: Vec<String>,
    /// The kind of the scores.
    pub kind: ScoreKind,
    /// The graph's scores, row by row, one per class.
    pub scores: Vec<f64>,
    /// The true class of each row, as an index into `classes`.
    pub labels: Vec<usize>,
    /// How the class is chosen.
    pub decision: DecisionRule,
    /// The element type of the graph's scores, in which the decision compares probabilities.
    pub element: ElementType,
    /// The APS random number of each row, derived from its `features_hash`; only needed for APS.
    pub draws: Vec<f64>,
    /// The groups of the rows, for quantiles by group.
    pub groups: Option<RowGroups>,
}

/// The rows of a regression.
#[derive(Debug, Clone, PartialEq)]
pub struct RegressionRows {
    /// The predicted values.
    pub values: Vec<f64>,
    /// The true values.
    pub targets: Vec<f64>,
    /// Further outputs of the model, for the width of intervals.
    pub spread: ScaleSource,
    /// The groups of the rows, for quantiles by group.
    pub groups: Option<RowGroups>,
}

/// The outputs of a regression beyond its value.
#[derive(Debug, Clone, PartialEq)]
pub enum ScaleSource {
    /// None: the value only.
    None,
    /// The standard deviation that the model outputs, one per row.
    Sigma(Vec<f64>),
    /// The standard deviation of the ensemble members, one per row.
    Members(Vec<f64>),
    /// The lowest and the highest quantile of the model.
    Quantiles {
        /// The levels of the two quantiles.
        levels: (f64, f64),
        /// The lowest quantile, one per row.
        lower: Vec<f64>,
        /// The highest quantile, one per row.
        upper: Vec<f64>,
    },
}

/// Which group each row belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct RowGroups {
    /// The feature in the contract.
    pub feature: String,
    /// The values of the feature, one per group.
    pub values: Vec<JsonValue>,
    /// The group of each row, as an index into `values`.
    pub of_row: Vec<usize>,
}

impl ClassificationRows {
    /// The scores of one row.
    pub fn scores(&self, row: usize) -> Scores<'_> {
        let width = self.classes.len();
        Scores { kind: self.kind, values: &self.scores[row * width..(row + 1) * width] }
    }

    /// The class that is predicted from these probabilities.
    pub(super) fn decide(&self, probabilities: &[f64]) -> usize {
        let rounded = |class: usize| Float::round(probabilities[class], self.element).as_f64();
        self.decision.decide(probabilities.len(), self.element, rounded)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.labels.len()
    }

    /// Whether there are no rows.
    pub fn is_empty(&self) -> bool {
        self.labels.is_empty()
    }

    /// Validates the rows and returns everything that makes them unusable.
    pub(super) fn check(&self) -> Result<(), CalibrationErrors> {
        let (rows, width) = (self.len(), self.classes.len());
        let mut faults = CalibrationErrors::default();
        if self.scores.len() != rows * width {
            faults.push(CalibrationError::Lengths { what: "scores", found: self.scores.len(), rows });
            return Err(faults);
        }
        for (row, scores) in self.scores.chunks(width.max(1)).enumerate() {
            if let Some(value) = scores.iter().find(|value| !value.is_finite()) {
                faults.push(CalibrationError::NonFiniteOutput { row: row + 1, value: *value });
            }
        }
        for (row, label) in self.labels.iter().enumerate().filter(|(_, label)| **label >= width) {
            let classes = self.classes.clone();
            faults.push(CalibrationError::UnknownClass { row: row + 1, found: label.to_string(), classes });
        }
        check_groups(self.groups.as_ref(), rows, &mut faults);
        faults.into_result()?;
        if let Some(first) = self.labels.first().filter(|first| self.labels.iter().all(|label| label == *first)) {
            return Err(CalibrationError::OneClass { class: self.classes[*first].clone() }.into());
        }
        if rows > 1 && (1..rows).all(|row| self.scores(row).values == self.scores(0).values) {
            return Err(CalibrationError::ConstantModel { rows }.into());
        }
        Ok(())
    }
}

impl RegressionRows {
    /// The model outputs for one row.
    pub(super) fn measured(&self, row: usize) -> RegressionOutputs {
        let value = RegressionOutputs { value: self.values[row], ..RegressionOutputs::default() };
        match &self.spread {
            ScaleSource::None => value,
            ScaleSource::Sigma(sigma) => RegressionOutputs { sigma: Some(sigma[row]), ..value },
            ScaleSource::Members(spread) => RegressionOutputs { spread: Some(spread[row]), ..value },
            ScaleSource::Quantiles { lower, upper, .. } => {
                RegressionOutputs { band: Some((lower[row], upper[row])), ..value }
            }
        }
    }

    /// Validates the rows and returns everything that makes them unusable.
    pub(super) fn check(&self) -> Result<(), CalibrationErrors> {
        let rows = self.targets.len();
        let mut faults = CalibrationErrors::default();
        let columns: Vec<(&'static str, &[f64])> = match &self.spread {
            ScaleSource::None => vec![("values", &self.values)],
            ScaleSource::Sigma(column) | ScaleSource::Members(column) => {
                vec![("values", &self.values), ("deviations", column)]
            }
            ScaleSource::Quantiles { lower, upper, .. } => {
                vec![("values", &self.values), ("lower quantiles", lower), ("upper quantiles", upper)]
            }
        };
        for (what, column) in columns {
            if column.len() != rows {
                faults.push(CalibrationError::Lengths { what, found: column.len(), rows });
            }
            for (row, value) in
                column.iter().enumerate().filter(|(_, value)| value.abs() >= MAX_TARGET || value.is_nan())
            {
                faults.push(CalibrationError::NonFiniteOutput { row: row + 1, value: *value });
            }
        }
        // The square of a larger one is not finite.
        for (row, value) in
            self.targets.iter().enumerate().filter(|(_, value)| value.is_finite() && value.abs() >= MAX_TARGET)
        {
            faults.push(CalibrationError::LargeTarget { row: row + 1, value: *value });
        }
        for (row, value) in self.targets.iter().enumerate().filter(|(_, value)| !value.is_finite()) {
            faults.push(CalibrationError::NonFiniteTarget { row: row + 1, value: *value });
        }
        check_groups(self.groups.as_ref(), rows, &mut faults);
        faults.into_result()?;
        let same = |column: &[f64]| column.iter().all(|value| value.to_bits() == column[0].to_bits());
        if rows > 1 && same(&self.values) {
            return Err(CalibrationError::ConstantModel { rows }.into());
        }
        Ok(())
    }
}

fn check_groups(groups: Option<&RowGroups>, rows: usize, faults: &mut CalibrationErrors) {
    let Some(groups) = groups else { return };
    let inside = groups.of_row.iter().filter(|group| **group < groups.values.len()).count();
    if inside != rows || groups.of_row.len() != rows {
        faults.push(CalibrationError::Lengths { what: "groups", found: inside, rows });
    }
}
