//! The catalog: an immutable snapshot of every model and version. Resolves a request to the version that answers it.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    model_version::ModelVersion,
    routing::{RolloutStatus, Routing},
};
use crate::domain::{
    error_code::ErrorCode,
    name::{ModelName, VersionName},
    text::quote,
};

/// The state of a version.
#[derive(Clone)]
pub enum VersionState {
    /// The version is being loaded.
    Loading,
    /// The version serves.
    Ready(Arc<ModelVersion>),
    /// The version finishes its requests and takes no new ones.
    Unloading,
    /// The version cannot serve, for these reasons.
    Unavailable(Arc<[String]>),
}

impl VersionState {
    /// The state's name.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Loading => "loading",
            Self::Ready(_) => "ready",
            Self::Unloading => "unloading",
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
    /// Why its files on disk cannot replace the ones that it serves; empty if they are the same.
    pub problems: Arc<[String]>,
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
    /// Which version serves a request that names none.
    pub routing: Arc<Routing>,
    /// The state of its rollout.
    pub rollout: Arc<RolloutStatus>,
}

impl ModelEntry {
    /// Returns the version with this name or alias, if it is ready.
    fn version(&self, name: &str) -> Result<&Arc<ModelVersion>, ResolveError> {
        let find = |name: &str| self.versions.iter().find(|candidate| candidate.name.as_str() == name);
        let found = find(name).or_else(|| find(self.rollout.alias(name)?.as_str()));
        match found.map(|found| (found, &found.state)) {
            Some((_, VersionState::Ready(version))) => Ok(version),
            Some((found, _)) => Err(self.not_ready(&found.describe(), Some(found.name.clone()))),
            None => Err(self.unknown_version(name)),
        }
    }

    /// The error for a version that the model does not have; says which it has.
    pub fn unknown_version(&self, name: &str) -> ResolveError {
        let names: Vec<&str> = self.versions.iter().map(|version| version.name.as_str()).collect();
        let detail = format!("{} has no version {}; there are: {}", self.name, quote(name), names.join(", "));
        ResolveError { code: ErrorCode::UnknownVersion, detail, model: Some(self.name.clone()), version: None }
    }

    /// The reasons name files, which concern only the operator. Callers get the states and the path that has the reasons.
    fn not_ready(&self, states: &str, version: Option<VersionName>) -> ResolveError {
        let detail = format!("{} is not ready: {states}; GET /models/{} says why", self.name, self.name);
        ResolveError { code: ErrorCode::NotReady, detail, model: Some(self.name.clone()), version }
    }

    /// Returns the stable version, which serves requests that name no version, unless they are part of a canary.
    pub fn stable(&self) -> Option<&Arc<ModelVersion>> {
        self.routing.stable.as_ref()
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
        let problem = self.rollout.problem.clone();
        states.chain(problem).collect::<Vec<_>>().join("; ")
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
        self.resolve_within(model, version, &|_| true).map(|(_, version)| version)
    }

    /// Like [`Catalog::resolve`], for a caller who may only see the models that `known` admits: errors name no others.
    /// Also returns the model.
    ///
    /// # Errors
    /// As for [`Catalog::resolve`].
    pub fn resolve_within(
        &self,
        model: Option<&str>,
        version: Option<&str>,
        known: &dyn Fn(&str) -> bool,
    ) -> Result<(&ModelEntry, &Arc<ModelVersion>), ResolveError> {
        let Some(name) = model.or_else(|| self.default_name()) else {
            let names = self.names(known);
            return Err(unknown_model(format!(
                "there is no default model; use /models/{{model}}/predict with one of: {names}"
            )));
        };
        let entry = self.entry_within(name, known)?;
        let resolved = match version {
            None => entry.stable().ok_or_else(|| {
                let states: Vec<String> = entry.versions.iter().map(VersionEntry::describe).collect();
                entry.not_ready(&states.join(", "), None)
            }),
            Some(version) => entry.version(version),
        };
        resolved.map(|version| (entry, version))
    }

    /// Finds a model, for a caller who may only see the models that `known` admits: errors name no others.
    ///
    /// # Errors
    /// Returns [`ResolveError`], which says what exists instead.
    pub fn entry_within(&self, name: &str, known: &dyn Fn(&str) -> bool) -> Result<&ModelEntry, ResolveError> {
        self.models.get(name).ok_or_else(|| {
            let (name, names) = (quote(name), self.names(known));
            unknown_model(format!("there is no model {name}; there are: {names}"))
        })
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
