//! Measures the answers of a version on rows that had no part in its calibration: whether its uncertainty and its coverage
//! still hold.

use std::path::{Path, PathBuf};

use super::{
    collect_rows::{check_target, run_rows},
    targets::Targets,
    training_data::{refuse_training_data, trained_on},
};
use crate::{
    authoring::{answers::answers, error::AuthoringError, locate_version},
    dataset::{ReadOptions, Table},
    domain::{
        calibration::{calibration_error, coverage_band},
        prediction::{Outcome, Prediction},
        uncertainty::{CalibrationDocument, CalibrationRule, Coverage, EceByChance, ProbabilityMap},
    },
    repository::{Loader, VerifiedVersion},
};

/// The options of `evaluate`.
#[derive(Debug, Clone, Default)]
pub struct EvaluateOptions {
    /// The name of the target column.
    pub target: Option<String>,
    /// Options for reading the table.
    pub reading: ReadOptions,
    /// Whether to leave out rows that cannot be used.
    pub skip_invalid: bool,
}

/// How the answers of a version compare with the truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Evaluation {
    /// The directory of the version.
    pub directory: PathBuf,
    /// The number of rows.
    pub rows: usize,
    /// The number of rows left out because they could not be used.
    pub skipped: u64,
    /// Classification: the top-label ECE, and that of a right calibration: its mean, and what it does not exceed in 99 of
    /// 100 cases. Both allow for the error of a calibration that was itself fitted to a number of rows.
    pub ece: Option<(f64, EceByChance)>,
    /// The coverage of sets or intervals, if it is claimed.
    pub coverage: Option<MeasuredCoverage>,
}

/// The measured coverage of sets or intervals.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MeasuredCoverage {
    /// The coverage claimed.
    pub claimed: Coverage,
    /// The share of rows covered.
    pub share: f64,
    /// The shares in which 99 of 100 such counts lie; `None` if there is no bound.
    pub band: Option<(f64, f64)>,
}

impl Evaluation {
    /// Whether the uncertainty is right within chance.
    pub fn is_calibrated(&self) -> bool {
        self.ece.is_none_or(|(ece, by_chance)| ece <= by_chance.limit)
    }

    /// Whether the coverage is at least what chance allows. A greater one makes sets and intervals larger than necessary,
    /// but breaks no promise.
    pub fn is_covered(&self) -> bool {
        self.coverage.and_then(|found| Some(found.share >= found.band?.0)).unwrap_or(true)
    }
}

/// Measures the answers of the version in a directory on the rows of a table.
///
/// # Errors
/// Returns [`AuthoringError`] if the version does not load, the rows cannot be used, or there is nothing to measure.
pub fn evaluate(
    loader: &Loader,
    place: &Path,
    data: &Path,
    options: &EvaluateOptions,
    seen: &mut dyn FnMut(u64),
) -> Result<Evaluation, AuthoringError> {
    let directory = locate_version::version_directory(place)?;
    let mut prepared = locate_version::load(loader, &directory)?;
    let table = Table::open(data, &options.reading)?;
    check_target(&table, options.target.as_deref())?;
    let sha256 = table.sha256()?;
    refuse_training_data(&table, trained_on(&prepared, &sha256))?;
    if let Some(calibrated) = &prepared.calibrated
        && calibrated.calibration.data.sha256 == format!("sha256:{sha256}")
    {
        let detail = "is the table that calibration.json was made from: only other rows can judge it".to_owned();
        return Err(table.table_error(detail).into());
    }
    let graph = prepared.graph().to_path_buf();
    let mut found: Vec<Prediction> = Vec::new();
    let target = options.target.as_deref().unwrap_or_default();
    let truths =
        run_rows(&mut prepared, &table, (target, options.skip_invalid), seen, &mut |prepared, waiting| {
            for (place, inputs) in waiting.drain(..) {
                let answer = answers(prepared, &[&inputs]).remove(0);
                found.push(answer.map_err(|detail| AuthoringError::Run {
                    path: graph.clone(),
                    detail: format!("{place}: {detail}"),
                })?);
            }
            Ok(())
        })?;
    let Some((ece, coverage)) = measure(&prepared, &found, &truths) else {
        let detail =
            "its answers claim neither an uncertainty of a class nor an interval, so there is nothing to check";
        return Err(AuthoringError::NeedsDecision(format!("{}: {detail}", directory.display())));
    };
    Ok(Evaluation { directory, rows: found.len(), skipped: truths.invalid.count(), ece, coverage })
}

type Measures = (Option<(f64, EceByChance)>, Option<MeasuredCoverage>);

/// Compares the answers with the truth; `None` if they claim nothing.
fn measure(prepared: &VerifiedVersion, answers: &[Prediction], truths: &Targets) -> Option<Measures> {
    let classes: Vec<(f64, bool)> = answers
        .iter()
        .zip(&truths.labels)
        .filter_map(|(answer, label)| match &answer.outcome {
            Outcome::Classification { class, .. } => {
                Some((1.0 - answer.assessment.uncertainty?.as_f64(), class == label))
            }
            _ => None,
        })
        .collect();
    let widening = prepared.calibrated.as_ref().map_or(1.0, |made| widening(&made.calibration, answers.len()));
    let ece = (!classes.is_empty()).then(|| calibration_error(&classes)).map(|(ece, by_chance)| {
        (ece, EceByChance { mean: by_chance.mean * widening, limit: by_chance.limit * widening })
    });
    let claimed = prepared.calibrated.as_ref().and_then(|calibrated| calibrated.calibrator.claimed_coverage());
    let coverage = claimed.map(|claimed| {
        let covered = answers.iter().enumerate().filter(|(row, answer)| covers(answer, truths, *row)).count();
        let calibrated = prepared.calibrated.as_ref().map_or(0, |made| made.calibration.report.conformal_rows);
        let band = coverage_band(claimed, calibrated, answers.len());
        MeasuredCoverage { claimed, share: covered as f64 / answers.len() as f64, band }
    });
    (ece.is_some() || coverage.is_some()).then_some((ece, coverage))
}

/// How much a fitted calibration widens what chance allows on new rows: the errors of the fit and of the rows add up, as
/// for two samples.
fn widening(calibration: &CalibrationDocument, rows: usize) -> f64 {
    let report = &calibration.report;
    let fitted = match &calibration.rule {
        CalibrationRule::Classification { confidence: Some(_), .. } => report.confidence_rows,
        CalibrationRule::Classification { probabilities: ProbabilityMap::Uncalibrated, .. } => return 1.0,
        _ => report.fitted_rows,
    };
    (1.0 + rows as f64 / fitted.max(1) as f64).sqrt()
}

/// Whether the set or the interval of an answer contains the truth. One without a bound contains everything.
fn covers(answer: &Prediction, truths: &Targets, row: usize) -> bool {
    let assessment = &answer.assessment;
    match (&assessment.prediction_set, assessment.interval) {
        (Some(set), _) => truths.labels.get(row).is_some_and(|label| set.contains(label)),
        (None, Some((low, high))) => {
            truths.numbers.get(row).is_some_and(|value| (low.as_f64()..=high.as_f64()).contains(value))
        }
        (None, None) => true,
    }
}
