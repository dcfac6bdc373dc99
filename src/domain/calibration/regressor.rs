//! Calibration of a regression: the quantiles of its intervals. Nothing is fitted, so every row contributes to the
//! quantiles.
//!
//! The kind of interval depends only on which outputs the model has, never on the resulting widths: choosing it by the
//! same rows would break the coverage guarantee.

use super::{
    MIN_CONFORMAL_ROWS,
    conformal_fit::{ConformityScores, RowCoverage},
    error::{CalibrationError, CalibrationErrors},
    rows::{RegressionRows, ScaleSource},
    split::shuffled,
};
use crate::domain::uncertainty::{CalibrationRule, GroupReport, Intervals, PointError, Report, Scale};

/// Options set by the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RegressionOptions {
    /// Use split conformal even if the model has outputs beyond its value.
    pub force_split_conformal: bool,
}

/// Calibrates a regression on held-out rows: by its quantiles if the rows have them, else by its standard deviation or
/// that of its members, else by the value alone.
///
/// # Errors
/// Returns [`CalibrationErrors`] with everything that prevents a calibration from these rows.
pub fn calibrate_regressor(
    rows: &RegressionRows,
    options: RegressionOptions,
) -> Result<(CalibrationRule, Report), CalibrationErrors> {
    let count = rows.targets.len();
    if count < MIN_CONFORMAL_ROWS {
        let purpose = "the calibration of a regression";
        return Err(CalibrationError::TooFewRows { rows: count, needed: MIN_CONFORMAL_ROWS, purpose }.into());
    }
    rows.check()?;
    let intervals = match &rows.spread {
        ScaleSource::None => Intervals::SplitConformal,
        _ if options.force_split_conformal => Intervals::SplitConformal,
        ScaleSource::Sigma(_) => Intervals::NormalizedConformal { scale: Scale::Sigma },
        ScaleSource::Members(_) => Intervals::NormalizedConformal { scale: Scale::Members },
        ScaleSource::Quantiles { levels: (lower, upper), .. } => Intervals::Cqr { lower: *lower, upper: *upper },
    };
    let order = shuffled(count);
    let score = |row: &usize| intervals.score(rows.measured(*row), rows.targets[*row]);
    let scored =
        ConformityScores { rows: &order, scores: order.iter().map(score).collect(), groups: rows.groups.as_ref() };
    scored.check()?;
    let (levels, by_group) = scored.measure(|row, quantile| match intervals.ends(rows.measured(row), quantile) {
        Some((low, high)) => RowCoverage { covered: (low..=high).contains(&rows.targets[row]), size: Some(high - low) },
        None => RowCoverage { covered: true, size: None },
    });
    let groups = rows.groups.iter().flat_map(|groups| {
        let report = |(group, value): (usize, &crate::domain::json::JsonValue)| {
            let own: Vec<usize> = (0..count).filter(|row| groups.of_row[*row] == group).collect();
            let error = (!own.is_empty()).then(|| point_error(rows, &own));
            let levels = by_group[group].clone();
            GroupReport { value: value.clone(), rows: own.len(), before: None, after: None, error, levels }
        };
        groups.values.iter().enumerate().map(report)
    });
    let report = Report {
        fitted_rows: 0,
        confidence_rows: 0,
        conformal_rows: count,
        before: None,
        after: None,
        candidates: Vec::new(),
        constant: constant_error(&rows.targets),
        error: Some(point_error(rows, &order)),
        values: deciles(&rows.values),
        levels,
        groups: groups.collect(),
    };
    Ok((CalibrationRule::Regression { intervals, quantiles: scored.quantiles(), groups: scored.groups() }, report))
}

/// The minimum, deciles and maximum of some values. `values` must not be empty.
fn deciles(values: &[f64]) -> Vec<f64> {
    const QUANTILE_BINS: usize = 10;
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    (0..=QUANTILE_BINS).map(|part| sorted[part * (sorted.len() - 1) / QUANTILE_BINS]).collect()
}

/// The root mean square error of always predicting the mean of the target.
fn constant_error(targets: &[f64]) -> Option<f64> {
    let mean = targets.iter().sum::<f64>() / targets.len() as f64;
    let error = (targets.iter().map(|target| (target - mean).powi(2)).sum::<f64>() / targets.len() as f64).sqrt();
    error.is_finite().then_some(error)
}

fn point_error(rows: &RegressionRows, chosen: &[usize]) -> PointError {
    let errors = || chosen.iter().map(|row| rows.targets[*row] - rows.values[*row]);
    let count = chosen.len() as f64;
    PointError {
        mean_absolute: errors().map(f64::abs).sum::<f64>() / count,
        root_mean_square: (errors().map(|error| error * error).sum::<f64>() / count).sqrt(),
    }
}
