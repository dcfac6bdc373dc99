//! The held-out rows of a version: some of them calibrate, others are asked.

use std::collections::BTreeMap;

use candor::{
    authoring::HeldOut,
    domain::{
        calibration::{
            ClassificationRows, RegressionRows, RowGroups, ScaleSource, calibrate_classifier, calibrate_regressor,
        },
        uncertainty::{
            ApsRandomizer, AssessContext, CalibrationDocument, CalibrationSource, Calibrator, FORMAT, RegressionOutputs,
        },
    },
};

/// What the draws of APS are keyed with; any text would do.
const KEY: &str = "sha256:coverage";

/// The rows with what the version says of them.
pub(crate) struct Rows(pub(crate) HeldOut);

/// The set or the interval of a row.
pub(crate) struct Asked {
    /// Whether it holds the truth.
    pub(crate) covered: bool,
    /// The number of classes, or the width; `None` without a bound.
    pub(crate) size: Option<f64>,
}

impl Rows {
    /// The draws of APS are made anew, from the row's number: so a row can be asked without its features.
    pub(crate) fn new(mut rows: HeldOut) -> Self {
        if let HeldOut::Classification(rows, _) = &mut rows {
            let key = ApsRandomizer::new(KEY);
            rows.draws = (0..rows.labels.len()).map(|row| key.uniform(&row.to_string())).collect();
        }
        Self(rows)
    }

    pub(crate) fn len(&self) -> usize {
        match &self.0 {
            HeldOut::Classification(rows, _) => rows.labels.len(),
            HeldOut::Regression(rows, _) => rows.targets.len(),
        }
    }

    pub(crate) fn groups(&self) -> Option<&RowGroups> {
        match &self.0 {
            HeldOut::Classification(rows, _) => rows.groups.as_ref(),
            HeldOut::Regression(rows, _) => rows.groups.as_ref(),
        }
    }

    /// Calibrates by some of the rows, with quantiles by group or without.
    pub(crate) fn calibrate(&self, chosen: &[usize], grouped: bool) -> CalibrationDocument {
        let groups = self.groups().filter(|_| grouped).map(|groups| RowGroups {
            of_row: chosen.iter().map(|row| groups.of_row[*row]).collect(),
            ..groups.clone()
        });
        let pick = |column: &[f64]| -> Vec<f64> { chosen.iter().map(|row| column[*row]).collect() };
        let made = match &self.0 {
            HeldOut::Classification(rows, options) => {
                let part = ClassificationRows {
                    classes: rows.classes.clone(),
                    kind: rows.kind,
                    decision: rows.decision,
                    element: rows.element,
                    scores: chosen.iter().flat_map(|row| rows.scores(*row).values.to_vec()).collect(),
                    labels: chosen.iter().map(|row| rows.labels[*row]).collect(),
                    draws: pick(&rows.draws),
                    groups,
                };
                calibrate_classifier(&part, *options)
            }
            HeldOut::Regression(rows, options) => {
                let spread = match &rows.spread {
                    ScaleSource::None => ScaleSource::None,
                    ScaleSource::Sigma(column) => ScaleSource::Sigma(pick(column)),
                    ScaleSource::Members(column) => ScaleSource::Members(pick(column)),
                    ScaleSource::Quantiles { levels, lower, upper } => {
                        ScaleSource::Quantiles { levels: *levels, lower: pick(lower), upper: pick(upper) }
                    }
                };
                let (values, targets) = (pick(&rows.values), pick(&rows.targets));
                calibrate_regressor(&RegressionRows { values, targets, spread, groups }, *options)
            }
        };
        let (rule, report) = made.unwrap_or_else(|faults| panic!("{faults}"));
        let data = CalibrationSource { file: String::new(), sha256: String::new(), rows: chosen.len(), skipped: 0 };
        let (model_sha256, contract, created) = (KEY.to_owned(), BTreeMap::new(), String::new());
        CalibrationDocument { format: FORMAT, model_sha256, contract, created, data, rule, report }
    }

    /// Asks for the set or the interval of a row.
    pub(crate) fn ask(&self, row: usize, calibrator: &Calibrator) -> Asked {
        let group = self.groups().map(|groups| groups.of_row[row]);
        let of = AssessContext { group, features_hash: &row.to_string() };
        match &self.0 {
            HeldOut::Classification(rows, _) => {
                let set = calibrator.classify(rows.scores(row), of).and_then(|found| found.set).expect("a set");
                // A set of all classes is what an infinite quantile gives, too; that one is told by its level.
                Asked { covered: set.contains(&rows.labels[row]), size: Some(real(set.len())) }
            }
            HeldOut::Regression(rows, _) => {
                let found = calibrator.regress(measured(rows, row), of).expect("an interval");
                let covered = found.ends.is_none_or(|(low, high)| (low..=high).contains(&rows.targets[row]));
                Asked { covered, size: found.ends.map(|(low, high)| high - low) }
            }
        }
    }
}

fn measured(rows: &RegressionRows, row: usize) -> RegressionOutputs {
    let value = RegressionOutputs { value: rows.values[row], ..RegressionOutputs::default() };
    match &rows.spread {
        ScaleSource::None => value,
        ScaleSource::Sigma(column) => RegressionOutputs { sigma: Some(column[row]), ..value },
        ScaleSource::Members(column) => RegressionOutputs { spread: Some(column[row]), ..value },
        ScaleSource::Quantiles { lower, upper, .. } => {
            RegressionOutputs { band: Some((lower[row], upper[row])), ..value }
        }
    }
}

pub(crate) fn real(count: usize) -> f64 {
    count as f64
}
