//! Loads versions in parallel on separate threads and publishes each change of the catalog.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use arc_swap::ArcSwap;

use super::{
    Settings,
    catalog::{Catalog, ModelEntry, ModelVersion, VersionEntry, VersionState},
    default_model::default_model,
    error::{LoadError, ModelError},
    load_supervisor::LoadSupervisor,
    loader::Loader,
    model_settings::ModelSettings,
    scan::{ModelDirectory, VersionDirectory, scan},
    verified_version::VerifiedVersion,
};
use crate::{
    domain::findings::Finding,
    runtime,
    telemetry::{Metrics, ModelState, error_chain},
};

/// The models of a server.
pub struct Repository {
    catalog: ArcSwap<Catalog>,
    metrics: Arc<Metrics>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    loads: LoadSupervisor,
}

/// A version to be loaded, with its model's settings.
#[derive(Clone)]
struct LoadJob {
    model: ModelDirectory,
    version: VersionDirectory,
    settings: ModelSettings,
    /// The number of newer versions of the same model.
    newer: usize,
}

impl Repository {
    /// Scans the repository, publishes every version as loading, and starts to load. Returns immediately.
    ///
    /// # Errors
    /// Returns [`ModelError`] if the repository itself cannot be read. Problems inside it are logged and are part of
    /// the catalog.
    pub fn open(settings: &Settings, loader: &Loader, metrics: Arc<Metrics>) -> Result<Arc<Self>, ModelError> {
        let listing = scan(&settings.models)?;
        for problem in &listing.problems {
            tracing::error!("{problem}");
        }
        let default_model = default_model(&settings.default_model, &listing.models);
        let mut models = BTreeMap::new();
        let mut tasks = Vec::new();
        for model in listing.models {
            let (entry, mut found) = plan_loads(&model);
            tasks.append(&mut found);
            models.insert(model.name.clone(), entry);
        }
        let catalog = Catalog { models, default_model };
        put_in_order(&mut tasks, catalog.default_name());
        let (catalog, loads) = (ArcSwap::from_pointee(catalog), loader.loads.clone());
        let repository = Arc::new(Self { catalog, metrics, threads: Mutex::default(), loads });
        repository.load_all(tasks, loader);
        Ok(repository)
    }

    /// Creates a repository of ready versions, for tests with their own executors.
    pub fn from_versions(versions: Vec<ModelVersion>, metrics: Arc<Metrics>) -> Arc<Self> {
        let mut catalog = Catalog::default();
        for version in versions {
            let entry = catalog.models.entry(version.model.clone()).or_insert_with(|| ModelEntry {
                name: version.model.clone(),
                required: true,
                versions: Vec::new(),
            });
            entry
                .versions
                .push(VersionEntry { name: version.version.clone(), state: VersionState::Ready(Arc::new(version)) });
        }
        let (catalog, loads) = (ArcSwap::from_pointee(catalog), LoadSupervisor::new(Duration::ZERO));
        Arc::new(Self { catalog, metrics, threads: Mutex::default(), loads })
    }

    /// The current catalog. A request reads it once.
    pub fn catalog(&self) -> arc_swap::Guard<Arc<Catalog>> {
        self.catalog.load()
    }

