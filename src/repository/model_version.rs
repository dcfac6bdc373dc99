//! A version that serves: everything that was loaded of it, and its workers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    admit::{admit, admit_features},
    baseline::BaselineState,
    model_settings::Limits,
    package::Provenance,
    reference_instances::ReferenceInstance,
    schema_validator::SchemaValidator,
    served_calibration::ServedCalibration,
};
use crate::{
    domain::{
        comparison::ContractSource,
        contract::{AdmitError, Admitted, Contract, InputHasher, OutputPlan},
        json::JsonValue,
        name::{ModelName, VersionName},
        prediction::{InterpretError, Prediction},
        profile::Profile,
        signature::Signature,
        tensor::{Inputs, Tensor},
        uncertainty::{AssessContext, method},
    },
    runtime::{Engine, ExecutionPlan, Priority, Probe},
    telemetry::VersionMetrics,
};

/// A version that serves. A request pins one version and uses no other.
pub struct ModelVersion {
    /// The model's name.
    pub model: ModelName,
    /// The version's name.
    pub version: VersionName,
    /// The compiled contract.
    pub contract: Contract,
    /// The calibration, if there is one.
    pub calibrated: Option<ServedCalibration>,
    /// `sha256:` and the digest of the contract's canonical form.
    pub contract_id: String,
    /// Computes the fingerprints of instances.
    pub fingerprint: InputHasher,
    /// The contract's document.
    pub document: JsonValue,
    /// Full validation, if the contract needs it.
    pub schema: Option<SchemaValidator>,
    /// The content of version.json.
    pub provenance: Provenance,
    /// Statistics of the training data, if there is a profile.json.
    pub profile: Option<Profile>,
    /// The baseline that explanations compare an instance with.
    pub baseline: BaselineState,
    /// The SHA-256 of the graph's file, in hexadecimal.
    pub graph_sha256: String,
    /// The inputs and outputs of the graph.
    pub signature: Signature,
    /// The model's limits.
    pub limits: Limits,
    /// Notes for the operator.
    pub notes: Vec<String>,
    /// Placement, workers and threads.
    pub plan: ExecutionPlan,
    /// Costs measured at load.
    pub probe: Probe,
    /// The execution providers in use.
    pub providers: Vec<String>,
    /// The time that loading took.
    pub load: Duration,
    /// An example instance: one that was answered, if there is one.
    pub example: JsonValue,
    /// The golden cases and the background rows of the profile: what a version is compared on before it is promoted.
    pub reference_instances: Vec<ReferenceInstance>,
    /// The version's own metrics.
    pub metrics: Arc<VersionMetrics>,
    /// The workers.
    pub engine: Engine,
}

impl ModelVersion {
    /// The tag of the training data, if it is known.
    pub fn training_data(&self) -> Option<&str> {
        self.provenance.training_data.as_ref().and_then(|data| data.tag.as_deref())
    }

    /// The uncertainty method that responses report.
    pub fn uncertainty_method(&self) -> &'static str {
        match (&self.calibrated, &self.contract.output) {
            (Some(calibrated), _) => calibrated.calibrator.method(),
            (None, OutputPlan::Classification { .. }) => method::UNCALIBRATED,
            (None, OutputPlan::Regression { auxiliary: beside, .. }) if beside.members.is_some() => method::ENSEMBLE,
            (None, OutputPlan::Regression { .. } | OutputPlan::Tensors { .. }) => method::NONE,
        }
    }

    /// The method of the probabilities, which may differ from that of the uncertainty; `None` unless the task is
    /// classification.
    pub fn probabilities_method(&self) -> Option<&'static str> {
        match (&self.calibrated, &self.contract.output) {
            (Some(calibrated), _) => calibrated.calibrator.probabilities_method(),
            (None, OutputPlan::Classification { .. }) => Some(method::UNCALIBRATED),
            (None, _) => None,
        }
    }

    /// The compiled contract and its document.
    pub fn contract_source(&self) -> ContractSource<'_> {
        ContractSource { contract: &self.contract, document: &self.document }
    }

    /// An uncertainty in the middle of the range: a half for a classification, a typical one for a calibrated regression.
    pub(super) fn middle_uncertainty(&self) -> Option<f64> {
        match &self.contract.output {
            OutputPlan::Classification { .. } => Some(0.5),
            OutputPlan::Regression { .. } => self.calibrated.as_ref()?.calibrator.typical_uncertainty(),
            OutputPlan::Tensors { .. } => None,
        }
    }

    /// Validates the body of a request and converts it to inputs.
    ///
    /// # Errors
    /// Returns [`AdmitError`] with the JSON error, or with all violations.
    pub fn admit(&self, body: &[u8]) -> Result<Admitted, AdmitError<serde_json::Error>> {
        admit(&self.contract, self.schema.as_ref(), body)
    }

    /// Admits the features of an instance, as a request would be.
    ///
    /// # Errors
    /// As for [`ModelVersion::admit`].
    pub fn admit_instance(&self, features: &JsonValue) -> Result<Inputs, AdmitError<serde_json::Error>> {
        admit_features(&self.contract, self.schema.as_ref(), features)
    }

    /// The calibration group of an instance; `None` if there are no groups or it is in none of them.
    pub fn group(&self, inputs: &Inputs) -> Option<usize> {
        self.calibrated.as_ref()?.group(inputs)
    }

    /// Predicts for inputs that no client waits for. Also returns how long the run took; `None` if there is no prediction.
    pub async fn predict_in_background(&self, inputs: Inputs, due: Instant) -> Option<(Prediction, Duration)> {
        let (features_hash, group) = (self.fingerprint.of(&inputs), self.group(&inputs));
        let completed = self.engine.execute(inputs, due, Priority::Background).await.ok()?;
        let (outputs, row) = completed.result.ok()?;
        let prediction = self.interpret(&outputs, row, AssessContext { group, features_hash: &features_hash }).ok()?;
        Some((prediction, completed.infer))
    }

    /// Interprets row `row` of a run's outputs as a prediction, calibrated if there is a calibration.
    ///
    /// # Errors
    /// As for [`Contract::interpret`].
    pub fn interpret(
        &self,
        outputs: &[Tensor],
        row: usize,
        of: AssessContext<'_>,
    ) -> Result<Prediction, InterpretError> {
        match &self.calibrated {
            Some(calibrated) => calibrated.assess(&self.contract, outputs, row, of),
            None => self.contract.interpret(outputs, row),
        }
    }
}
