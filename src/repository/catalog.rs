//! The catalog: an immutable snapshot of every model and version. Resolves a request to the version that answers it.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

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
        error_code::ErrorCode,
        json::JsonValue,
        name::{ModelName, VersionName},
        prediction::{InterpretError, Prediction},
        profile::Profile,
        signature::Signature,
        tensor::{Inputs, Tensor},
        text::quote,
        uncertainty::{AssessContext, method},
    },
    runtime::{Engine, ExecutionPlan, Probe},
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

/// The state of a version.
#[derive(Clone)]
pub enum VersionState {
    /// The version is being loaded.
    Loading,
    /// The version serves.
    Ready(Arc<ModelVersion>),
    /// The version cannot serve, for these reasons.
    Unavailable(Arc<[String]>),
}

impl VersionState {
    /// The state's name.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Ready(_) => "ready",
            Self::Unavailable(_) => "unavailable",
        }
    }
}

/// One version in the catalog.
#[derive(Clone)]
pub struct VersionEntry {
    /// Its name.
    pub name: VersionName,
    /// Its state.
    pub state: VersionState,
}

impl VersionEntry {
    fn describe(&self) -> String {
        format!("version {} is {}", self.name, self.state.as_str())
    }
}

/// One model in the catalog.
#[derive(Clone)]
pub struct ModelEntry {
    /// Its name.
    pub name: ModelName,
    /// Whether this model must be ready for the server to be ready.
    pub required: bool,
    /// Its versions, oldest first.
    pub versions: Vec<VersionEntry>,
}

impl ModelEntry {
    /// Returns the version with this name, if it is ready.
    fn version(&self, name: &str) -> Result<&Arc<ModelVersion>, ResolveError> {
        let found = self.versions.iter().find(|candidate| candidate.name.as_str() == name);
        match found.map(|found| (found, &found.state)) {
            Some((_, VersionState::Ready(version))) => Ok(version),
            Some((found, _)) => Err(self.not_ready(&found.describe(), Some(found.name.clone()))),
            None => {
                let names: Vec<&str> = self.versions.iter().map(|version| version.name.as_str()).collect();
                let detail = format!("{} has no version {}; there are: {}", self.name, quote(name), names.join(", "));
                let model = Some(self.name.clone());
                Err(ResolveError { code: ErrorCode::UnknownVersion, detail, model, version: None })
            }
        }
    }

    /// The reasons name files, which concern only the operator. Callers get the states and the path that has the reasons.
    fn not_ready(&self, states: &str, version: Option<VersionName>) -> ResolveError {
        let detail = format!("{} is not ready: {states}; GET /models/{} says why", self.name, self.name);
        ResolveError { code: ErrorCode::NotReady, detail, model: Some(self.name.clone()), version }
    }

    /// Returns the stable version, which serves requests that name no version: the newest ready one, once no newer
    /// version is still loading. Until then there is none, so that no response comes from a version that is about to be
    /// superseded.
    pub fn stable(&self) -> Option<&Arc<ModelVersion>> {
        for entry in self.versions.iter().rev() {
            match &entry.state {
                VersionState::Loading => return None,
                VersionState::Ready(version) => return Some(version),
                VersionState::Unavailable(_) => {}
            }
        }
        None
    }

    /// Describes why the model has no stable version.
    pub fn reason(&self) -> String {
        let states = self.versions.iter().map(|entry| match &entry.state {
            VersionState::Unavailable(reasons) => {
                let more = if reasons.len() > 1 { format!(" (and {} more)", reasons.len() - 1) } else { String::new() };
                format!("version {} is unavailable: {}{more}", entry.name, reasons.first().map_or("", |text| text))
            }
            state => format!("version {} is {}", entry.name, state.as_str()),
        });
        states.collect::<Vec<_>>().join("; ")
    }
}