    /// Waits until every version is loaded or has failed. Blocks.
    pub fn wait_until_loaded(&self) {
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.join().is_err() {
                tracing::error!("a loading thread panicked");
            }
        }
    }

    /// Interrupts the loads in progress and starts no further ones, because the server is stopping.
    pub fn interrupt_loading(&self) {
        self.loads.stop();
    }

    /// Whether loading was interrupted.
    pub fn is_interrupted(&self) -> bool {
        self.loads.is_stopped()
    }

    /// Stops the workers of every version after they have processed their queues. Blocks until they are done.
    pub fn stop(&self) {
        self.wait_until_loaded();
        for entry in self.catalog().models.values() {
            for version in &entry.versions {
                if let VersionState::Ready(version) = &version.state {
                    version.engine.stop();
                }
            }
        }
    }

    /// Loads the versions in this order, in parallel on as many threads as there are CPUs.
    fn load_all(self: &Arc<Self>, tasks: Vec<LoadJob>, loader: &Loader) {
        let tasks: Arc<[LoadJob]> = tasks.into();
        let next = Arc::new(AtomicUsize::new(0));
        let count = runtime::available_cpus().min(tasks.len());
        let mut threads = self.threads.lock().unwrap_or_else(PoisonError::into_inner);
        for _ in 0..count {
            let (repository, tasks, next, loader) =
                (Arc::clone(self), Arc::clone(&tasks), Arc::clone(&next), loader.clone());
            let work = move || {
                while let Some(task) = tasks.get(next.fetch_add(1, Ordering::Relaxed)) {
                    repository.load(task, &loader);
                }
            };
            match std::thread::Builder::new().name("loads".to_owned()).spawn(work) {
                Ok(thread) => threads.push(thread),
                Err(error) => tracing::error!(%error, "a loading thread could not be started"),
            }
        }
    }

    fn load(&self, task: &LoadJob, loader: &Loader) {
        let (model, version) = (&task.model.name, &task.version.name);
        self.metrics.set_state(model.as_str(), version.as_str(), ModelState::Loading);
        let state = match loader.load(model, &task.version, &task.settings, &self.metrics) {
            Ok(served) => {
                log_loaded(&served);
                VersionState::Ready(Arc::new(served))
            }
            Err(errors) => {
                for error in &errors {
                    if matches!(error, LoadError::Stopped) {
                        tracing::info!(%model, %version, "{}", error_chain(error));
                    } else {
                        tracing::error!(%model, %version, "{}", error_chain(error));
                    }
                    if matches!(error, LoadError::TimedOut { stuck: true, .. }) {
                        self.metrics.count_abandoned_load();
                    }
                }
                VersionState::Unavailable(errors.iter().map(|error| error_chain(error)).collect())
            }
        };
        let ready = matches!(state, VersionState::Ready(_));
        self.catalog.rcu(|catalog| {
            let mut catalog = Catalog::clone(catalog);
            let versions = catalog.models.get_mut(model).map(|entry| &mut entry.versions);
            for entry in versions.into_iter().flatten().filter(|entry| entry.name == *version) {
                entry.state = state.clone();
            }
            catalog
        });
        // Report readiness only after the catalog has it.
        let state = if ready { ModelState::Ready } else { ModelState::Unavailable };
        self.metrics.set_state(model.as_str(), version.as_str(), state);
    }
}

/// Sorts the versions into load order: those of the default model, then the newest of every model, then the next
/// newest. A model answers as soon as its newest version is ready.
fn put_in_order(tasks: &mut [LoadJob], default_model: Option<&str>) {
    tasks.sort_by_key(|task| {
        let other = default_model != Some(task.model.name.as_str());
        (other, task.newer)
    });
}

/// Logs a loaded version and its notes.
fn log_loaded(version: &ModelVersion) {
    let cost = version.probe.cost.batch_time(1);
    tracing::info!(
        model = %version.model,
        version = %version.version,
        contract = version.contract_id,
        providers = version.providers.join(","),
        placement = version.plan.placement.as_str(),
        workers = version.plan.workers,
        intra_threads = version.plan.intra_threads,
        row_cost_us = u64::try_from(cost.as_micros()).unwrap_or(u64::MAX),
        batch_max_abs_diff = version.probe.largest_difference,
        uncertainty_method = version.uncertainty_method(),
        load_ms = u64::try_from(version.load.as_millis()).unwrap_or(u64::MAX),
        "loaded"
    );
    for note in &version.notes {
        tracing::warn!(model = %version.model, version = %version.version, "{note}");
    }
}

