//! Selects the calibration method by cross-fitting: each candidate is fitted to all folds but one and evaluated on that
//! fold, in turn.
//!
//! `auto` starts from the model's own probabilities and takes the candidates from the simplest to the most flexible. A
//! candidate replaces the method so far only if it is better by more than chance, on the Brier score and on the top-label
//! calibration error together. Otherwise a flexible method would be taken for a difference that is noise, and make new
//! rows worse.

use super::{
    assessed_row::{AssessedRow, ClassifierMaps},
    calibration_metrics::{brier, candidate_scores, uncertainty_brier},
    confidence_bins::ConfidenceBins,
    error::{CalibrationError, CalibrationErrors},
    method_choice::{FitError, MethodChoice, MethodPair},
    paired_test::{Comparison, compare},
    rows::ClassificationRows,
    split::folds,
};
use crate::domain::uncertainty::{Candidate, CandidateScores};

/// A fitted method with its evaluation.
pub(super) struct FittedMethod {
    pub(super) maps: ClassifierMaps,
    /// All candidates tried.
    pub(super) candidates: Vec<Candidate>,
    /// The chosen rows in their order, each assessed by a fit without its fold.
    pub(super) cross_fitted: Vec<AssessedRow>,
}

/// A method on its way through the selection.
struct Tried {
    method: MethodPair,
    scores: CandidateScores,
    rows: Vec<AssessedRow>,
}

impl Tried {
    /// Whether the calibration error is greater than a perfect calibration shows in 99 of 100 cases.
    fn is_beyond_chance(&self) -> bool {
        let by_chance = ConfidenceBins::new(&self.rows.iter().collect::<Vec<_>>()).ece_by_chance();
        self.scores.ece > by_chance.limit
    }
}

/// Selects and fits a method on the chosen rows, which must be in shuffled order.
pub(super) fn select_method(
    rows: &ClassificationRows,
    chosen: &[usize],
    choice: MethodChoice,
) -> Result<FittedMethod, CalibrationErrors> {
    let classes = rows.classes.len();
    if choice.two_classes_only() && classes != 2 {
        return Err(CalibrationError::TwoClassesOnly { method: choice.as_str(), classes }.into());
    }
    let own = cross_fit(rows, chosen, MethodPair::UNCALIBRATED).map_err(|reason| unusable(choice, &reason))?;
    let mut candidates = vec![candidate(MethodPair::UNCALIBRATED, Ok(&own))];
    let mut best = own;
    let methods = match choice {
        MethodChoice::Auto => MethodChoice::candidates(classes, chosen.len()),
        _ => &[choice],
    };
    for method in methods.iter().filter(|method| **method != MethodChoice::Uncalibrated) {
        let method = best.method.extended_by(*method);
        match cross_fit(rows, chosen, method) {
            Ok(tried) => {
                candidates.push(candidate(method, Ok(&tried)));
                let better = choice != MethodChoice::Auto || improves(&best, &tried);
                if better {
                    best = tried;
                }
            }
            Err(reason) if choice == MethodChoice::Auto => candidates.push(candidate(method, Err(reason))),
            Err(reason) => return Err(unusable(choice, &reason)),
        }
    }
    for tried in &mut candidates {
        tried.chosen = (tried.method.as_str(), tried.probabilities_method.as_str()) == best.method.names();
    }
    let maps = best.method.fit(rows, chosen).map_err(|reason| unusable(choice, &reason))?;
    Ok(FittedMethod { maps, candidates, cross_fitted: best.rows })
}

fn unusable(choice: MethodChoice, reason: &FitError) -> CalibrationErrors {
    CalibrationError::Unusable { method: choice.as_str().to_owned(), reason: reason.to_string() }.into()
}

fn candidate(method: MethodPair, tried: Result<&Tried, FitError>) -> Candidate {
    let (name, probabilities) = method.names();
    let (scores, unusable) = match tried {
        Ok(tried) => (Some(tried.scores), None),
        Err(reason) => (None, Some(reason.to_string())),
    };
    let (method, probabilities_method) = (name.to_owned(), probabilities.to_owned());
    Candidate { method, probabilities_method, scores, chosen: false, unusable }
}

/// Whether a candidate is better than the method so far by more than chance: its calibration error is not greater, and
/// its Brier score is lower by more than chance, or lower at all while the calibration error so far is beyond chance and
/// the candidate's is not. The score is that of what the candidate calibrates: the probabilities, or the uncertainty.
fn improves(current: &Tried, candidate: &Tried) -> bool {
    let loss = if candidate.method.confidence.is_some() { uncertainty_brier } else { brier };
    if candidate.scores.ece > current.scores.ece {
        return false;
    }
    let pairs = current.rows.iter().zip(&candidate.rows);
    let (comparison, difference) = compare(pairs.map(|(current, candidate)| (loss(current), loss(candidate))));
    comparison == Comparison::Better
        || (difference > 0.0 && current.is_beyond_chance() && !candidate.is_beyond_chance())
}

/// Assesses the chosen rows, each by a fit without its fold.
fn cross_fit(rows: &ClassificationRows, chosen: &[usize], method: MethodPair) -> Result<Tried, FitError> {
    let mut assessed: Vec<Option<AssessedRow>> = vec![None; chosen.len()];
    for (held, left) in folds(chosen.len()) {
        let left: Vec<usize> = left.into_iter().map(|position| chosen[position]).collect();
        let maps = method.fit(rows, &left)?;
        for position in held {
            assessed[position] = Some(maps.assess(rows, chosen[position]));
        }
    }
    let assessed: Vec<AssessedRow> = assessed.into_iter().flatten().collect();
    Ok(Tried { method, scores: candidate_scores(&assessed), rows: assessed })
}
