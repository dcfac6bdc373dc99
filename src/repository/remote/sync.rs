//! One sync: from a listing of the store to directories in the cache.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use super::{
    super::{
        error::ModelError,
        file_names::{GRAPH, MODEL_SETTINGS},
        files::digest_file,
        scan::{ModelDirectory, ScanResult, VersionDirectory},
    },
    Client,
    address::StoreAddress,
    cache::MirrorCache,
    listing::{RemoteModel, RemoteVersion, group},
    object::{Download, RemoteObject},
    store_error::StoreError,
    wholeness::{FirstSeen, MANIFEST, MirrorDecision, SyncTime, decide, settled},
};
use crate::{domain::name::ModelName, telemetry::error_chain};

/// What is remembered from one sync to the next.
#[derive(Debug, Default)]
pub(super) struct Synced {
    first_seen: FirstSeen,
    /// Whether a sync has succeeded.
    pub(super) is_complete: bool,
    /// The directories of the last result, by `<model>/<version>`.
    pub(super) directories: BTreeMap<String, PathBuf>,
    /// The blobs of everything that was listed.
    pub(super) blobs: BTreeSet<PathBuf>,
    /// The versions that are not whole, with reasons.
    pub(super) waiting: Vec<String>,
}

/// The parts of a repository that a sync uses.
pub(super) struct Mirror<'a> {
    pub(super) address: &'a StoreAddress,
    pub(super) client: &'a Client,
    pub(super) cache: &'a MirrorCache,
    pub(super) settle: Duration,
}

/// A version that is not in the cache yet, and what it must satisfy.
struct NewVersion<'a> {
    model: &'a ModelName,
    version: &'a RemoteVersion,
    /// `<model>/<version>`.
    path: String,
    fingerprint: String,
    /// The digests that its files must have, by name.
    digests: BTreeMap<String, String>,
}

/// The downloads that failed, by key.
type Failures = BTreeMap<String, StoreError>;

/// What came of the versions in one sync.
#[derive(Default)]
struct SyncOutcome {
    /// Directories by `<model>/<version>`.
    directories: BTreeMap<String, PathBuf>,
    waiting: Vec<String>,
    problems: Vec<ModelError>,
}

impl SyncOutcome {
    fn wait(&mut self, path: &str, reason: &str) {
        tracing::debug!(version = path, reason, "not whole yet");
        self.waiting.push(format!("{path}: {reason}"));
    }

    /// Takes note of a version whose file could not be mirrored.
    fn report(&mut self, address: &StoreAddress, path: &str, file: &str, error: &StoreError) {
        if matches!(error, StoreError::Changed) {
            self.wait(path, &format!("{file} changed while it was downloaded"));
        } else {
            let url = address.url(&format!("{path}/{file}"));
            self.problems.push(ModelError::Content { path: url.into(), detail: error_chain(error) });
        }
    }
}

