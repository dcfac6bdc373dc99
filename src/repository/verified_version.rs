//! A version that was read, built and verified by its golden cases, before its workers are started.

use std::{path::Path, time::Instant};

use super::{
    admit::admit_features,
    error::LoadError,
    model_settings::Limits,
    package::{Package, Provenance},
    reference_instances::{ReferenceInstance, reference_instances},
    schema_validator::SchemaValidator,
    served_calibration::{self, ServedCalibration},
};
use crate::{
    domain::{
        comparison::ContractSource,
        contract::{self, AdmitError, Contract, InputHasher},
        json::JsonValue,
        name::{ModelName, VersionName},
        prediction::Outcome,
        profile::Profile,
        signature::Signature,
        tensor::Inputs,
        uncertainty::{AssessContext, Coverage},
    },
    runtime::{self, Executor, OrtExecutor, Probe, RowResult, SessionOptions},
};

/// A verified version without workers.
pub struct VerifiedVersion {
    /// The model's name.
    pub model: ModelName,
    /// The version's name.
    pub version: VersionName,
    /// The compiled contract.
    pub contract: Contract,
    /// The coverage at which a calibration is served: that of model.toml, of the contract, or of the server.
    pub coverage: Coverage,
    /// The file that sets the coverage; `None` for the server's own configuration.
    pub coverage_of: Option<&'static str>,
    /// The calibration, if there is one.
    pub calibrated: Option<ServedCalibration>,
    /// The measurements of the probe.
    pub probe: Probe,
    /// Notes for the operator: sentences for the start-up log.
    pub notes: Vec<String>,
    /// Warnings about answers that may be wrong: sentences, reported before the notes.
    pub(super) warnings: Vec<String>,
    /// An example instance: one that was answered, if there is one.
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
    /// The statistics of the training data, if there is a profile.json. They match the contract.
    pub fn profile(&self) -> Option<&Profile> {
        self.package.profile.as_ref().map(|(_, profile)| profile)
    }

    /// The number of golden cases.
    pub fn golden_cases(&self) -> usize {
        self.package.golden.as_ref().map_or(0, |(_, cases)| cases.len())
    }

    /// The golden cases and the background rows of the profile, as instances to compare versions on.
    pub fn reference_instances(&self) -> Vec<ReferenceInstance> {
        reference_instances(&self.package, &self.contract)
    }

    /// The compiled contract and its document.
    pub fn contract_source(&self) -> ContractSource<'_> {
        ContractSource { contract: &self.contract, document: &self.document }
    }

    /// The digest of model.onnx: `sha256:` followed by hexadecimal.
    pub fn model_sha256(&self) -> String {
        format!("sha256:{}", self.package.graph_digest)
    }

    /// The path of the graph.
    pub fn graph(&self) -> &Path {
        &self.package.graph
    }

    /// The content of version.json.
    pub fn provenance(&self) -> &Provenance {
        &self.package.provenance
    }

    /// Returns the hasher for the fingerprints of instances, as in responses.
    pub fn fingerprint(&self) -> InputHasher {
        InputHasher::new(&self.contract, &self.contract_id)
    }

    /// Admits an instance in the same way as a request and returns its inputs.
    ///
    /// # Errors
    /// As for [`admit_features`].
    pub fn admit(&self, features: &JsonValue) -> Result<Inputs, AdmitError<serde_json::Error>> {
        admit_features(&self.contract, self.schema.as_ref(), features)
    }

    /// Runs rows together, or each alone if they cannot share a run. Returns for each row the outputs and its index in
    /// them.
    pub fn run(&mut self, rows: &[&Inputs]) -> Vec<RowResult> {
        runtime::run_batch(&mut self.executor, rows).rows
    }

    /// Parses a text as this version's calibration.json at `path` and prepares it for serving.
    ///
    /// # Errors
    /// Returns every error that would reject it at load.
    pub fn bind_calibration(&self, path: &Path, text: &str) -> Result<ServedCalibration, Vec<LoadError>> {
        let file = served_calibration::read(path.to_path_buf(), text, Some(&self.package.graph_digest))?;
        ServedCalibration::new(&file, &self.contract, self.coverage)
    }

    /// Maximum number of rows in one run.
    pub fn max_rows(&self) -> usize {
        if self.contract.batched { self.limits.max_batch_rows } else { 1 }
    }

    /// Compares the graph's own label with predictions that a threshold decides, on the golden cases. Returns the
    /// number of differences and the number of cases, or `None` if there is no label, no threshold or no case. If the
    /// likeliest class is predicted, the verification itself warns about differences.
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
            // The label follows the prediction in the outputs. The prediction is computed as it is served.
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
                    // An integer label is the name of the class or its index.
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

fn class_number(class: usize) -> f64 {
    class as f64
}
