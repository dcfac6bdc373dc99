//! Selects the calibration method of the probabilities by cross-fitting: each candidate is fitted to all folds but one and
//! evaluated on that fold, in turn.
//!
//! `auto` starts from the model's own probabilities and takes the candidates from the simplest to the most flexible. A
//! candidate replaces the method so far only if it is better by more than chance ([`TriedMethod::improves`]). Otherwise a
//! flexible method would be taken for a difference that is noise, and make new rows worse.

use super::{
    assessed_row::{AssessedRow, ClassifierMaps},
    calibration_metrics::brier,
    error::{CalibrationError, CalibrationErrors},
    method_choice::{FitError, MethodChoice, fit_probabilities},
    rows::ClassificationRows,
    split::folds,
    tried_method::{TriedMethod, candidate},
};
use crate::domain::uncertainty::{Candidate, ProbabilityMap};

/// The fitted method of the probabilities, with its evaluation.
pub(super) struct FittedProbabilities {
    pub(super) method: MethodChoice,
    pub(super) map: ProbabilityMap,
    /// All candidates tried.
    pub(super) candidates: Vec<Candidate>,
    /// The chosen rows in their order, each assessed by a fit without its fold.
    pub(super) cross_fitted: Vec<AssessedRow>,
}

/// Selects and fits a method on the chosen rows, which must be in shuffled order.
pub(super) fn select_probabilities(
    rows: &ClassificationRows,
    chosen: &[usize],
    choice: MethodChoice,
) -> Result<FittedProbabilities, CalibrationErrors> {
    let classes = rows.classes.len();
    if choice.two_classes_only() && classes != 2 {
        return Err(CalibrationError::TwoClassesOnly { method: choice.as_str(), classes }.into());
    }
    let unusable = |reason: &FitError| -> CalibrationErrors {
        CalibrationError::Unusable { method: choice.as_str().to_owned(), reason: reason.to_string() }.into()
    };
    let uncalibrated = MethodChoice::Uncalibrated;
    let mut best = (uncalibrated, cross_fit(rows, chosen, uncalibrated).map_err(|reason| unusable(&reason))?);
    let mut candidates = vec![candidate(uncalibrated.as_str(), uncalibrated.as_str(), chosen.len(), Ok(&best.1))];
    for method in choice.probability_candidates(classes, chosen.len()) {
        let tried = cross_fit(rows, chosen, *method);
        candidates.push(candidate(method.as_str(), method.as_str(), chosen.len(), tried.as_ref()));
        match tried {
            Ok(tried) if choice != MethodChoice::Auto || tried.improves(&best.1, brier) => best = (*method, tried),
            Err(reason) if choice != MethodChoice::Auto => return Err(unusable(&reason)),
            _ => {}
        }
    }
    let map = fit_probabilities(best.0, rows, chosen).map_err(|reason| unusable(&reason))?;
    Ok(FittedProbabilities { method: best.0, map, candidates, cross_fitted: best.1.rows })
}

/// Assesses the chosen rows, each by a fit without its fold.
fn cross_fit(rows: &ClassificationRows, chosen: &[usize], method: MethodChoice) -> Result<TriedMethod, FitError> {
    let mut assessed: Vec<Option<AssessedRow>> = vec![None; chosen.len()];
    for (held, left) in folds(chosen.len()) {
        let left: Vec<usize> = left.into_iter().map(|position| chosen[position]).collect();
        let maps = ClassifierMaps { probabilities: fit_probabilities(method, rows, &left)?, confidence: None };
        for position in held {
            assessed[position] = Some(maps.assess(rows, chosen[position]));
        }
    }
    Ok(TriedMethod::new(assessed.into_iter().flatten().collect()))
}