/// All models at one point in time.
#[derive(Clone, Default)]
pub struct Catalog {
    /// The models, by name.
    pub models: BTreeMap<ModelName, ModelEntry>,
    /// The default model: the configured one, else the one marked in its model.toml; empty if there is neither.
    pub default_model: String,
}

/// The error for a name that resolves to no version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveError {
    /// `unknown_model`, `unknown_version` or `not_ready`.
    pub code: ErrorCode,
    /// The message; says what exists instead.
    pub detail: String,
    /// The model, if it is known.
    pub model: Option<ModelName>,
    /// The version, if it is known.
    pub version: Option<VersionName>,
}

impl Catalog {
    /// Returns the name of the default model: the chosen one, else the only model.
    pub fn default_name(&self) -> Option<&str> {
        if !self.default_model.is_empty() {
            return Some(&self.default_model);
        }
        let mut names = self.models.keys();
        names.next().filter(|_| names.next().is_none()).map(ModelName::as_str)
    }

    /// Resolves a request to a version. If `model` is `None`, takes the default model; if `version` is `None`, the
    /// stable one.
    ///
    /// # Errors
    /// Returns [`ResolveError`], which says what exists instead.
    pub fn resolve(&self, model: Option<&str>, version: Option<&str>) -> Result<&Arc<ModelVersion>, ResolveError> {
        self.resolve_within(model, version, &|_| true)
    }

    /// Like [`Catalog::resolve`], for a caller who may only see the models that `known` admits: errors name no others.
    ///
    /// # Errors
    /// As for [`Catalog::resolve`].
    pub fn resolve_within(
        &self,
        model: Option<&str>,
        version: Option<&str>,
        known: &dyn Fn(&str) -> bool,
    ) -> Result<&Arc<ModelVersion>, ResolveError> {
        let Some(name) = model.or_else(|| self.default_name()) else {
            let names = self.names(known);
            return Err(unknown_model(format!(
                "there is no default model; use /models/{{model}}/predict with one of: {names}"
            )));
        };
        let Some(entry) = self.models.get(name) else {
            let (name, names) = (quote(name), self.names(known));
            return Err(unknown_model(format!("there is no model {name}; there are: {names}")));
        };
        match version {
            None => entry.stable().ok_or_else(|| {
                let states: Vec<String> = entry.versions.iter().map(VersionEntry::describe).collect();
                entry.not_ready(&states.join(", "), None)
            }),
            Some(version) => entry.version(version),
        }
    }

    /// Returns a version to show in an example: the default one, or any that is ready.
    pub fn example_version(&self) -> Option<&Arc<ModelVersion>> {
        self.example_version_within(|_| true)
    }

    /// Like [`Catalog::example_version`], among the models that `known` admits.
    pub fn example_version_within(&self, known: impl Fn(&str) -> bool) -> Option<&Arc<ModelVersion>> {
        let default = self.resolve(None, None).ok().filter(|version| known(version.model.as_str()));
        let mut entries = self.models.values().filter(|entry| known(entry.name.as_str()));
        default.or_else(|| entries.find_map(ModelEntry::stable))
    }

    /// Returns why the server is not ready: one sentence for each required model that is not. Empty if the server is
    /// ready.
    pub fn not_ready(&self) -> Vec<String> {
        self.waiting().map(|entry| format!("{}: {}", entry.name, entry.reason())).collect()
    }

    /// The required models that are not ready.
    pub fn waiting(&self) -> impl Iterator<Item = &ModelEntry> {
        self.models.values().filter(|entry| entry.required && entry.stable().is_none())
    }

    fn names(&self, known: &dyn Fn(&str) -> bool) -> String {
        let names: Vec<&str> = self.models.keys().map(ModelName::as_str).filter(|name| known(name)).collect();
        if names.is_empty() { "none".to_owned() } else { names.join(", ") }
    }
}

fn unknown_model(detail: String) -> ResolveError {
    ResolveError { code: ErrorCode::UnknownModel, detail, model: None, version: None }
}
