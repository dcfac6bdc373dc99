//! Calibration of a classifier: probabilities are fitted to one half of the rows, the quantiles of sets come from the
//! other.

use super::{
    MIN_CONFORMAL_ROWS, MIN_FITTED_ROWS,
    assessed_row::{AssessedRow, ClassifierMaps},
    calibration_metrics::probability_metrics,
    conformal_fit::{ConformityScores, RowCoverage},
    error::{CalibrationError, CalibrationErrors},
    method_choice::MethodChoice,
    method_selection::{FittedMethod, select_method},
    rows::ClassificationRows,
    split::shuffled,
};
use crate::domain::uncertainty::{
    CalibrationRule, GroupReport, LevelReport, Report, SetMethod, Sets, aps_score, aps_set, lac_score, lac_set,
};

/// Options set by the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassificationOptions {
    /// The calibration method of the probabilities.
    pub method: MethodChoice,
    /// The method of prediction sets; `None` for no sets.
    pub sets: Option<SetMethod>,
    /// Whether to use a method although it makes the answers worse.
    pub force: bool,
}

impl Default for ClassificationOptions {
    fn default() -> Self {
        Self { method: MethodChoice::Auto, sets: Some(SetMethod::Lac), force: false }
    }
}

/// Calibrates a classifier on held-out rows.
///
/// # Errors
/// Returns [`CalibrationErrors`] with everything that prevents a calibration from these rows.
pub fn calibrate_classifier(
    rows: &ClassificationRows,
    options: ClassificationOptions,
) -> Result<(CalibrationRule, Report), CalibrationErrors> {
    check(rows, options)?;
    let order = shuffled(rows.len());
    let (fitting, conformal) = split(&order, options)?;
    let chosen = select_method(rows, fitting, options.method, options.force)?;
    let before: Vec<AssessedRow> = (0..rows.len()).map(|row| ClassifierMaps::UNCALIBRATED.assess(rows, row)).collect();
    let after = out_of_sample(rows, fitting, &chosen);
    let served: Vec<Vec<f64>> =
        (0..rows.len()).map(|row| chosen.maps.probabilities.apply(rows.scores(row)).0).collect();
    let (sets, levels, by_group) = match options.sets {
        Some(method) => conform(rows, conformal, &served, method)?,
        None => (None, Vec::new(), Vec::new()),
    };
    let measure = |assessed: &[AssessedRow], group: Option<usize>| {
        let inside = |row: &usize| group.is_none_or(|group| group_of(rows, *row) == Some(group));
        probability_metrics(&(0..rows.len()).filter(inside).map(|row| &assessed[row]).collect::<Vec<_>>())
    };
    let groups = rows.groups.iter().flat_map(|groups| groups.values.iter().enumerate()).map(|(group, value)| {
        let count = (0..rows.len()).filter(|row| group_of(rows, *row) == Some(group)).count();
        let some = |assessed: &[AssessedRow]| (count > 0).then(|| measure(assessed, Some(group)));
        let levels = by_group.get(group).cloned().unwrap_or_default();
        let (before, after) = (some(&before), some(&after));
        GroupReport { value: value.clone(), rows: count, before, after, error: None, levels }
    });
    let fitted = options.method != MethodChoice::Uncalibrated;
    let report = Report {
        fitted_rows: if fitted { fitting.len() } else { 0 },
        conformal_rows: conformal.len(),
        before: Some(measure(&before, None)),
        after: Some(measure(&after, None)),
        candidates: chosen.candidates,
        error: None,
        values: Vec::new(),
        levels,
        groups: groups.collect(),
    };
    let rule = CalibrationRule::Classification {
        classes: rows.classes.clone(),
        scores: rows.kind,
        probabilities: chosen.maps.probabilities,
        confidence: chosen.maps.confidence.map(Box::new),
        sets,
    };
    Ok((rule, report))
}

fn check(rows: &ClassificationRows, options: ClassificationOptions) -> Result<(), CalibrationErrors> {
    rows.check()?;
    if options.sets == Some(SetMethod::Aps) {
        if rows.groups.is_some() {
            return Err(CalibrationError::GroupsNeedLac.into());
        }
        if rows.draws.len() != rows.len() {
            return Err(CalibrationError::Lengths { what: "draws", found: rows.draws.len(), rows: rows.len() }.into());
        }
    }
    Ok(())
}

fn group_of(rows: &ClassificationRows, row: usize) -> Option<usize> {
    rows.groups.as_ref().map(|groups| groups.of_row[row])
}

/// Splits the rows into those that choose and fit the probabilities and those that give the quantiles.
fn split(order: &[usize], options: ClassificationOptions) -> Result<(&[usize], &[usize]), CalibrationError> {
    let rows = order.len();
    let (fitting, conformal) = match (options.method, options.sets) {
        // Nothing is fitted, so every row can be used for the quantiles.
        (MethodChoice::Uncalibrated, Some(_)) => (order, order),
        (_, None) => order.split_at(rows),
        (_, Some(_)) => order.split_at(rows / 2),
    };
    let needed = match (options.method, options.sets) {
        (MethodChoice::Uncalibrated, _) => MIN_CONFORMAL_ROWS,
        (_, None) => MIN_FITTED_ROWS,
        (_, Some(_)) => 2 * MIN_FITTED_ROWS,
    };
    let purpose = match options.method {
        MethodChoice::Uncalibrated => "the calibration of a classifier",
        _ => "fitting probabilities (which the method uncalibrated does not)",
    };
    if rows < needed {
        return Err(CalibrationError::TooFewRows { rows, needed, purpose });
    }
    Ok((fitting, conformal))
}

/// Every row, assessed by a fit that did not see it.
fn out_of_sample(rows: &ClassificationRows, fitting: &[usize], chosen: &FittedMethod) -> Vec<AssessedRow> {
    let mut assessed: Vec<Option<AssessedRow>> = vec![None; rows.len()];
    for (row, cross_fitted) in fitting.iter().zip(&chosen.cross_fitted) {
        assessed[*row] = Some(cross_fitted.clone());
    }
    let rest =
        |(row, assessed): (usize, Option<AssessedRow>)| assessed.unwrap_or_else(|| chosen.maps.assess(rows, row));
    assessed.into_iter().enumerate().map(rest).collect()
}

type Conformed = (Option<Sets>, Vec<LevelReport>, Vec<Vec<LevelReport>>);

/// The quantiles of the sets, and their measured coverage.
fn conform(
    rows: &ClassificationRows,
    conformal: &[usize],
    served: &[Vec<f64>],
    method: SetMethod,
) -> Result<Conformed, CalibrationError> {
    let score = |row: &usize| match method {
        SetMethod::Lac => lac_score(&served[*row], rows.labels[*row]),
        SetMethod::Aps => aps_score(&served[*row], rows.draws[*row], rows.labels[*row]),
    };
    let scored = ConformityScores {
        rows: conformal,
        scores: conformal.iter().map(score).collect(),
        groups: rows.groups.as_ref(),
    };
    scored.check()?;
    let (levels, by_group) = scored.measure(|row, quantile| {
        let set = match method {
            SetMethod::Lac => lac_set(&served[row], quantile),
            SetMethod::Aps => aps_set(&served[row], rows.draws[row], quantile),
        };
        let size = quantile.is_finite().then_some(count(set.len()));
        RowCoverage { covered: set.contains(&rows.labels[row]), size }
    });
    Ok((Some(Sets { method, quantiles: scored.quantiles(), groups: scored.groups() }), levels, by_group))
}

fn count(classes: usize) -> f64 {
    classes as f64
}
