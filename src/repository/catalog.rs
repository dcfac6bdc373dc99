//! The catalog: an immutable picture of every model and version, and which of them answers a request.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use super::{
    admit::admit, baseline::BaselineState, model_settings::Limits, package::Provenance,
    schema_validator::SchemaValidator, served_calibration::ServedCalibration,
};
use crate::{
    domain::{
        contract::{AdmitError, Admitted, Contract, InputHasher, JsonValue, OutputPlan},
        error_code::ErrorCode,
        name::{ModelName, VersionName},
        prediction::{InterpretError, Prediction},
        profile::Profile,
        signature::Signature,
        tensor::{Inputs, Tensor},
        uncertainty::{AssessContext, method},
    },
    runtime::{Engine, ExecutionPlan, Probe},
    telemetry::VersionMetrics,
};

/// A version that serves. A request pins one and sees nothing else.
pub struct ModelVersion {
    /// The model's name.
    pub model: ModelName,
    /// The version's name.
    pub version: VersionName,
    /// The compiled contract.
    pub contract: Contract,
    /// The calibration, where there is one.
    pub calibrated: Option<ServedCalibration>,
    /// `sha256:` and the digest of the contract's canonical form.
    pub contract_id: String,
    /// Makes the fingerprints of instances.
    pub fingerprint: InputHasher,
    /// The contract's document.
    pub document: JsonValue,
    /// The second pass, where the contract needs one.
    pub schema: Option<SchemaValidator>,
    /// Where the version comes from.
    pub provenance: Provenance,
    /// What the training data looked like, where profile.json says it.
    pub profile: Option<Profile>,
    /// What explanations compare an instance with.
    pub baseline: BaselineState,
    /// The SHA-256 of the graph's file, in hexadecimal.
    pub graph_sha256: String,
    /// What goes into the graph and comes out.
    pub signature: Signature,
    /// The model's limits.
    pub limits: Limits,
    /// What an operator should know.
    pub notes: Vec<String>,
    /// Workers and threads.
    pub plan: ExecutionPlan,
    /// What was measured at load.
    pub probe: Probe,
    /// The execution providers in use.
    pub providers: Vec<String>,
    /// How long loading took.
    pub load: Duration,
    /// An instance that works.
    pub example: JsonValue,
    /// The version's own metrics.
    pub metrics: Arc<VersionMetrics>,
    /// The workers.
    pub engine: Engine,
}

impl ModelVersion {
    /// The tag of the training data, where it is known.
    pub fn training_data(&self) -> Option<&str> {
        self.provenance.training_data.as_ref().and_then(|data| data.tag.as_deref())
    }

    /// The method that answers will name.
    pub fn uncertainty_method(&self) -> &'static str {
        match (&self.calibrated, &self.contract.output) {
            (Some(calibrated), _) => calibrated.calibrator.method(),
            (None, OutputPlan::Classification { .. }) => method::UNCALIBRATED,
            (None, OutputPlan::Regression { auxiliary: beside, .. }) if beside.members.is_some() => method::ENSEMBLE,
            (None, OutputPlan::Regression { .. } | OutputPlan::Tensors { .. }) => method::NONE,
        }
    }

    /// Admits the body of a request.
    ///
    /// # Errors
    /// [`AdmitError`]: what is wrong with the JSON, or all violations.
    pub fn admit(&self, body: &[u8]) -> Result<Admitted, AdmitError<serde_json::Error>> {
        admit(&self.contract, self.schema.as_ref(), body)
    }

    /// The group that an instance's assessment depends on, where there are groups and it is in one.
    pub fn group(&self, inputs: &Inputs) -> Option<usize> {
        self.calibrated.as_ref()?.group(inputs)
    }

    /// Makes the prediction for row `row` of a run's outputs, calibrated where there is a calibration.
    ///
    /// # Errors
    /// As [`Contract::interpret`].
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

/// What state a version is in.
#[derive(Clone)]
pub enum VersionState {
    /// It is being loaded.
    Loading,
    /// It serves.
    Ready(Arc<ModelVersion>),
    /// It cannot serve, for these reasons.
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

/// One model in the catalog.
#[derive(Clone)]
pub struct ModelEntry {
    /// Its name.
    pub name: ModelName,
    /// Whether the server is ready only when this model is.
    pub required: bool,
    /// Its versions, oldest first.
    pub versions: Vec<VersionEntry>,
}

impl ModelEntry {
    /// The version that answers when none is asked for: the newest that is ready, once everything newer has been
    /// decided. Until then there is none, so that an answer never comes from a version about to be passed over.
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