impl Mirror<'_> {
    /// Mirrors the versions that are whole, and returns all that can be served.
    pub(super) fn sync(&self, synced: &mut Synced) -> Result<ScanResult, ModelError> {
        let store_error = |source| ModelError::Store { url: self.address.to_string(), source };
        let listed = self.client.list(&self.address.prefix).map_err(store_error)?;
        let listing = group(self.address, listed)?;
        let mut outcome = SyncOutcome { problems: listing.problems, ..SyncOutcome::default() };
        let failed_documents = self.fetch(&self.documents(&listing.models));
        let new = self.plan(&listing.models, synced, &failed_documents, &mut outcome);
        self.complete(&new, &mut outcome);
        let objects = listing.models.iter().flat_map(|model| {
            model.settings.iter().chain(model.versions.iter().flat_map(|version| version.files.values()))
        });
        synced.blobs = objects.map(|object| self.cache.blob(object)).collect();
        let result = self.result(&listing.models, synced, &failed_documents, outcome);
        synced.is_complete = true;
        Ok(result)
    }

    /// The small objects that decide about the others: model.toml, and version.json of versions that are not cached.
    fn documents<'a>(&self, models: &'a [RemoteModel]) -> Vec<&'a RemoteObject> {
        let mut documents = Vec::new();
        for model in models {
            documents.extend(&model.settings);
            let new = model.versions.iter().filter(|version| self.cached(&model.name, version).is_none());
            documents.extend(new.filter_map(|version| version.files.get(MANIFEST)));
        }
        documents
    }

    fn cached(&self, model: &ModelName, version: &RemoteVersion) -> Option<PathBuf> {
        let directory = self.cache.version_directory(model, &version.name, &version.fingerprint());
        directory.is_dir().then_some(directory)
    }

    /// Decides about every version: it is cached, or is mirrored now, or waits.
    fn plan<'a>(
        &self,
        models: &'a [RemoteModel],
        synced: &mut Synced,
        failed: &Failures,
        outcome: &mut SyncOutcome,
    ) -> Vec<NewVersion<'a>> {
        let (now, mut new, mut listed) = (SyncTime::now(), Vec::new(), BTreeSet::new());
        let versions = models.iter().flat_map(|model| model.versions.iter().map(move |version| (&model.name, version)));
        for (model, version) in versions {
            let path = format!("{model}/{}", version.name);
            let fingerprint = version.fingerprint();
            listed.insert(path.clone());
            let seen = synced.first_seen.observe(&path, &fingerprint, now.instant);
            if let Some(directory) = self.cached(model, version) {
                outcome.directories.insert(path, directory);
                continue;
            }
            let manifest = version.files.get(MANIFEST);
            if let Some(error) = manifest.and_then(|object| failed.get(&object.key)) {
                outcome.report(self.address, &path, MANIFEST, error);
                continue;
            }
            let text = manifest.and_then(|object| fs::read_to_string(self.cache.blob(object)).ok());
            let is_settled = settled(version, seen, self.settle, now);
            let digests = match decide(version, text.as_deref(), is_settled) {
                MirrorDecision::Take => BTreeMap::new(),
                MirrorDecision::TakeIfDigestsMatch(digests) => digests,
                MirrorDecision::Wait(reason) => {
                    outcome.wait(&path, &reason);
                    continue;
                }
            };
            new.push(NewVersion { model, version, path, fingerprint, digests });
        }
        synced.first_seen.retain(|path| listed.contains(path));
        new
    }

    /// Downloads the files of new versions and builds their directories.
    fn complete(&self, new: &[NewVersion<'_>], outcome: &mut SyncOutcome) {
        let objects: Vec<&RemoteObject> = new.iter().flat_map(|new| new.version.files.values()).collect();
        let missing = objects.iter().filter(|object| !self.cache.blob(object).is_file());
        let (files, bytes) = missing.fold((0, 0), |(files, bytes), object| (files + 1, bytes + object.size));
        let started = Instant::now();
        if files > 0 {
            tracing::info!(repository = %self.address, versions = new.len(), files, bytes, "downloading models");
        }
        let failed = self.fetch(&objects);
        if files > 0 {
            let seconds = started.elapsed().as_secs_f64();
            tracing::info!(repository = %self.address, files, bytes, failed = failed.len(), seconds, "downloaded models");
        }
        for new in new {
            self.build(new, &failed, outcome);
        }
    }

    fn build(&self, new: &NewVersion<'_>, failed: &Failures, outcome: &mut SyncOutcome) {
        for (file, object) in &new.version.files {
            if let Some(error) = failed.get(&object.key) {
                outcome.report(self.address, &new.path, file, error);
                return;
            }
        }
        for (file, expected) in &new.digests {
            let found = new.version.files.get(file).and_then(|object| digest_file(&self.cache.blob(object)).ok());
            if found.as_deref() != expected.strip_prefix("sha256:") {
                outcome.wait(&new.path, &format!("{file} does not have the digest in version.json yet"));
                return;
            }
        }
        match self.cache.assemble(new.model, new.version, &new.fingerprint) {
            Ok(directory) => _ = outcome.directories.insert(new.path.clone(), directory),
            Err(error) => outcome.report(self.address, &new.path, "", &error),
        }
    }

    /// Downloads the objects that the cache lacks.
    fn fetch(&self, objects: &[&RemoteObject]) -> Failures {
        let mut failures = Failures::new();
        let missing: Vec<Download> = objects.iter().filter_map(|object| self.cache.missing(object)).collect();
        if missing.is_empty() {
            return failures;
        }
        for (download, outcome) in self.client.download(missing) {
            if let Err(error) = outcome.and_then(|()| self.cache.accept(&download)) {
                // What arrived of it would only take space until the next start.
                let _ = fs::remove_file(&download.target);
                failures.insert(download.object.key, error);
            }
        }
        failures
    }

    /// The models that can be served. A version without new content keeps its directory of the last result.
    fn result(
        &self,
        models: &[RemoteModel],
        synced: &mut Synced,
        failed: &Failures,
        mut outcome: SyncOutcome,
    ) -> ScanResult {
        let mut result = ScanResult::default();
        let mut served = BTreeMap::new();
        for model in models {
            if !self.place_settings(model, failed, &mut outcome.problems) {
                continue;
            }
            let mut versions = Vec::new();
            for version in &model.versions {
                let path = format!("{}/{}", model.name, version.name);
                let previous = synced.directories.get(&path).filter(|directory| directory.is_dir());
                if let Some(directory) = outcome.directories.get(&path).or(previous).cloned() {
                    served.insert(path, directory.clone());
                    let graph = directory.join(GRAPH);
                    versions.push(VersionDirectory { name: version.name.clone(), graph, directory: Some(directory) });
                }
            }
            if !versions.is_empty() {
                let directory = Some(self.cache.model_directory(&model.name));
                result.models.push(ModelDirectory { name: model.name.clone(), directory, versions, by_path: false });
            }
        }
        (synced.directories, synced.waiting) = (served, outcome.waiting);
        result.problems = outcome.problems;
        result
    }

    /// Mirrors model.toml. Returns false if the settings of the model are not known, so that it cannot be served.
    fn place_settings(&self, model: &RemoteModel, failed: &Failures, problems: &mut Vec<ModelError>) -> bool {
        let failure =
            model.settings.as_ref().and_then(|object| failed.get(&object.key)).map(|error| error_chain(error));
        let failure = failure.or_else(|| {
            self.cache.place_settings(&model.name, model.settings.as_ref()).err().map(|error| error_chain(&error))
        });
        let Some(detail) = failure else { return true };
        let path = self.address.url(&format!("{}/{MODEL_SETTINGS}", model.name)).into();
        problems.push(ModelError::Content { path, detail });
        // The previous model.toml stays in force.
        self.cache.model_directory(&model.name).join(MODEL_SETTINGS).is_file()
    }
}
