//! Uncertainty: compared with independent implementations, simulated against the exact distribution of coverage,
//! checked by properties; then as operators and callers see it.

mod check_findings;
mod faults;
mod fitting;
mod plots;
mod properties;
mod refused;
mod served_calibration;
mod simulation;
mod vectors;

use std::collections::BTreeMap;

use candor::domain::{
    json::JsonValue,
    uncertainty::{CalibrationDocument, CalibrationRule, CalibrationSource, FORMAT, Group, Groups, Quantiles, Report},
};

/// A calibration with this rule and an empty report.
fn calibration(rule: CalibrationRule) -> CalibrationDocument {
    let report = Report {
        fitted_rows: 0,
        confidence_rows: 0,
        conformal_rows: 0,
        before: None,
        after: None,
        candidates: Vec::new(),
        constant: None,
        error: None,
        values: Vec::new(),
        levels: Vec::new(),
        groups: Vec::new(),
    };
    let data = CalibrationSource { file: "rows.csv".into(), sha256: "sha256:0".into(), rows: 0, skipped: 0 };
    let created = "2026-11-21T00:00:00Z".to_owned();
    let (model_sha256, contract) = ("sha256:0".into(), BTreeMap::new());
    CalibrationDocument { format: FORMAT, model_sha256, contract, created, data, rule, report }
}

/// The quantiles of scores by group; group values are their indices.
fn numbered(scores: &[Vec<f64>]) -> Groups {
    let group = |(index, scores): (usize, &Vec<f64>)| Group {
        value: JsonValue::Number((index as u64).into()),
        quantiles: Quantiles::of(scores.clone()),
    };
    Groups { feature: "group".into(), groups: scores.iter().enumerate().map(group).collect() }
}
