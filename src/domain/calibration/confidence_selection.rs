//! Selects a top-label method, by the same rule as the method of the probabilities.
//!
//! All rows are used, also those that give the quantiles of the sets: sets depend on the probabilities alone, so a map from
//! the confidence to `uncertainty` leaves their coverage as it is.

use super::{
    assessed_row::AssessedRow,
    calibration_metrics::uncertainty_brier,
    error::{CalibrationError, CalibrationErrors},
    method_choice::{FitError, MethodChoice, fit_confidence},
    split::folds,
    tried_method::{TriedMethod, candidate},
};
use crate::domain::uncertainty::{Candidate, ConfidenceMap};

/// The fitted top-label method, if one was chosen, with its evaluation.
pub(super) struct FittedConfidence {
    pub(super) method: Option<MethodChoice>,
    pub(super) map: Option<ConfidenceMap>,
    /// The confidence without a top-label method, and all candidates tried.
    pub(super) candidates: Vec<Candidate>,
    /// The rows in their order, each assessed by a fit without its fold.
    pub(super) rows: Vec<AssessedRow>,
}

/// Selects and fits a method on rows in shuffled order, each with the confidence of a fit that did not see it.
pub(super) fn select_confidence(
    rows: Vec<AssessedRow>,
    choice: MethodChoice,
    probabilities_method: MethodChoice,
) -> Result<FittedConfidence, CalibrationErrors> {
    let base: Vec<(f64, bool)> = rows.iter().map(|row| (row.confidence, row.right)).collect();
    let methods = choice.confidence_candidates(rows.len());
    let mut best: (Option<MethodChoice>, TriedMethod) = (None, TriedMethod::new(rows));
    let (count, name) = (base.len(), probabilities_method.as_str());
    let mut candidates = vec![candidate(name, name, count, Ok(&best.1))];
    for method in methods {
        let tried = cross_fit(&base, &best.1.rows, *method);
        candidates.push(candidate(method.as_str(), name, count, tried.as_ref()));
        match tried {
            Ok(tried) if choice != MethodChoice::Auto || tried.improves(&best.1, uncertainty_brier) => {
                best = (Some(*method), tried);
            }
            Err(reason) if choice != MethodChoice::Auto => {
                let (method, reason) = (choice.as_str().to_owned(), reason.to_string());
                return Err(CalibrationError::Unusable { method, reason }.into());
            }
            _ => {}
        }
    }
    // It was fitted to folds of these rows.
    let map = best.0.and_then(|method| fit_confidence(method, base.into_iter()).ok());
    Ok(FittedConfidence { method: best.0, map, candidates, rows: best.1.rows })
}

/// Assesses the rows, each by a fit without its fold. `base` are their confidences before, and whether they are right.
fn cross_fit(base: &[(f64, bool)], rows: &[AssessedRow], method: MethodChoice) -> Result<TriedMethod, FitError> {
    let mut assessed = rows.to_vec();
    for (held, left) in folds(base.len()) {
        let map = fit_confidence(method, left.iter().map(|position| base[*position]))?;
        for position in held {
            assessed[position].confidence = map.apply(base[position].0).0;
        }
    }
    Ok(TriedMethod::new(assessed))
}