    /// Why the model has no stable version, for people.
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

/// Every model, at one moment.
#[derive(Clone, Default)]
pub struct Catalog {
    /// The models, by name.
    pub models: BTreeMap<ModelName, ModelEntry>,
    /// The configured default model, or the one that its own model.toml makes so; empty where there is none.
    pub default_model: String,
}

/// Why a name leads to no version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolveError {
    /// `unknown_model`, `unknown_version` or `not_ready`.
    pub code: ErrorCode,
    /// What is there instead.
    pub detail: String,
    /// The model, where it is known.
    pub model: Option<ModelName>,
    /// The version, where it is known.
    pub version: Option<VersionName>,
}

impl Catalog {
    /// The name of the default model: the chosen one, or the only one there is.
    pub fn default_name(&self) -> Option<&str> {
        if !self.default_model.is_empty() {
            return Some(&self.default_model);
        }
        let mut names = self.models.keys();
        names.next().filter(|_| names.next().is_none()).map(ModelName::as_str)
    }

    /// Finds the version that answers: of the default model where `model` is `None`, the stable one where `version` is.
    ///
    /// # Errors
    /// [`ResolveError`] says what is there instead.
    pub fn resolve(&self, model: Option<&str>, version: Option<&str>) -> Result<&Arc<ModelVersion>, ResolveError> {
        self.resolve_within(model, version, &|_| true)
    }

    /// The same, for one who may know only of the models that `known` admits: what is there instead names no others.
    ///
    /// # Errors
    /// As [`Catalog::resolve`].
    pub fn resolve_within(
        &self,
        model: Option<&str>,
        version: Option<&str>,
        known: &dyn Fn(&str) -> bool,
    ) -> Result<&Arc<ModelVersion>, ResolveError> {
        let name = match model {
            Some(name) => name,
            None => self.default_name().ok_or_else(|| {
                unknown_model(format!(
                    "no model is the default; ask one of /models/{{model}}/predict: {}",
                    self.names(known)
                ))
            })?,
        };
        let entry = self.models.get(name).ok_or_else(|| {
            unknown_model(format!(
                "there is no model {}; there are: {}",
                crate::domain::violation::quote(name),
                self.names(known)
            ))
        })?;
        // The reasons name files, which are the operator's affair: callers are told where they stand, not what they say.
        let not_ready = |states: String, version: Option<VersionName>| ResolveError {
            code: ErrorCode::NotReady,
            detail: format!("{} is not ready: {states}; GET /models/{} says why", entry.name, entry.name),
            model: Some(entry.name.clone()),
            version,
        };
        let state = |entry: &VersionEntry| format!("version {} is {}", entry.name, entry.state.as_str());
        let Some(version) = version else {
            return entry.stable().ok_or_else(|| {
                let states: Vec<String> = entry.versions.iter().map(state).collect();
                not_ready(states.join(", "), None)
            });
        };
        let found = entry.versions.iter().find(|candidate| candidate.name.as_str() == version);
        match found.map(|found| (found, &found.state)) {
            Some((_, VersionState::Ready(version))) => Ok(version),
            Some((found, _)) => Err(not_ready(state(found), Some(found.name.clone()))),
            None => {
                let names: Vec<&str> = entry.versions.iter().map(|version| version.name.as_str()).collect();
                let detail = format!(
                    "{} has no version {}; there are: {}",
                    entry.name,
                    crate::domain::violation::quote(version),
                    names.join(", ")
                );
                Err(ResolveError {
                    code: ErrorCode::UnknownVersion,
                    detail,
                    model: Some(entry.name.clone()),
                    version: None,
                })
            }
        }
    }

    /// A version to show in an example: the default one, or any that is ready.
    pub fn example_version(&self) -> Option<&Arc<ModelVersion>> {
        self.example_version_within(|_| true)
    }

    /// The same, among the models that `known` admits.
    pub fn example_version_within(&self, known: impl Fn(&str) -> bool) -> Option<&Arc<ModelVersion>> {
        let default = self.resolve(None, None).ok().filter(|version| known(version.model.as_str()));
        let mut entries = self.models.values().filter(|entry| known(entry.name.as_str()));
        default.or_else(|| entries.find_map(ModelEntry::stable))
    }

    /// Why the server is not ready: one sentence for each required model that is not. Empty when it is.
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
