//! Accumulates pairs of predictions into a comparison: over all rows, by slice, and the rows that differ most.

use std::collections::HashMap;

use serde::Serialize;

use super::{
    contract_change::ContractChange,
    contract_difference::{ContractSource, contract_changes},
    differing_rows::{DifferingRow, DifferingRows},
    pair::{OutcomeScheme, PredictionPair, TaskMismatchError},
    slice::{MAX_SLICES, SliceFeature},
    statistics::{PairStatistics, StatisticsBuilder},
};
use crate::domain::{contract::OutputPlan, json::JsonValue};

/// Which of the two versions refuses a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RefusedBy {
    /// The version that is compared with.
    Old,
    /// The version that is judged.
    New,
    /// Both, for one reason.
    Both,
}

/// Rows that a version refuses, so that their predictions cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UncomparableRows {
    /// The version that refuses them.
    pub by: RefusedBy,
    /// Why.
    pub reason: String,
    /// How many they are.
    pub rows: u64,
    /// The first of them.
    pub first: String,
}

/// The statistics of the rows with one value of a feature.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SliceStatistics {
    /// The feature.
    pub feature: String,
    /// The value, or the range in words. `None` for rows with further values, beyond [`MAX_SLICES`].
    pub value: Option<JsonValue>,
    /// The statistics.
    pub statistics: PairStatistics,
}

/// How two versions compare.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// The changes of the contract.
    pub contract: Vec<ContractChange>,
    /// The statistics over all rows.
    pub whole: PairStatistics,
    /// The statistics by slice.
    pub slices: Vec<SliceStatistics>,
    /// The rows that differ most, the largest difference first.
    pub differing_rows: Vec<DifferingRow>,
    /// The rows that could not be compared.
    pub uncomparable: Vec<UncomparableRows>,
}

/// Accumulates a [`Comparison`]. Its memory grows by a few numbers a row, for the quantiles.
#[derive(Debug, Clone)]
pub struct PairTally {
    contract: Vec<ContractChange>,
    plans: (OutputPlan, OutputPlan),
    scheme: OutcomeScheme,
    whole: StatisticsBuilder,
    slices: Vec<SliceTally>,
    differing: DifferingRows,
    uncomparable: Vec<UncomparableRows>,
}

/// The slices of one feature.
#[derive(Debug, Clone)]
struct SliceTally {
    feature: SliceFeature,
    /// The index of each slice, by its text.
    known: HashMap<String, usize>,
    slices: Vec<(Option<JsonValue>, StatisticsBuilder)>,
}

impl PairTally {
    /// Compares the contracts and starts a comparison of predictions.
    ///
    /// # Errors
    /// Returns [`TaskMismatchError`] if the versions have different tasks.
    pub fn new(
        old: ContractSource<'_>,
        new: ContractSource<'_>,
        slices: Vec<SliceFeature>,
    ) -> Result<Self, TaskMismatchError> {
        let slices = slices.into_iter();
        let slices = slices.map(|feature| SliceTally { feature, known: HashMap::new(), slices: Vec::new() }).collect();
        Ok(Self {
            scheme: OutcomeScheme::new(&old.contract.output, &new.contract.output)?,
            contract: contract_changes(old, new),
            plans: (old.contract.output.clone(), new.contract.output.clone()),
            whole: StatisticsBuilder::default(),
            slices,
            differing: DifferingRows::default(),
            uncomparable: Vec::new(),
        })
    }

    /// The classes and the task of both versions.
    pub fn scheme(&self) -> &OutcomeScheme {
        &self.scheme
    }

    /// The features by which rows are sliced.
    pub fn slice_features(&self) -> impl Iterator<Item = &SliceFeature> {
        self.slices.iter().map(|tally| &tally.feature)
    }

    /// Adds the predictions for one instance.
    pub fn add(&mut self, pair: &PredictionPair<'_>) {
        let Some(difference) = self.scheme.difference(pair.old, pair.new) else { return };
        self.whole.add(&self.scheme, pair, &difference);
        for (tally, value) in self.slices.iter_mut().zip(pair.slices) {
            tally.builder(value).add(&self.scheme, pair, &difference);
        }
        self.differing.add(pair, &difference, (&self.plans.0, &self.plans.1));
    }

    /// Counts a row that a version refuses, or both, each with its reason.
    pub fn refuse(&mut self, row: &dyn std::fmt::Display, old: Option<&str>, new: Option<&str>) {
        match (old, new) {
            (Some(old), Some(new)) if old == new => self.add_uncomparable(RefusedBy::Both, old, row),
            _ => {
                for (by, reason) in [(RefusedBy::Old, old), (RefusedBy::New, new)] {
                    if let Some(reason) = reason {
                        self.add_uncomparable(by, reason, row);
                    }
                }
            }
        }
    }

    fn add_uncomparable(&mut self, by: RefusedBy, reason: &str, row: &dyn std::fmt::Display) {
        match self.uncomparable.iter_mut().find(|known| known.by == by && known.reason == reason) {
            Some(known) => known.rows += 1,
            None => self.uncomparable.push(UncomparableRows {
                by,
                reason: reason.to_owned(),
                rows: 1,
                first: row.to_string(),
            }),
        }
    }

    /// Computes the comparison.
    pub fn finish(self) -> Comparison {
        let scheme = self.scheme;
        let mut slices = Vec::new();
        for tally in self.slices {
            let mut found = tally.slices;
            found.sort_by(|(left, _), (right, _)| compare(&tally.feature, left.as_ref(), right.as_ref()));
            slices.extend(found.into_iter().map(|(value, builder)| SliceStatistics {
                feature: tally.feature.name.clone(),
                value,
                statistics: builder.finish(&scheme),
            }));
        }
        Comparison {
            contract: self.contract,
            whole: self.whole.finish(&scheme),
            slices,
            differing_rows: self.differing.finish(),
            uncomparable: self.uncomparable,
        }
    }
}

impl SliceTally {
    /// Returns the statistics of the slice of a value.
    fn builder(&mut self, value: &JsonValue) -> &mut StatisticsBuilder {
        let slice = self.feature.slice_of(value.clone());
        // A text and a number may look alike.
        let key = format!("{}{slice}", slice.kind());
        let next = self.slices.len();
        let index = match self.known.get(&key) {
            Some(index) => *index,
            None if next < MAX_SLICES => {
                self.known.insert(key, next);
                self.slices.push((Some(slice), StatisticsBuilder::default()));
                next
            }
            None => {
                if self.slices.last().is_some_and(|(value, _)| value.is_some()) {
                    self.slices.push((None, StatisticsBuilder::default()));
                }
                self.slices.len() - 1
            }
        };
        &mut self.slices[index].1
    }
}

/// Orders slices: ranges and numbers ascending, texts alphabetically, a missing value and further values last.
fn compare(feature: &SliceFeature, left: Option<&JsonValue>, right: Option<&JsonValue>) -> std::cmp::Ordering {
    let last = |value: Option<&JsonValue>| match value {
        None => 2,
        Some(JsonValue::Null) => 1,
        Some(_) => 0,
    };
    let text = |value: Option<&JsonValue>| value.map(ToString::to_string).unwrap_or_default();
    match (left, right) {
        (Some(JsonValue::Number(one)), Some(JsonValue::Number(other))) => one.compare(*other),
        (Some(one), Some(other)) if feature.rank(one) != feature.rank(other) => {
            last(left).cmp(&last(right)).then(feature.rank(one).cmp(&feature.rank(other)))
        }
        _ => last(left).cmp(&last(right)).then(text(left).cmp(&text(right))),
    }
}
