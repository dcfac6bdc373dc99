//! The calibration of a regression: the quantiles of its intervals. Nothing is fitted, so every row gives quantiles.
//!
//! Which intervals are made follows from what the model says, never from how wide they came out: a choice by the same
//! rows would spoil the guarantee.

use super::{
    LEAST_CONFORMAL_ROWS,
    conform::{Outcome, Scored},
    fault::{Fault, Faults},
    rows::{RegressionRows, Spread},
    shuffle::shuffled,
};
use crate::domain::uncertainty::{GroupReport, Intervals, PointError, Report, Rule, Scale};

/// What a person can choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RegressionOptions {
    /// Split conformal, also where the model says more than a value.
    pub plain: bool,
}

/// Calibrates a regression on held-out rows: by its quantiles where the rows have them, by its deviation or that of its
/// members, else by the value alone.
///
/// # Errors
/// [`Faults`]: everything that keeps these rows from making a calibration.
pub fn regression(rows: &RegressionRows, options: RegressionOptions) -> Result<(Rule, Report), Faults> {
    let count = rows.targets.len();
    if count < LEAST_CONFORMAL_ROWS {
        let purpose = "the calibration of a regression";
        return Err(Fault::TooFewRows { rows: count, needed: LEAST_CONFORMAL_ROWS, purpose }.into());
    }
    rows.check()?;
    let intervals = match &rows.spread {
        Spread::None => Intervals::SplitConformal,
        _ if options.plain => Intervals::SplitConformal,
        Spread::Sigma(_) => Intervals::NormalizedConformal { scale: Scale::Sigma },
        Spread::Members(_) => Intervals::NormalizedConformal { scale: Scale::Members },
        Spread::Quantiles { levels: (lower, upper), .. } => Intervals::Cqr { lower: *lower, upper: *upper },
    };
    let order = shuffled(count);
    let score = |row: &usize| intervals.score(rows.measured(*row), rows.targets[*row]);
    let scored = Scored { rows: &order, scores: order.iter().map(score).collect(), groups: rows.groups.as_ref() };
    scored.check()?;
    let (levels, by_group) = scored.measure(|row, quantile| match intervals.ends(rows.measured(row), quantile) {
        Some((low, high)) => Outcome { covered: (low..=high).contains(&rows.targets[row]), size: Some(high - low) },
        None => Outcome { covered: true, size: None },
    });
    let groups = rows.groups.iter().flat_map(|groups| {
        let report = |(group, value): (usize, &crate::domain::contract::Literal)| {
            let own: Vec<usize> = (0..count).filter(|row| groups.of_row[*row] == group).collect();
            let error = (!own.is_empty()).then(|| point_error(rows, &own));
            let levels = by_group[group].clone();
            GroupReport { value: value.clone(), rows: own.len(), before: None, after: None, error, levels }
        };
        groups.values.iter().enumerate().map(report)
    });
    let report = Report {
        fitted_rows: 0,
        conformal_rows: count,
        before: None,
        after: None,
        candidates: Vec::new(),
        error: Some(point_error(rows, &order)),
        values: deciles(&rows.values),
        levels,
        groups: groups.collect(),
    };
    Ok((Rule::Regression { intervals, quantiles: scored.quantiles(), groups: scored.groups() }, report))
}

/// The least, the deciles and the greatest of some values. At least one value.
fn deciles(values: &[f64]) -> Vec<f64> {
    const PARTS: usize = 10;
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    (0..=PARTS).map(|part| sorted[part * (sorted.len() - 1) / PARTS]).collect()
}

#[expect(clippy::cast_precision_loss, reason = "far fewer rows than 2^53")]
fn point_error(rows: &RegressionRows, chosen: &[usize]) -> PointError {
    let errors = || chosen.iter().map(|row| rows.targets[*row] - rows.values[*row]);
    let count = chosen.len() as f64;
    PointError {
        mean_absolute: errors().map(f64::abs).sum::<f64>() / count,
        root_mean_square: (errors().map(|error| error * error).sum::<f64>() / count).sqrt(),
    }
}
