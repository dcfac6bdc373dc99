//! A method with its cross-fitted answers, and whether it is better than another by more than chance.

use std::cell::OnceCell;

use super::{
    assessed_row::AssessedRow,
    calibration_metrics::candidate_scores,
    confidence_bins::ConfidenceBins,
    method_choice::FitError,
    paired_test::{PairedOutcome, compare},
};
use crate::domain::uncertainty::{Candidate, CandidateScores};

/// The rows as a method answers them, each by a fit without its fold.
pub(super) struct TriedMethod {
    pub(super) scores: CandidateScores,
    pub(super) rows: Vec<AssessedRow>,
    /// The calibration error that a perfect calibration does not exceed in 99 of 100 cases, once it was asked for.
    limit: OnceCell<f64>,
}

impl TriedMethod {
    pub(super) fn new(rows: Vec<AssessedRow>) -> Self {
        Self { scores: candidate_scores(&rows), rows, limit: OnceCell::new() }
    }

    /// Whether the calibration error is greater than a perfect calibration shows in 99 of 100 cases.
    fn is_beyond_chance(&self) -> bool {
        let limit = || ConfidenceBins::new(&self.rows.iter().collect::<Vec<_>>()).ece_by_chance().limit;
        self.scores.ece > *self.limit.get_or_init(limit)
    }

    /// Whether this method is better than the one so far by more than chance: its calibration error is not greater, and
    /// its Brier score (`loss`) is lower by more than chance, or lower at all while the calibration error so far is beyond
    /// chance and its own is not.
    pub(super) fn improves(&self, current: &Self, loss: fn(&AssessedRow) -> f64) -> bool {
        if self.scores.ece > current.scores.ece {
            return false;
        }
        let pairs = current.rows.iter().zip(&self.rows);
        let (comparison, difference) = compare(pairs.map(|(current, own)| (loss(current), loss(own))));
        comparison == PairedOutcome::Better
            || (difference > 0.0 && current.is_beyond_chance() && !self.is_beyond_chance())
    }
}

/// The report of a method that was tried: what it calibrates the uncertainty and the probabilities by.
pub(super) fn candidate(
    method: &str,
    probabilities_method: &str,
    rows: usize,
    tried: Result<&TriedMethod, &FitError>,
) -> Candidate {
    let (scores, unusable) = match tried {
        Ok(tried) => (Some(tried.scores), None),
        Err(reason) => (None, Some(reason.to_string())),
    };
    let (method, probabilities_method) = (method.to_owned(), probabilities_method.to_owned());
    Candidate { method, probabilities_method, scores, rows, chosen: false, unusable }
}
