//! Runs rows through both versions in batches and hands the pairs of predictions to the tally. A row that one version
//! refuses is counted with the reason.

use std::fmt::Display;

use crate::{
    authoring::answers::answers,
    domain::{
        comparison::{Comparison, PairTally, PredictionPair, RefusedBy, TrueOutcome},
        contract::{AdmitError, Contract},
        json::JsonValue,
        tensor::Inputs,
    },
    repository::VerifiedVersion,
};

/// The reason of a row for which a version gives no prediction.
const FAILS: &str = "the model fails on it";

/// A row before it is admitted.
pub(super) struct FeatureRow {
    /// Where it comes from.
    pub(super) place: String,
    /// Its features for the old version.
    pub(super) old: JsonValue,
    /// Its features for the new version.
    pub(super) new: JsonValue,
    /// The true outcome, if it is known.
    pub(super) truth: Option<TrueOutcome>,
}

/// A row that both versions admit.
struct AdmittedRow {
    place: String,
    shown: JsonValue,
    slices: Vec<JsonValue>,
    truth: Option<TrueOutcome>,
    old: Inputs,
    new: Inputs,
}

/// Two versions and the comparison so far.
pub(super) struct Pairing<'a> {
    pub(super) old: &'a mut VerifiedVersion,
    pub(super) new: &'a mut VerifiedVersion,
    pub(super) tally: PairTally,
    most: usize,
    waiting: Vec<AdmittedRow>,
}

impl<'a> Pairing<'a> {
    pub(super) fn new(old: &'a mut VerifiedVersion, new: &'a mut VerifiedVersion, tally: PairTally) -> Self {
        let most = old.max_rows().min(new.max_rows()).max(1);
        Self { old, new, tally, most, waiting: Vec::new() }
    }

    /// Adds a row.
    pub(super) fn add(&mut self, row: FeatureRow) {
        let (old, new) = (self.old.admit(&row.old), self.new.admit(&row.new));
        match (old, new) {
            (Ok(old), Ok(new)) => {
                let shown = shown(&self.old.contract, &self.new.contract, &row);
                let slices = self.slices(&old, &new);
                self.waiting.push(AdmittedRow { place: row.place, shown, slices, truth: row.truth, old, new });
                if self.waiting.len() == self.most {
                    self.flush();
                }
            }
            (old, new) => {
                let (old, new) = (old.err().map(|error| reason(&error)), new.err().map(|error| reason(&error)));
                self.refuse(&row.place, old, new);
            }
        }
    }

    /// Counts a row that one version refuses, or both.
    pub(super) fn refuse(&mut self, place: &dyn Display, old: Option<String>, new: Option<String>) {
        if old.is_some() && old == new {
            self.tally.add_uncomparable(RefusedBy::Both, old.as_deref().unwrap_or_default(), place);
            return;
        }
        for (by, reason) in [(RefusedBy::Old, old), (RefusedBy::New, new)] {
            if let Some(reason) = reason {
                self.tally.add_uncomparable(by, &reason, place);
            }
        }
    }

    /// Runs the rows that wait.
    fn flush(&mut self) {
        let rows = std::mem::take(&mut self.waiting);
        let before = answers(self.old, &rows.iter().map(|row| &row.old).collect::<Vec<_>>());
        let after = answers(self.new, &rows.iter().map(|row| &row.new).collect::<Vec<_>>());
        for (row, (old, new)) in rows.iter().zip(before.into_iter().zip(after)) {
            match (old, new) {
                (Ok(old), Ok(new)) => self.tally.add(&PredictionPair {
                    row: &row.place,
                    features: &row.shown,
                    slices: &row.slices,
                    old: &old,
                    new: &new,
                    truth: row.truth,
                }),
                (old, new) => {
                    let failed = |failed: bool| failed.then(|| FAILS.to_owned());
                    self.refuse(&row.place, failed(old.is_err()), failed(new.is_err()));
                }
            }
        }
    }

    /// The value of each slice feature, read from the tensors of a version that has it.
    fn slices(&self, old: &Inputs, new: &Inputs) -> Vec<JsonValue> {
        let value = |name: &str| {
            let found = self.new.contract.group_value(name, new);
            found.or_else(|_| self.old.contract.group_value(name, old)).unwrap_or(JsonValue::Null)
        };
        self.tally.slice_features().map(|feature| value(&feature.name)).collect()
    }

    /// Runs the remaining rows and computes the comparison.
    pub(super) fn finish(mut self) -> Comparison {
        self.flush();
        self.tally.finish()
    }
}

/// The features of both versions that may be shown.
fn shown(old: &Contract, new: &Contract, row: &FeatureRow) -> JsonValue {
    let mut members = Vec::new();
    for features in [&row.new, &row.old] {
        if let JsonValue::Object(own) = new.displayable(&old.displayable(features)) {
            for (name, value) in own {
                if !members.iter().any(|(known, _)| *known == name) {
                    members.push((name, value));
                }
            }
        }
    }
    JsonValue::Object(members)
}

/// Says why a version refuses a row, without quoting its values, so that rows with one reason are counted together.
fn reason<E: Display>(error: &AdmitError<E>) -> String {
    match error {
        AdmitError::Violations(violations) => violations.first_n().first().map_or_else(
            || "the contract refuses it".to_owned(),
            |violation| {
                let subject = violation.feature.as_deref().unwrap_or(&violation.pointer);
                format!("{subject}: {}", violation.code.as_str())
            },
        ),
        AdmitError::Malformed(_) => "it is not JSON".to_owned(),
    }
}
