//! Lists the repository: which models and versions there are, whether their files are whole, what their settings and
//! their rollouts say. Reads; decides nothing.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    default_model::default_model,
    error::ModelError,
    model_settings::ModelSettings,
    model_source::ModelSource,
    observer::{self, Observation, Observer},
    rollout_store::{RolloutStore, StoredRollout},
    scan::{ModelDirectory, VersionDirectory},
};
use crate::{
    domain::{
        name::{ModelName, VersionName},
        rollout::ListedVersion,
    },
    telemetry::error_chain,
};

/// The settings of a model, and the versions that they select.
pub(super) type SelectedSettings = (ModelSettings, BTreeSet<VersionName>);

/// One model as it is on disk.
#[derive(Clone)]
pub(super) struct ListedModel {
    /// When it began to be read.
    pub(super) listed_at: Instant,
    pub(super) directory: ModelDirectory,
    pub(super) settings: Result<SelectedSettings, String>,
    /// Each version with its directory, oldest first.
    pub(super) versions: Vec<(ListedVersion, VersionDirectory)>,
    /// Its state, `None` if there is none; or why it cannot be read.
    pub(super) rollout: Result<Option<StoredRollout>, String>,
}

/// The repository as it is on disk.
pub(super) struct Listing {
    pub(super) models: BTreeMap<ModelName, ListedModel>,
    /// What was found and cannot be served.
    pub(super) problems: Vec<String>,
    pub(super) default_model: String,
}

/// Lists the repository again and again.
pub(super) struct Lister {
    pub(super) source: Box<dyn ModelSource>,
    pub(super) store: Arc<dyn RolloutStore + Sync>,
    observer: Observer,
    settle: Duration,
    configured_default: String,
    /// The models of the last listing, and since when each is missing, if it is.
    known: BTreeMap<ModelName, (ListedModel, Option<Instant>)>,
    /// The last valid settings of each of them.
    valid: BTreeMap<ModelName, ModelSettings>,
    default_model: String,
}

impl Lister {
    pub(super) fn new(
        source: Box<dyn ModelSource>,
        store: Arc<dyn RolloutStore + Sync>,
        settle: Duration,
        configured_default: &str,
    ) -> Self {
        let configured_default = configured_default.to_owned();
        // What the source waited for is not waited for again.
        let quiet = if source.waits_until_whole() { Duration::ZERO } else { settle };
        let (observer, known, default_model) = (Observer::new(quiet), BTreeMap::new(), String::new());
        let valid = BTreeMap::new();
        Self { source, store, observer, settle, configured_default, known, valid, default_model }
    }

    /// Lists the repository.
    ///
    /// # Errors
    /// Returns [`ModelError`] if the repository itself cannot be read.
    pub(super) fn list(&mut self) -> Result<Listing, ModelError> {
        let found = self.source.scan()?;
        let problems = found.problems.iter().map(|problem| error_chain(problem)).collect();
        let graphs: Vec<_> =
            found.models.iter().flat_map(|model| &model.versions).map(|version| &*version.graph).collect();
        self.observer.retain(&graphs);
        let now = Instant::now();
        let mut models: BTreeMap<_, _> =
            found.models.iter().map(|model| (model.name.clone(), self.list_model(model, now))).collect();
        if !self.keep_missing(&mut models, now) {
            self.default_model = default_model(&self.configured_default, &found.models);
        }
        Ok(Listing { models, problems, default_model: self.default_model.clone() })
    }

    /// Adds the models that have been missing for less than the settle time, since they may be about to be replaced: first
    /// removed, then copied. Returns whether there are any.
    fn keep_missing(&mut self, models: &mut BTreeMap<ModelName, ListedModel>, now: Instant) -> bool {
        for (name, listed) in &*models {
            self.known.insert(name.clone(), (listed.clone(), None));
        }
        let settle = self.settle;
        self.known.retain(|name, (_, missing)| {
            models.contains_key(name) || now.duration_since(*missing.get_or_insert(now)) < settle
        });
        self.valid.retain(|name, _| self.known.contains_key(name));
        let missing = self.known.iter().filter(|(_, (_, missing))| missing.is_some());
        let kept: Vec<_> = missing.map(|(name, (listed, _))| (name.clone(), listed.clone())).collect();
        let any = !kept.is_empty();
        models.extend(kept);
        any
    }

    /// When a version that is being copied may be whole, or a model that is missing is given up, if there is one.
    pub(super) fn next_settled(&self) -> Option<Instant> {
        let given_up = self.known.values().filter_map(|(_, missing)| *missing).map(|missing| missing + self.settle);
        self.observer.next_settled(Instant::now()).into_iter().chain(given_up).min()
    }

    fn list_model(&mut self, model: &ModelDirectory, now: Instant) -> ListedModel {
        let listed_at = Instant::now();
        let settings =
            ModelSettings::for_model(model).map_err(|error| error_chain(&error)).map(|(settings, chosen)| {
                (settings, chosen.into_iter().map(|version| version.name).collect::<BTreeSet<_>>())
            });
        // While model.toml is invalid, the last valid settings apply, and nothing is loaded again because of a mistake.
        if let Ok((settings, _)) = &settings {
            self.valid.insert(model.name.clone(), settings.clone());
        }
        let loaded_by = self.valid.get(&model.name).cloned().unwrap_or_default();
        let versions = model.versions.iter().map(|version| {
            let Observation { content, whole, bytes } = self.observer.observe(version, now);
            // A version is loaded again if the settings that it is loaded with change.
            let content = observer::loaded_with(&content, &loaded_by);
            (ListedVersion { name: version.name.clone(), content, whole, bytes }, version.clone())
        });
        let versions = versions.collect();
        // A version that was requested by its path is served whatever a rollout says.
        let rollout =
            if model.by_path { Ok(None) } else { self.store.read(model).map_err(|error| error_chain(&error)) };
        ListedModel { listed_at, directory: model.clone(), settings, versions, rollout }
    }
}
