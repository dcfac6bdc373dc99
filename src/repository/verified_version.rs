//! A version that was read and built: proven here, by its golden cases, before it is given workers.

use std::{path::Path, time::Instant};

use super::{
    admit::{admit_features, refusal_reason},
    error::LoadError,
    model_settings::Limits,
    package::{Package, Provenance},
    schema_validator::SchemaValidator,
    served_calibration::{self, ServedCalibration},
};
use crate::{
    domain::{
        contract::{self, Contract, InputHasher, JsonValue},
        name::{ModelName, VersionName},
        prediction::Outcome,
        profile::Profile,
        signature::Signature,
        tensor::Inputs,
        uncertainty::{AssessContext, Coverage},
    },
    runtime::{self, Executor, OrtExecutor, Probe, RowResult, SessionOptions},
};

/// A version that is proven, and has no workers yet.
pub struct VerifiedVersion {
    /// The model's name.
    pub model: ModelName,
    /// The version's name.
    pub version: VersionName,
    /// The compiled contract.
    pub contract: Contract,
    /// The coverage that a calibration is served at: that of model.toml, of the contract, or of the server.
    pub coverage: Coverage,
    /// The file that says so; `None` for the server's own configuration.
    pub coverage_of: Option<&'static str>,
    /// The calibration, where there is one.
    pub calibrated: Option<ServedCalibration>,
    /// What the probe measured.
    pub probe: Probe,
    /// What an operator should know: sentences for the start-up log.
    pub notes: Vec<String>,
    /// What answers might get wrong: sentences too, told before the notes.
    pub(super) warnings: Vec<String>,
    /// An instance to show: one that was answered, where there is one.
    pub(super) example: JsonValue,
    pub(super) package: Package,
    pub(super) contract_id: String,
    pub(super) document: JsonValue,
    pub(super) schema: Option<SchemaValidator>,
    pub(super) signature: Signature,
    pub(super) executor: OrtExecutor,
    pub(super) rows: Vec<Inputs>,
    pub(super) options: SessionOptions,
    pub(super) limits: Limits,
    pub(super) started: Instant,
}

impl VerifiedVersion {
    /// What profile.json says of the training data, where there is one; it fits the contract.
    pub fn profile(&self) -> Option<&Profile> {
        self.package.profile.as_ref().map(|(_, profile)| profile)
    }

    /// The digest of model.onnx: `sha256:` and hexadecimal.
    pub fn model_sha256(&self) -> String {
        format!("sha256:{}", self.package.graph_digest)
    }

    /// The graph's file.
    pub fn graph(&self) -> &Path {
        &self.package.graph
    }

    /// What version.json says.
    pub fn provenance(&self) -> &Provenance {
        &self.package.provenance
    }

    /// Makes the fingerprints of instances, as answers have them.
    pub fn fingerprint(&self) -> InputHasher {
        InputHasher::new(&self.contract, &self.contract_id)
    }

    /// The inputs of an instance, admitted as a request is.
    ///
    /// # Errors
    /// Every violation, in words.
    pub fn admit(&self, features: &JsonValue) -> Result<Inputs, String> {
        admit_features(&self.contract, self.schema.as_ref(), features).map_err(|refusal| refusal_reason(&refusal))
    }

    /// Runs rows together, or each alone where they cannot share a run: for each row the outputs, and its place in them.
    pub fn run(&mut self, rows: &[&Inputs]) -> Vec<RowResult> {
        runtime::run_batch(&mut self.executor, rows).rows
    }

    /// Makes a text ready to serve as this version's calibration.json, at `path`.
    ///
    /// # Errors
    /// Everything that would refuse it at load.
    pub fn bind_calibration(&self, path: &Path, text: &str) -> Result<ServedCalibration, Vec<LoadError>> {
        let file = served_calibration::read(path.to_path_buf(), text, Some(&self.package.graph_digest))?;
        ServedCalibration::new(&file, &self.contract, self.coverage)
    }

    /// The most rows in one run.
    pub fn max_rows(&self) -> usize {
        if self.contract.batched { self.limits.max_batch_rows } else { 1 }
    }

    /// Compares the graph's own label with a prediction that a threshold decides, on the golden rows: how many differ, of
    /// how many. `None` where there is no label, no threshold or no case; of the likeliest class the proof tells itself.
    pub fn label_mismatches(&mut self) -> Option<(usize, usize)> {
        let contract::OutputPlan::Classification { classes, requested, label: Some(label), decision, .. } =
            &self.contract.output
        else {
            return None;
        };
        if *decision == contract::DecisionRule::Greatest {
            return None;
        }
        let outputs = [requested[0].clone(), label.clone()];
        self.executor.set_outputs(&outputs);
        let mut differing = 0;
        for inputs in &self.rows {
            let found = self.executor.run(inputs).ok()?;
            // The label stands behind the prediction in the outputs; the prediction is the one that is served.
            let prediction = match &self.calibrated {
                Some(calibrated) => {
                    let of = AssessContext { group: calibrated.group(inputs), features_hash: "" };
                    calibrated.assess(&self.contract, &found, 0, of)
                }
                None => self.contract.interpret(&found, 0),
            };
            let Outcome::Classification { class, .. } = prediction.ok()?.outcome else { return None };
            let same = match &found.get(1)?.buffer {
                crate::domain::tensor::Buffer::Text(texts) => texts.first() == Some(&classes[class]),
                buffer => {
                    // An integer label is the class's own name, or its place among the classes.
                    let label = crate::domain::float::Float::at(buffer, 0)?.as_f64();
                    classes[class] == label.to_string() || (label - class_number(class)).abs() < 0.5
                }
            };
            differing += usize::from(!same);
        }
        self.executor.set_outputs(self.contract.output.requested());
        (!self.rows.is_empty()).then_some((differing, self.rows.len()))
    }
}

#[expect(clippy::cast_precision_loss, reason = "a model has far fewer than 2^53 classes")]
fn class_number(class: usize) -> f64 {
    class as f64
}
