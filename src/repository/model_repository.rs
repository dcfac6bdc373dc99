//! The models of a server: starts the threads that list, load and publish them, and passes requests for changes on.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::JoinHandle,
};

use arc_swap::Guard;
use tokio::sync::oneshot;

use super::{
    Settings,
    catalog::{Catalog, ModelEntry, VersionEntry, VersionState},
    coordinator::{Coordinator, OnGated},
    error::ModelError,
    event::Event,
    listing::Lister,
    load_job::{LoadOutcome, Loads},
    load_supervisor::LoadSupervisor,
    loader::Loader,
    model_version::ModelVersion,
    move_request::{MoveRefused, MoveRequest},
    open_source::open_source,
    published::Published,
    retirement::Retirement,
    routing::{RolloutStatus, Routing},
    watch::{Wake, watch},
};
use crate::telemetry::Metrics;

/// The most events that wait for the coordinator.
const MAX_EVENTS: usize = 256;

/// The most reasons to list the repository that wait.
const MAX_WAKES: usize = 64;

/// The models of a server.
pub struct Repository {
    published: Arc<Published>,
    /// `None` for a repository of given versions, which does not change.
    control: Option<Control>,
}

/// How the threads of a repository are told what to do.
struct Control {
    events: mpsc::SyncSender<Event>,
    wakes: mpsc::SyncSender<Wake>,
    loads: LoadSupervisor,
    interrupted: AtomicBool,
    coordinator: Mutex<Option<JoinHandle<()>>>,
}

impl Repository {
    /// Lists the repository, publishes every version as loading, and starts to load. Returns immediately.
    ///
    /// # Errors
    /// Returns [`ModelError`] if the repository itself cannot be read. Problems inside it are logged and are part of
    /// the catalog.
    pub fn open(settings: &Settings, loader: &Loader, metrics: Arc<Metrics>) -> Result<Arc<Self>, ModelError> {
        let (source, store) = open_source(settings)?;
        let settle = settings.settle();
        let mut lister = Lister::new(source, Arc::clone(&store), settle, &settings.default_model);
        let first = lister.list()?;
        let (events, received) = mpsc::sync_channel(MAX_EVENTS);
        let (wakes, woken) = mpsc::sync_channel(MAX_WAKES);
        let published = Arc::new(Published::default());
        let (after_load, list_again) = (events.clone(), wakes.clone());
        let on_loaded = Arc::new(move |outcome: LoadOutcome| {
            let is_outdated = outcome.result.is_none();
            // The coordinator ends after the last load; ignore the error.
            let _ = after_load.send(Event::Loaded(Box::new(outcome)));
            if is_outdated {
                // If there is no room, the repository is about to be listed anyway.
                let _ = list_again.try_send(Wake::Changed);
            }
        });
        let loads = Loads::new(loader.clone(), Arc::clone(&metrics), settings.max_loading_bytes, on_loaded);
        let after_retirement = events.clone();
        let on_retired = Box::new(move |model, version| _ = after_retirement.send(Event::Retired(model, version)));
        let no_thread = |source| ModelError::Thread { source };
        let retirement = Retirement::start(on_retired).map_err(no_thread)?;
        let gated = events.clone();
        let on_gated: OnGated =
            Arc::new(move |model, inputs, failures| _ = gated.send(Event::Gated(model, inputs, failures)));
        let parts = (loads, retirement, on_gated);
        let mut coordinator = Coordinator::new(Arc::clone(&published), store, metrics, parts, settle);
        // The first catalog is there before anyone can ask for it.
        coordinator.handle(Event::Listed(Ok(first), Vec::new()));
        let (after_listing, own, interval) = (events.clone(), wakes.clone(), settings.poll_interval());
        let coordinator = spawn("repository", move || coordinator.run(&received)).map_err(no_thread)?;
        let listing = spawn("lister", move || {
            // The coordinator ends with the server; ignore the error.
            watch(lister, (own, woken), interval, |event| _ = after_listing.send(event));
        });
        // Nobody waits for the lister, which may wait for a file system or a network.
        listing.map_err(no_thread)?;
        let coordinator = Mutex::new(Some(coordinator));
        let (loads, interrupted) = (loader.loads.clone(), AtomicBool::new(false));
        let control = Some(Control { events, wakes, loads, interrupted, coordinator });
        Ok(Arc::new(Self { published, control }))
    }

