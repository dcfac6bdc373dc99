//! Runs rows through both versions in batches and hands the pairs of predictions to the tally. A row that one version
//! refuses is counted with the reason.

use crate::{
    authoring::answers::answers,
    domain::{
        comparison::{Comparison, PairTally, PredictionPair, TrueOutcome, displayable_features, refusal_reason},
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
                let shown = displayable_features((&self.old.contract, &row.old), (&self.new.contract, &row.new));
                let slices = self.slices(&old, &new);
                self.waiting.push(AdmittedRow { place: row.place, shown, slices, truth: row.truth, old, new });
                if self.waiting.len() == self.most {
                    self.flush();
                }
            }
            (old, new) => {
                let reason = |refused: Option<_>| refused.map(|error| refusal_reason(&error));
                let (old, new) = (reason(old.err()), reason(new.err()));
                self.tally.refuse(&row.place, old.as_deref(), new.as_deref());
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
                    let failed = |failed: bool| failed.then_some(FAILS);
                    self.tally.refuse(&row.place, failed(old.is_err()), failed(new.is_err()));
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
