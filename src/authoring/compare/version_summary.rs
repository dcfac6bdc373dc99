//! What is known of a version besides its predictions: provenance, calibration, cost.

use std::path::Path;

use serde::Serialize;

use crate::{
    domain::{contract::OutputPlan, uncertainty::Coverage},
    repository::{Provenance, VerifiedVersion},
    runtime::Probe,
};

/// Where the uncertainty of a version comes from.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ServedUncertainty {
    /// The method, as in responses.
    pub method: &'static str,
    /// The coverage of sets or intervals, if any is claimed.
    pub coverage: Option<f64>,
    /// The number of rows of the calibration.
    pub rows: usize,
    /// The file of the rows.
    pub file: String,
}

/// One of the two versions.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedVersion {
    /// Its name.
    pub version: String,
    /// Its directory.
    pub directory: String,
    /// The digest of model.onnx.
    pub model_sha256: String,
    /// The content of version.json.
    pub provenance: Provenance,
    /// How the class is chosen; `None` unless the task is classification.
    pub decision: Option<String>,
    /// The calibration, if there is one.
    pub calibration: Option<ServedUncertainty>,
    /// The number of golden cases.
    pub golden_cases: usize,
    /// The number of rows of the training data, by profile.json.
    pub profile_rows: Option<u64>,
    /// The median milliseconds of a row that runs alone, on this machine.
    pub row_ms: Option<f64>,
    /// The milliseconds of a row in the largest batch that was measured.
    pub batched_row_ms: Option<f64>,
}

impl ComparedVersion {
    pub(super) fn of(prepared: &VerifiedVersion, directory: &Path) -> Self {
        let decision = match &prepared.contract.output {
            OutputPlan::Classification { classes, decision, .. } => Some(decision.describe(classes)),
            _ => None,
        };
        let calibration = prepared.calibrated.as_ref().map(|calibrated| ServedUncertainty {
            method: calibrated.calibrator.method(),
            coverage: calibrated.calibrator.claimed_coverage().map(Coverage::as_f64),
            rows: calibrated.calibration.data.rows,
            file: calibrated.calibration.data.file.clone(),
        });
        let (row_ms, batched_row_ms) = costs(&prepared.probe);
        Self {
            version: prepared.version.to_string(),
            directory: directory.display().to_string(),
            model_sha256: prepared.model_sha256(),
            provenance: prepared.provenance().clone(),
            decision,
            calibration,
            golden_cases: prepared.golden_cases(),
            profile_rows: prepared.profile().map(|profile| profile.rows),
            row_ms,
            batched_row_ms,
        }
    }
}

/// The milliseconds of a row alone, and of one in the largest batch; `None` if they were not measured.
fn costs(probe: &Probe) -> (Option<f64>, Option<f64>) {
    let rows = probe.sizes.iter().zip(&probe.seconds).map(|(size, seconds)| seconds * 1e3 / (*size).max(1) as f64);
    let rows: Vec<f64> = rows.collect();
    (rows.first().copied(), rows.last().copied().filter(|_| rows.len() > 1))
}