    /// Creates a repository of ready versions, for tests with their own executors.
    pub fn from_versions(versions: Vec<ModelVersion>) -> Arc<Self> {
        let mut catalog = Catalog::default();
        for version in versions {
            let (name, version) = (version.model.clone(), Arc::new(version));
            let entry = catalog.models.entry(name.clone()).or_insert_with(|| ModelEntry {
                name,
                required: true,
                versions: Vec::new(),
                routing: Arc::default(),
                rollout: Arc::default(),
            });
            entry.routing = Arc::new(Routing { stable: Some(Arc::clone(&version)), split: None });
            entry.rollout =
                Arc::new(RolloutStatus { stable: Some(version.version.clone()), ..RolloutStatus::default() });
            let (name, state) = (version.version.clone(), VersionState::Ready(version));
            entry.versions.push(VersionEntry { name, state, problems: Arc::default() });
        }
        let published = Published::default();
        published.catalog.store(Arc::new(catalog));
        published.set_settled();
        Arc::new(Self { published: Arc::new(published), control: None })
    }

    /// The current catalog. A request reads it once.
    pub fn catalog(&self) -> Guard<Arc<Catalog>> {
        self.published.catalog.load()
    }

    /// Waits until every version that was found at start is loaded or has failed. Blocks.
    pub fn wait_until_loaded(&self) {
        self.published.wait_until_settled();
    }

    /// Interrupts the loads in progress and starts no further ones, because the server is stopping.
    pub fn interrupt_loading(&self) {
        let Some(control) = &self.control else { return };
        control.interrupted.store(true, Ordering::Relaxed);
        control.loads.stop();
        // The threads may have ended already; ignore the errors. The lister ends with its sender if there is no room.
        let _ = (control.wakes.try_send(Wake::Stop), control.events.send(Event::Stop));
    }

    /// Whether loading was interrupted.
    pub fn is_interrupted(&self) -> bool {
        self.control.as_ref().is_some_and(|control| control.interrupted.load(Ordering::Relaxed))
    }

    /// Makes a move. Returns whether it changed anything.
    ///
    /// # Errors
    /// Returns [`MoveRefused`] with the reason.
    pub async fn make_move(&self, request: MoveRequest) -> Result<bool, MoveRefused> {
        let control = self.control.as_ref().ok_or(MoveRefused::Stopping)?;
        let (reply, outcome) = oneshot::channel();
        control.events.try_send(Event::Move(Box::new(request), reply)).map_err(|error| match error {
            mpsc::TrySendError::Full(_) => MoveRefused::Busy,
            mpsc::TrySendError::Disconnected(_) => MoveRefused::Stopping,
        })?;
        outcome.await.unwrap_or(Err(MoveRefused::Stopping))
    }

    /// Lists the repository again, and waits until the result is published. Loads go on afterwards.
    ///
    /// # Errors
    /// Returns why the repository cannot be listed.
    pub async fn reload(&self) -> Result<(), ReloadError> {
        let control = self.control.as_ref().ok_or(ReloadError::Stopping)?;
        let (reply, outcome) = oneshot::channel();
        control.wakes.try_send(Wake::Asked(Some(reply))).map_err(|error| match error {
            mpsc::TrySendError::Full(_) => ReloadError::Busy,
            mpsc::TrySendError::Disconnected(_) => ReloadError::Stopping,
        })?;
        outcome.await.map_err(|_| ReloadError::Stopping)?.map_err(ReloadError::Listing)
    }

    /// Lists the repository again soon.
    pub fn request_reload(&self) {
        if let Some(control) = &self.control {
            // If there is no room, the repository is about to be listed anyway.
            let _ = control.wakes.try_send(Wake::Asked(None));
        }
    }

    /// Stops the workers of every version after they have processed their queues. Blocks until they are done.
    pub fn stop(&self) {
        self.interrupt_loading();
        let coordinator = self
            .control
            .as_ref()
            .and_then(|control| control.coordinator.lock().unwrap_or_else(PoisonError::into_inner).take());
        if coordinator.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the thread of the repository panicked");
        }
        for version in self.catalog().models.values().flat_map(|entry| &entry.versions) {
            if let VersionState::Ready(version) = &version.state {
                version.engine.stop();
            }
        }
    }
}

impl Drop for Repository {
    fn drop(&mut self) {
        self.interrupt_loading();
    }
}

/// Why the repository cannot be listed again.
#[derive(Debug, Clone, thiserror::Error)]
pub enum ReloadError {
    /// The listing failed.
    #[error("{0}")]
    Listing(String),
    /// Too many requests to list it wait.
    #[error("too many requests to reload are waiting; try again")]
    Busy,
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopping,
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(work)
}
