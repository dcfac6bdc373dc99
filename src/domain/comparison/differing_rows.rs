//! The rows whose predictions differ most.

use serde::Serialize;

use super::pair::{PairDifference, PredictionPair};
use crate::domain::{
    contract::OutputPlan,
    float::Float,
    json::JsonValue,
    prediction::{Outcome, Prediction},
};

/// The maximum number of rows that are kept.
pub const MAX_DIFFERING_ROWS: usize = 10;

/// A prediction in short.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BriefPrediction {
    /// The class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub class: Option<String>,
    /// The probability of the class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub probability: Option<Float>,
    /// The value of a regression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Float>,
    /// The uncertainty.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uncertainty: Option<Float>,
}

/// A row and what both versions predict for it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DifferingRow {
    /// Where it comes from, such as `line 12`.
    pub row: String,
    /// The difference by which rows are ranked: the largest of a probability; that of the value in units of half the
    /// interval's width, or else as it is; the largest of any element of raw tensors.
    pub difference: f64,
    /// The old version's prediction.
    pub old: BriefPrediction,
    /// The new version's prediction.
    pub new: BriefPrediction,
    /// The features; sensitive values and arrays are null.
    pub features: JsonValue,
}

impl BriefPrediction {
    fn of(prediction: &Prediction, plan: &OutputPlan) -> Self {
        let uncertainty = prediction.assessment.uncertainty;
        let (class, probability, value) = match &prediction.outcome {
            Outcome::Classification { class, probabilities } => {
                (plan.classes().get(*class).cloned(), probabilities.get(*class).copied(), None)
            }
            Outcome::Regression { value } => (None, None, Some(*value)),
            Outcome::Tensors { .. } => (None, None, None),
        };
        Self { class, probability, value, uncertainty }
    }
}

/// Keeps the rows with the largest differences; of equal ones the first.
#[derive(Debug, Clone, Default)]
pub(super) struct DifferingRows {
    rows: Vec<DifferingRow>,
}

impl DifferingRows {
    pub(super) fn add(
        &mut self,
        pair: &PredictionPair<'_>,
        difference: &PairDifference,
        (old, new): (&OutputPlan, &OutputPlan),
    ) {
        let size = difference.size();
        let full = self.rows.len() == MAX_DIFFERING_ROWS;
        if size <= 0.0 || (full && self.rows.last().is_some_and(|last| last.difference >= size)) {
            return;
        }
        let row = DifferingRow {
            row: pair.row.to_string(),
            difference: size,
            old: BriefPrediction::of(pair.old, old),
            new: BriefPrediction::of(pair.new, new),
            features: pair.features.clone(),
        };
        let place = self.rows.partition_point(|kept| kept.difference >= size);
        self.rows.insert(place, row);
        self.rows.truncate(MAX_DIFFERING_ROWS);
    }

    pub(super) fn finish(self) -> Vec<DifferingRow> {
        self.rows
    }
}
