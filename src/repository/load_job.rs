//! Loads on threads of their own: as many at once as there are processors, within a budget of bytes.

use std::sync::Arc;

use super::{
    error::LoadError, loader::Loader, model_settings::ModelSettings, model_version::ModelVersion, observer,
    scan::VersionDirectory,
};
use crate::{
    domain::{
        name::{ModelName, VersionName},
        rollout::ContentId,
    },
    runtime,
    telemetry::Metrics,
};

/// A version to be loaded.
pub(super) struct LoadJob {
    pub(super) model: ModelName,
    pub(super) directory: VersionDirectory,
    /// Its content when the load was decided.
    pub(super) content: ContentId,
    /// The size of its files.
    pub(super) bytes: u64,
    pub(super) settings: ModelSettings,
}

/// The end of a load.
pub(super) struct LoadOutcome {
    pub(super) model: ModelName,
    pub(super) version: VersionName,
    pub(super) content: ContentId,
    pub(super) bytes: u64,
    /// `None` if the files changed while they were read, so that the version may be a mixture.
    pub(super) result: Option<Result<ModelVersion, Vec<LoadError>>>,
}

/// What to do with the end of a load; called on the thread of the load.
pub(super) type OnLoaded = Arc<dyn Fn(LoadOutcome) + Send + Sync>;

/// The loads in progress.
pub(super) struct Loads {
    loader: Loader,
    metrics: Arc<Metrics>,
    on_loaded: OnLoaded,
    max_bytes: u64,
    running: usize,
    bytes: u64,
}

impl Loads {
    pub(super) fn new(loader: Loader, metrics: Arc<Metrics>, max_bytes: u64, on_loaded: OnLoaded) -> Self {
        Self { loader, metrics, on_loaded, max_bytes, running: 0, bytes: 0 }
    }

    pub(super) fn is_idle(&self) -> bool {
        self.running == 0
    }

    /// Whether a version of this size may be loaded now. A version that exceeds the budget is loaded alone.
    pub(super) fn has_room(&self, bytes: u64) -> bool {
        let fits = self.bytes.saturating_add(bytes) <= self.max_bytes;
        self.is_idle() || fits && self.running < runtime::available_cpus()
    }

    /// Starts a load.
    pub(super) fn start(&mut self, job: LoadJob) {
        (self.running, self.bytes) = (self.running + 1, self.bytes.saturating_add(job.bytes));
        let (loader, metrics, on_loaded) =
            (self.loader.clone(), Arc::clone(&self.metrics), Arc::clone(&self.on_loaded));
        let LoadJob { model, directory, content, bytes, settings } = job;
        let (of, version, planned) = (model.clone(), directory.name.clone(), content.clone());
        let work = move || {
            let result = loader.load(&model, &directory, &settings, &metrics);
            let unchanged = observer::content_of(&directory, &settings) == content;
            let version = directory.name.clone();
            let stopped = |errors: &Vec<LoadError>| errors.iter().any(|error| matches!(error, LoadError::Stopped));
            let result = Some(result).filter(|result| unchanged || result.as_ref().is_err_and(stopped));
            on_loaded(LoadOutcome { model, version, content, bytes, result });
        };
        if let Err(source) = std::thread::Builder::new().name("loads".to_owned()).spawn(work) {
            let result = Some(Err(vec![LoadError::Workers { source }]));
            (self.on_loaded)(LoadOutcome { model: of, version, content: planned, bytes, result });
        }
    }

    /// A load of a version of this size ended.
    pub(super) fn ended(&mut self, bytes: u64) {
        (self.running, self.bytes) = (self.running.saturating_sub(1), self.bytes.saturating_sub(bytes));
    }
}