/// Returns a model's entry in the first catalog, and its versions to load.
fn plan_loads(model: &ModelDirectory) -> (ModelEntry, Vec<LoadJob>) {
    let mut entry = ModelEntry { name: model.name.clone(), required: true, versions: Vec::new() };
    let mut tasks = Vec::new();
    match ModelSettings::for_model(model) {
        Ok((settings, chosen)) => {
            entry.required = settings.required;
            let count = chosen.len();
            for (index, version) in chosen.into_iter().enumerate() {
                entry.versions.push(VersionEntry { name: version.name.clone(), state: VersionState::Loading });
                let newer = count - 1 - index;
                tasks.push(LoadJob { model: model.clone(), version, settings: settings.clone(), newer });
            }
        }
        Err(error) => {
            tracing::error!(model = %model.name, "{}", error_chain(&error));
            let reason: Arc<[String]> = Arc::from([error_chain(&error)]);
            let versions = model.versions.iter();
            entry.versions = versions
                .map(|version| VersionEntry {
                    name: version.name.clone(),
                    state: VersionState::Unavailable(Arc::clone(&reason)),
                })
                .collect();
        }
    }
    (entry, tasks)
}

/// Verifies every version of a repository in turn and passes each verified version, or all its errors, to `each`.
///
/// # Errors
/// Returns [`ModelError`] if the repository itself cannot be read.
pub fn verify_all(
    settings: &Settings,
    loader: &Loader,
    mut each: impl FnMut(&str, Result<VerifiedVersion, Vec<String>>),
) -> Result<(), ModelError> {
    check_all(settings, loader, |name, outcome, _| each(name, outcome))
}

/// Like [`verify_all`], but also passes the findings about each version. Used by `candor check`.
///
/// # Errors
/// As for [`verify_all`].
pub fn check_all(
    settings: &Settings,
    loader: &Loader,
    mut each: impl FnMut(&str, Result<VerifiedVersion, Vec<String>>, &[Finding]),
) -> Result<(), ModelError> {
    let listing = scan(&settings.models)?;
    for problem in listing.problems {
        each("repository", Err(vec![problem.to_string()]), &[]);
    }
    for model in &listing.models {
        let (settings, chosen) = ModelSettings::for_model(model).unwrap_or_else(|error| {
            each(model.name.as_str(), Err(vec![error_chain(&error)]), &[]);
            // Check the versions anyway, so that all problems are reported at once.
            (ModelSettings::default(), model.versions.clone())
        });
        for version in &chosen {
            let name = format!("{} {}", model.name, version.name);
            let errors = |errors: Vec<LoadError>| errors.iter().map(|error| error_chain(error)).collect();
            let judged = loader.check(&model.name, version, &settings);
            each(&name, judged.outcome.map_err(errors), &judged.findings);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::name::{ModelName, VersionName};

    #[test]
    fn the_default_model_loads_first_and_then_the_newest_of_each() {
        let model = |name: &str, versions: &[&str]| {
            let version = |name: &&str| VersionDirectory {
                name: VersionName::new(name).expect("a name"),
                graph: "model.onnx".into(),
                directory: None,
            };
            let (name, versions) = (ModelName::new(name).expect("a name"), versions.iter().map(version).collect());
            plan_loads(&ModelDirectory { name, directory: None, versions, by_path: true }).1
        };
        let all = || [model("a", &["1", "2"]), model("b", &["1", "2", "3"]), model("c", &["1"])].concat();
        let cases = [
            (Some("b"), ["b 3", "b 2", "b 1", "a 2", "c 1", "a 1"]),
            (None, ["a 2", "b 3", "c 1", "a 1", "b 2", "b 1"]),
        ];
        for (default_model, expected) in cases {
            let mut tasks = all();
            put_in_order(&mut tasks, default_model);
            let order: Vec<String> =
                tasks.iter().map(|task| format!("{} {}", task.model.name, task.version.name)).collect();
            assert_eq!(order, expected);
        }
    }
}
