//! Wires the components together from the configuration, starts them and drains them. Contains no logic of its own.

use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use crate::{
    api::{
        http::{self, AccessControl, AppState, Scrapes, health},
        transport::{ByteBudget, Listen, Server, ServerThreads, Serving},
    },
    config::Config,
    lifecycle::{self, Phase, Shutdown},
    repository::{self, Loader, ModelError, Repository},
    runtime::{self, OrtLibrary, OrtLibraryError, ThreadCount},
    security::{self, RateLimiter, TokenStore, TokensError},
    serving::{MIN_BYTES_PER_ELEMENT, Recorder, Shadows},
    telemetry::{self, BuildInfo, LogHandle, Metrics, build},
};

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// ONNX Runtime could not be loaded.
    #[error(transparent)]
    Library(#[from] OrtLibraryError),
    /// The repository could not be read.
    #[error(transparent)]
    Repository(#[from] ModelError),
    /// The configuration names models that do not exist.
    #[error("{}", join_faults(.0))]
    Names(Vec<String>),
    /// A tokens file cannot be used.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// Metrics or logs could not be set up.
    #[error(transparent)]
    Telemetry(#[from] telemetry::TelemetryError),
    /// A socket could not be bound.
    #[error(transparent)]
    Listen(#[from] io::Error),
}

/// Joins several errors into one message.
fn join_faults(faults: &[String]) -> String {
    match faults {
        [fault] => fault.clone(),
        faults => format!("the configuration names models that do not exist:\n  {}", faults.join("\n  ")),
    }
}

/// Returns the names in the configuration that match no model, one message each.
///
/// # Errors
/// Returns [`StartError`] if the repository or the tokens file cannot be read.
pub fn name_faults(config: &Config) -> Result<Vec<String>, StartError> {
    let callers = tokens(&config.security.tokens_file)?;
    Ok(repository::name_errors(&config.repository, callers.iter().flat_map(TokenStore::limits))?)
}

/// Returns the byte budget of the health listener. It has its own: buffers of the other listeners must not keep an
/// orchestrator from checking health.
fn health_budget() -> Arc<ByteBudget> {
    const HEALTH_BYTES: usize = 16 << 20;
    ByteBudget::new(HEALTH_BYTES, Arc::default())
}

/// Everything that can fail before any model is loaded: the tokens files and the sockets.
struct Listeners {
    server: Server,
    threads: ServerThreads,
    tokens: Option<TokenStore>,
    admin: Option<(Server, TokenStore)>,
    health: Option<Server>,
}

impl Listeners {
    fn open(config: &Config) -> Result<Self, StartError> {
        let callers = tokens(&config.security.tokens_file)?;
        let administrators = tokens(&config.admin.tokens_file)?;
        let server = Server::bind(config.http.server.listen())?;
        let few = |host, port| {
            let (max_connections, max_connections_per_address) = (health::MAX_CONNECTIONS, health::MAX_CONNECTIONS);
            let listen = config.http.server.listen();
            Server::bind(Listen { host, port, max_connections, max_connections_per_address, ..listen })
        };
        let admin = match administrators {
            Some(tokens) => Some((few(config.admin.host.clone(), config.admin.port)?, tokens)),
            None => None,
        };
        let health = config.health.host.clone().map(|host| few(host, config.health.port)).transpose()?;
        // Cheap models run on these threads, and expensive ones leave them idle: start one per CPU.
        let threads = match config.http.threads {
            ThreadCount::Fixed(threads) => threads,
            ThreadCount::Auto => runtime::available_cpus(),
        };
        // Disable busy polling on one CPU: it would starve the client.
        let busy_poll = if runtime::available_cpus() > 1 { config.http.server.busy_poll() } else { Duration::ZERO };
        Ok(Self { server, threads: ServerThreads::start(threads, busy_poll)?, tokens: callers, admin, health })
    }
}

/// A running server.
pub struct App {
    address: SocketAddr,
    admin: Option<SocketAddr>,
    health: Option<SocketAddr>,
    shutdown: Shutdown,
    repository: Arc<Repository>,
    /// The threads end when the last reference is dropped, which must outlive the requests in flight.
    threads: Arc<ServerThreads>,
    settings: lifecycle::Settings,
}

impl App {
    /// Starts the server on the current runtime; returns once the sockets are bound. Models continue to load.
    ///
    /// # Errors
    /// Returns [`StartError`] if nothing could be served at all. A model that cannot be loaded is a state, not an
    /// error.
    pub fn start(config: &Config, log: LogHandle) -> Result<Self, StartError> {
        let library = OrtLibrary::load(&config.runtime.library)?;
        tracing::info!(
            library = %library.path().display(),
            version = library.version(),
            build = library.build(),
            "ONNX Runtime loaded"
        );
        let metrics = Arc::new(metrics(&library)?);
        let loader = Loader::new(library, config.runtime.clone())
            .with_coverage(config.repository.coverage)
            .with_time_limit(config.repository.load_timeout())
            .with_max_elements(config.http.server.max_answer_bytes / MIN_BYTES_PER_ELEMENT);
        note_open_files(config.http.server.max_connections);
        // Run everything that can fail first: the process must not exit while threads are inside the library.
        let edge = Listeners::open(config)?;
        let faults = repository::name_errors(&config.repository, edge.tokens.iter().flat_map(TokenStore::limits))?;
        if !faults.is_empty() {
            return Err(StartError::Names(faults));
        }
        let repository = Repository::open(&config.repository, &loader, Arc::clone(&metrics))?;
        Self::assemble(edge, config, repository, &metrics, log)
    }

    /// Like [`App::start`], with an existing repository.
    ///
    /// # Errors
    /// Returns the same errors as [`App::start`].
    pub fn with_repository(
        config: &Config,
        repository: Arc<Repository>,
        metrics: &Arc<Metrics>,
        log: LogHandle,
    ) -> Result<Self, StartError> {
        Self::assemble(Listeners::open(config)?, config, repository, metrics, log)
    }

    fn assemble(
        edge: Listeners,
        config: &Config,
        repository: Arc<Repository>,
        metrics: &Arc<Metrics>,
        log: LogHandle,
    ) -> Result<Self, StartError> {
        let shutdown = Shutdown::default();
        let app = Self {
            address: edge.server.address()?,
            admin: edge.admin.as_ref().map(|(server, _)| server.address()).transpose()?,
            health: edge.health.as_ref().map(Server::address).transpose()?,
            shutdown: shutdown.clone(),
            repository: Arc::clone(&repository),
            threads: Arc::new(edge.threads),
            settings: config.lifecycle.clone(),
        };
        metrics.watch_log(&log);
        let recorder = Recorder::new(Arc::clone(metrics)).with_client_addresses(config.telemetry.log_client_address);
        let access = access_control(&config.security, edge.tokens, &shutdown);
        let state = Arc::new(AppState {
            repository,
            shadows: Shadows::new(Arc::clone(metrics)),
            scrapes: Arc::new(Scrapes::new(Arc::clone(metrics))),
            shutdown,
            log,
            access: access.summary(),
            settings: config.http.server.clone(),
        });
        let budget = ByteBudget::new(config.http.server.max_buffered_bytes, metrics.buffered_bytes());
        let here = Arc::new(ServerThreads::current_runtime());
        let serving = |name, threads: &Arc<ServerThreads>| Serving {
            threads: Arc::clone(threads),
            shutdown: app.shutdown.clone(),
            budget: Arc::clone(&budget),
            name,
            metrics: metrics.connection_metrics(name),
        };
        if let Some((server, tokens)) = edge.admin {
            let service = http::admin_service(&state, tokens, recorder.clone());
            app.shutdown.spawn(server.serve(service, serving("admin", &here)));
        }
        if let Some(server) = edge.health {
            let serving = Serving { budget: health_budget(), ..serving("health", &here) };
            app.shutdown.spawn(server.serve(health_service(config, &state), serving));
        }
        let data = http::data_service(&state, access, recorder);
        app.shutdown.spawn(edge.server.serve(data, serving("data", &app.threads)));
        Ok(app)
    }

    /// Returns the address of the HTTP socket.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the address of the admin socket, if there is one.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Returns the address of the health socket, if there is one.
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.health
    }

    /// Returns the repository of models.
    pub fn repository(&self) -> &Arc<Repository> {
        &self.repository
    }

    /// Runs blocking work off the server threads; the drain waits for it.
    pub fn background(&self, work: impl FnOnce() + Send + 'static) {
        self.shutdown.spawn(async move {
            // Fails only if the work panics; the log is then the only place to report it.
            if let Err(error) = tokio::task::spawn_blocking(work).await {
                tracing::error!(%error, "background work failed");
            }
        });
    }

    /// Stops gracefully: reports not ready, waits for load balancers to notice, stops accepting requests, finishes
    /// those in flight, and cuts off those that do not finish in time.
    pub async fn drain(self) -> DrainOutcome {
        self.shutdown.advance(Phase::NotReady);
        self.repository.interrupt_loading();
        let delay = self.settings.drain_delay();
        if delay > Duration::ZERO {
            tracing::info!(delay_ms = self.settings.drain_delay_ms, "draining: still serving, no longer ready");
            tokio::time::sleep(delay).await;
        }
        self.shutdown.advance(Phase::Draining);
        let finished =
            tokio::time::timeout(self.settings.drain_timeout(), self.shutdown.wait_for_tasks()).await.is_ok();
        if finished {
            let repository = Arc::clone(&self.repository);
            // The workers are idle by now: joining them blocks only briefly, and not on this thread.
            let _ = tokio::task::spawn_blocking(move || repository.stop()).await;
            return DrainOutcome { finished, aborted: 0 };
        }
        self.shutdown.advance(Phase::Aborting);
        // Each connection counts the requests that it cuts off, and each of those is logged as unanswered.
        let _ = tokio::time::timeout(ABORT_GRACE, self.shutdown.wait_for_tasks()).await;
        let (aborted, timeout_ms) = (self.shutdown.aborted(), self.settings.drain_timeout_ms);
        tracing::warn!(aborted, timeout_ms, "drain timed out (lifecycle.drain_timeout_ms): requests were aborted");
        DrainOutcome { finished, aborted }
    }
}

fn health_service(config: &Config, state: &AppState) -> health::HealthService {
    health::HealthService {
        repository: Arc::clone(&state.repository),
        has_callers: !config.security.tokens_file.as_os_str().is_empty(),
        shutdown: state.shutdown.clone(),
        scrapes: config.health.metrics.then(|| Arc::clone(&state.scrapes)),
    }
}

/// The rules of the data listener.
fn access_control(settings: &security::Settings, tokens: Option<TokenStore>, shutdown: &Shutdown) -> AccessControl {
    AccessControl {
        tokens,
        rate: RateLimiter::new(settings.rate_limit_per_second, settings.rate_limit_burst),
        rate_limit_per_second: settings.rate_limit_per_second,
        metrics: settings.metrics,
        shutdown: shutdown.clone(),
    }
}

/// Raises the limit on open files, and warns if it allows fewer connections than the configuration.
fn note_open_files(max_connections: usize) {
    /// Open files other than connections: models, the log, and the runtime's own.
    const OTHERS: u64 = 128;
    let needed = (max_connections as u64).saturating_add(OTHERS);
    if let Some(limit) = lifecycle::raise_open_files().filter(|limit| *limit < needed) {
        tracing::warn!(
            limit,
            max_connections,
            "the limit on open files (ulimit -n) is lower than http.max_connections requires"
        );
    }
}

/// How long connections may take to end once their requests are cut off.
const ABORT_GRACE: Duration = Duration::from_secs(1);

/// Outcome of a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DrainOutcome {
    /// Whether all requests finished in time.
    pub finished: bool,
    /// Number of requests that were cut off.
    pub aborted: usize,
}

/// Returns new metrics that name this build.
///
/// # Errors
/// Returns [`telemetry::TelemetryError`] if they cannot be registered.
pub fn metrics(library: &OrtLibrary) -> Result<Metrics, telemetry::TelemetryError> {
    Metrics::new(&BuildInfo {
        version: build::VERSION,
        revision: build::REVISION,
        onnxruntime: library.version(),
        onnxruntime_built_for: runtime::EXPECTED_VERSION,
        features: build::FEATURES,
    })
}

fn tokens(path: &Path) -> Result<Option<TokenStore>, TokensError> {
    if path.as_os_str().is_empty() { Ok(None) } else { TokenStore::read(path).map(Some) }
}
