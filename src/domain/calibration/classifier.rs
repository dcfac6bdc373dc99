//! Calibration of a classifier: probabilities are fitted to one half of the rows, the quantiles of sets come from the
//! other.

use super::{
    MIN_CONFORMAL_ROWS, MIN_FITTED_ROWS,
    assessed_row::{AssessedRow, ClassifierMaps},
    calibration_metrics::{brier, probability_metrics, uncertainty_brier},
    confidence_selection::{FittedConfidence, select_confidence},
    conformal_fit::{ConformityScores, RowCoverage},
    error::{CalibrationError, CalibrationErrors},
    method_choice::MethodChoice,
    method_selection::{FittedProbabilities, select_probabilities},
    paired_test::{PairedOutcome, compare},
    rows::ClassificationRows,
    split::shuffled,
};
use crate::domain::uncertainty::{
    CalibrationRule, Candidate, CandidateScores, GroupReport, LevelReport, ProbabilityMetrics, Report, SetMethod, Sets,
    aps_score, aps_set, lac_score, lac_set,
};

/// Options set by the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ClassificationOptions {
    /// The calibration method.
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
    let chosen = select_probabilities(rows, fitting, options.method)?;
    let before: Vec<AssessedRow> = (0..rows.len()).map(|row| ClassifierMaps::UNCALIBRATED.assess(rows, row)).collect();
    let served: Vec<Vec<f64>> = (0..rows.len()).map(|row| chosen.map.apply(rows.scores(row)).0).collect();
    let confidence = select_confidence(out_of_sample(rows, &order, fitting, &chosen), options.method, chosen.method)?;
    let candidates = judged(&chosen, &confidence);
    let after = in_table_order(&order, confidence.rows);
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
    let (total_before, total_after) = (measure(&before, None), measure(&after, None));
    if options.method != MethodChoice::Auto && !options.force {
        refuse_worse(options.method, (&before, &total_before), (&after, &total_after))?;
    }
    let report = Report {
        fitted_rows: if options.method.fits_probabilities() { fitting.len() } else { 0 },
        confidence_rows: if confidence.candidates.len() > 1 { rows.len() } else { 0 },
        conformal_rows: conformal.len(),
        before: Some(total_before),
        after: Some(total_after),
        candidates,
        constant: Some(most_frequent(rows)),
        error: None,
        values: Vec::new(),
        levels,
        groups: groups.collect(),
    };
    let rule = CalibrationRule::Classification {
        classes: rows.classes.clone(),
        scores: rows.kind,
        probabilities: chosen.map,
        confidence: confidence.map.map(Box::new),
        sets,
    };
    Ok((rule, report))
}

/// Refuses a requested method that makes the answers worse: a calibration error and a Brier score that are both greater,
/// or a Brier score that is greater by more than chance.
fn refuse_worse(
    method: MethodChoice,
    (own_rows, own): (&[AssessedRow], &ProbabilityMetrics),
    (rows, metrics): (&[AssessedRow], &ProbabilityMetrics),
) -> Result<(), CalibrationError> {
    let is_worse = |loss: fn(&AssessedRow) -> f64| {
        let pairs = own_rows.iter().zip(rows).map(|(own, row)| (loss(own), loss(row)));
        let (comparison, difference) = compare(pairs);
        comparison == PairedOutcome::Worse || (difference < 0.0 && metrics.ece > own.ece)
    };
    if !is_worse(brier) && !is_worse(uncertainty_brier) {
        return Ok(());
    }
    let scores = |metrics: &ProbabilityMetrics| CandidateScores {
        uncertainty_brier: metrics.uncertainty_brier,
        brier: metrics.brier,
        log_loss: metrics.log_loss,
        ece: metrics.ece,
    };
    Err(CalibrationError::Worsens { method: method.as_str(), own: scores(own), forced: scores(metrics) })
}

/// The share of the most frequent class: the accuracy of always predicting it.
fn most_frequent(rows: &ClassificationRows) -> f64 {
    let mut counts = vec![0_usize; rows.classes.len()];
    for label in &rows.labels {
        counts[*label] += 1;
    }
    counts.into_iter().max().unwrap_or(0) as f64 / rows.len() as f64
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
    let fits = options.method.fits_probabilities();
    let (fitting, conformal) = match options.sets {
        // No probabilities are fitted, so every row can be used for the quantiles.
        Some(_) if !fits => (order, order),
        Some(_) => order.split_at(rows / 2),
        None => order.split_at(rows),
    };
    let (needed, purpose) = match (options.method, options.sets) {
        (MethodChoice::Uncalibrated, _) => (MIN_CONFORMAL_ROWS, "the calibration of a classifier"),
        (_, Some(_)) if fits => (2 * MIN_FITTED_ROWS, "fitting probabilities (which the method uncalibrated does not)"),
        _ if fits => (MIN_FITTED_ROWS, "fitting probabilities (which the method uncalibrated does not)"),
        _ => (MIN_FITTED_ROWS, "fitting a top-label method"),
    };
    if rows < needed {
        return Err(CalibrationError::TooFewRows { rows, needed, purpose });
    }
    Ok((fitting, conformal))
}

/// Every row in shuffled order, with the probabilities of a fit that did not see it.
fn out_of_sample(
    rows: &ClassificationRows,
    order: &[usize],
    fitting: &[usize],
    chosen: &FittedProbabilities,
) -> Vec<AssessedRow> {
    // The fitting rows are the first of the order.
    let maps = ClassifierMaps { probabilities: chosen.map.clone(), confidence: None };
    let rest = order[fitting.len()..].iter().map(|row| maps.assess(rows, *row));
    chosen.cross_fitted.iter().cloned().chain(rest).collect()
}

/// Puts rows in shuffled order back into the order of the table.
fn in_table_order(order: &[usize], shuffled: Vec<AssessedRow>) -> Vec<AssessedRow> {
    let mut rows: Vec<(usize, AssessedRow)> = order.iter().copied().zip(shuffled).collect();
    rows.sort_by_key(|(row, _)| *row);
    rows.into_iter().map(|(_, assessed)| assessed).collect()
}

/// The candidates of both selections, with the chosen ones marked. If no top-label method was tried, there is nothing to
/// tell of the second.
fn judged(chosen: &FittedProbabilities, confidence: &FittedConfidence) -> Vec<Candidate> {
    let mut candidates = chosen.candidates.clone();
    for candidate in &mut candidates {
        candidate.chosen = candidate.method == chosen.method.as_str();
    }
    if confidence.candidates.len() > 1 {
        let method = confidence.method.unwrap_or(chosen.method).as_str();
        let marked = |candidate: &Candidate| Candidate { chosen: candidate.method == method, ..candidate.clone() };
        candidates.extend(confidence.candidates.iter().map(marked));
    }
    candidates
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
