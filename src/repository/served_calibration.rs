//! The calibration of a version: parses calibration.json, checks it against model and contract, and prepares it for the
//! configured coverage.

use std::path::{Path, PathBuf};

use super::error::LoadError;
use crate::domain::{
    contract::{Contract, Grouping, OutputPlan},
    findings::miscalibration,
    prediction::{InterpretError, Prediction, Warning, WarningCode},
    tensor::{Inputs, Tensor},
    uncertainty::{AssessContext, Assessment, AssessmentNotice, CalibrationDocument, Calibrator, Coverage},
    violation::escape_pointer,
};

/// calibration.json: its path and content.
#[derive(Debug)]
pub(super) struct CalibrationFile {
    pub(super) path: PathBuf,
    pub(super) calibration: CalibrationDocument,
}

/// A calibration that is served.
#[derive(Debug)]
pub struct ServedCalibration {
    /// The content of the file.
    pub calibration: CalibrationDocument,
    /// The calibrator at the served coverage.
    pub calibrator: Calibrator,
    /// Finds the group of an instance, if there are groups.
    pub grouping: Option<Grouping>,
    /// How far the uncertainty is off, if it is by more than chance.
    pub miscalibration: Option<String>,
}

/// Parses calibration.json. On failure, returns every problem: of the file itself, or that it was made for a model with
/// another digest. If `graph_digest` is `None`, there is no model to compare with.
pub(super) fn read(path: PathBuf, text: &str, graph_digest: Option<&str>) -> Result<CalibrationFile, Vec<LoadError>> {
    let content = |detail: String| LoadError::Content { path: path.clone(), detail };
    let calibration: CalibrationDocument =
        serde_json::from_str(text).map_err(|error| vec![content(error.to_string())])?;
    let mut problems = calibration.problems();
    if let Some(digest) = graph_digest.map(|digest| format!("sha256:{digest}"))
        && calibration.model_sha256 != digest
    {
        let made_for = &calibration.model_sha256;
        problems.push(format!(
            "was made for a model.onnx with digest {made_for}; this one has {digest}: run `candor calibrate` again"
        ));
    }
    if problems.is_empty() {
        Ok(CalibrationFile { path, calibration })
    } else {
        Err(problems.into_iter().map(content).collect())
    }
}

impl ServedCalibration {
    /// Prepares a calibration to serve with a contract at a coverage.
    pub(super) fn new(file: &CalibrationFile, contract: &Contract, coverage: Coverage) -> Result<Self, Vec<LoadError>> {
        let content = |detail: String| LoadError::Content { path: file.path.clone(), detail };
        let grouping = contract.check_calibration(&file.calibration).map_err(|found| {
            let again = |detail| content(format!("{detail}: run `candor calibrate` again"));
            found.into_iter().map(again).collect::<Vec<_>>()
        })?;
        let calibrator =
            Calibrator::new(&file.calibration, coverage).map_err(|detail| vec![content(detail.to_string())])?;
        let miscalibration = miscalibration(&file.calibration);
        Ok(Self { calibration: file.calibration.clone(), calibrator, grouping, miscalibration })
    }

    /// The calibration group of an instance; `None` if there are no groups or it is in none of them.
    pub fn group(&self, inputs: &Inputs) -> Option<usize> {
        self.grouping.as_ref()?.find(inputs)
    }

    /// Interprets one row of a run's outputs as a calibrated prediction.
    ///
    /// # Errors
    /// As for [`Contract::interpret`].
    pub fn assess(
        &self,
        contract: &Contract,
        outputs: &[Tensor],
        row: usize,
        of: AssessContext<'_>,
    ) -> Result<Prediction, InterpretError> {
        contract.assess(outputs, row, &self.calibrator, of)
    }

    /// The warnings for the caller: the notices of an assessment, and an uncertainty that is off by more than chance.
    pub fn warnings<'a>(&'a self, assessment: &'a Assessment) -> impl Iterator<Item = Warning> + 'a {
        let miscalibrated = self.miscalibration.iter().map(|detail| Warning {
            pointer: String::new(),
            code: WarningCode::Miscalibrated,
            detail: detail.clone(),
            feature: None,
        });
        assessment.notices.iter().map(|notice| self.warning(*notice)).chain(miscalibrated)
    }

    fn warning(&self, notice: AssessmentNotice) -> Warning {
        let level = self.calibrator.coverage().as_f64();
        let feature = self.grouping.as_ref().map_or("", Grouping::feature);
        let (code, pointer, detail) = match notice {
            AssessmentNotice::EmptySet => {
                let detail = format!(
                    "no class is likely enough for a set at coverage {level}: a higher coverage makes sets larger"
                );
                (WarningCode::EmptySet, String::new(), detail)
            }
            AssessmentNotice::UnboundedInterval => (
                WarningCode::UnboundedInterval,
                String::new(),
                format!("the interval has no bound at coverage {level}: the calibration has too few rows"),
            ),
            AssessmentNotice::PooledGroup => (
                WarningCode::PooledGroup,
                format!("/features/{}", escape_pointer(feature)),
                format!("the calibration has too few rows with this {feature}: the quantile of all rows was used"),
            ),
        };
        Warning { pointer, code, detail, feature: None }
    }
}

/// Returns a note about a version without a calibration, with the command that makes one.
pub(super) fn missing_calibration_note(plan: &OutputPlan, directory: Option<&Path>) -> Option<String> {
    let command = match directory {
        Some(path) => format!("`candor calibrate --data <held-out table> --target <column> {}`", path.display()),
        None => "`candor init` to create a package, then `candor calibrate`".to_owned(),
    };
    match plan {
        OutputPlan::Classification { .. } => {
            Some(format!("there is no calibration.json: the probabilities are not calibrated; to calibrate: {command}"))
        }
        OutputPlan::Regression { .. } => Some(format!(
            "there is no calibration.json: no coverage is claimed for the predictions; to calibrate: {command}"
        )),
        OutputPlan::Tensors { .. } => None,
    }
}
