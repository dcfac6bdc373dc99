//! Builds everything from the configuration, starts it, drains it. Decides nothing by itself.

use std::{io, net::SocketAddr, path::Path, sync::Arc, time::Duration};

use crate::{
    api::{
        http::{self, Scrapes, Services, admin, health},
        transport::{Budget, Listen, Server, Serving, Threads},
    },
    config::Config,
    lifecycle::{self, Phase, Shutdown},
    repository::{self, Loader, ModelError, Repository},
    runtime::{self, Auto, Library, LibraryError},
    security::{RateLimiter, Tokens, TokensError},
    serving::{MIN_BYTES_PER_ELEMENT, Recorder},
    telemetry::{self, Build, LogHandle, Metrics, build},
};

/// Why the server did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// ONNX Runtime could not be loaded.
    #[error(transparent)]
    Library(#[from] LibraryError),
    /// The repository could not be read.
    #[error(transparent)]
    Repository(#[from] ModelError),
    /// The configuration names models that are not there.
    #[error("{}", told(.0))]
    Names(Vec<String>),
    /// A file of tokens cannot be used.
    #[error(transparent)]
    Tokens(#[from] TokensError),
    /// Metrics or logs could not be set up.
    #[error(transparent)]
    Telemetry(#[from] telemetry::Error),
    /// A socket could not be bound.
    #[error(transparent)]
    Listen(#[from] io::Error),
}

/// Several faults as one text.
fn told(faults: &[String]) -> String {
    match faults {
        [fault] => fault.clone(),
        faults => format!("the configuration names models that are not there:\n  {}", faults.join("\n  ")),
    }
}

/// The names in the configuration that lead to no model, a sentence each.
///
/// # Errors
/// [`StartError`] when the repository or the file of callers cannot be read.
pub fn name_faults(config: &Config) -> Result<Vec<String>, StartError> {
    let callers = tokens(&config.security.tokens_file)?;
    Ok(repository::name_faults(&config.repository, callers.iter().flat_map(Tokens::limits))?)
}

/// The bytes that the connections of the health listener may hold.
const HEALTH_BYTES: usize = 16 << 20;

/// What may be refused before any model is loaded: the files of tokens, and the sockets.
struct Edge {
    server: Server,
    threads: Threads,
    tokens: Option<Tokens>,
    admin: Option<(Server, Tokens)>,
    health: Option<Server>,
}

impl Edge {
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
        // Cheap models are run on these threads, heavy ones leave them idle: so as many as there are processors.
        let threads = match config.http.threads {
            Auto::Exactly(threads) => threads,
            Auto::Auto => runtime::processors(),
        };
        // On a single processor the one who asks next would be kept from it.
        let busy_poll = if runtime::processors() > 1 { config.http.server.busy_poll() } else { Duration::ZERO };
        Ok(Self { server, threads: Threads::start(threads, busy_poll)?, tokens: callers, admin, health })
    }
}

/// A running server.
pub struct App {
    address: SocketAddr,
    admin: Option<SocketAddr>,
    health: Option<SocketAddr>,
    shutdown: Shutdown,
    repository: Arc<Repository>,
    /// They end with the last of these, which must outlive the requests in flight.
    _threads: Arc<Threads>,
    settings: lifecycle::Settings,
}

impl App {
    /// Starts everything on the runtime that this is called on; returns when the sockets are bound. Models go on loading.
    ///
    /// # Errors
    /// [`StartError`] when nothing could be served at all. What is wrong with single models is a state, not an error.
    pub fn start(config: &Config, log: LogHandle) -> Result<Self, StartError> {
        let library = Library::load(&config.runtime.library)?;
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
        // First what may be refused: a process must not end while threads are inside of the library.
        let edge = Edge::open(config)?;
        let faults = repository::name_faults(&config.repository, edge.tokens.iter().flat_map(Tokens::limits))?;
        if !faults.is_empty() {
            return Err(StartError::Names(faults));
        }
        let repository = Repository::open(&config.repository, &loader, Arc::clone(&metrics))?;
        Self::behind(edge, config, repository, &metrics, log)
    }

    /// The same over a repository that is there already.
    ///
    /// # Errors
    /// As [`App::start`].
    pub fn over(
        config: &Config,
        repository: Arc<Repository>,
        metrics: &Arc<Metrics>,
        log: LogHandle,
    ) -> Result<Self, StartError> {
        Self::behind(Edge::open(config)?, config, repository, metrics, log)
    }

    fn behind(
        edge: Edge,
        config: &Config,
        repository: Arc<Repository>,
        metrics: &Arc<Metrics>,
        log: LogHandle,
    ) -> Result<Self, StartError> {
        let shutdown = Shutdown::default();
        let address = edge.server.address()?;
        let admin_address = edge.admin.as_ref().map(|(server, _)| server.address()).transpose()?;
        let health_address = edge.health.as_ref().map(Server::address).transpose()?;
        metrics.watch_log(&log);
        let scrapes = Arc::new(Scrapes::new(Arc::clone(metrics)));
        let services = Services {
            repository: Arc::clone(&repository),
            recorder: Recorder::new(Arc::clone(metrics)).with_client_addresses(config.telemetry.log_client_address),
            scrapes: Arc::clone(&scrapes),
            shutdown: shutdown.clone(),
            tokens: edge.tokens,
            rate: RateLimiter::new(config.security.rate_per_second, config.security.rate_burst),
            rate_per_second: config.security.rate_per_second,
            metrics_access: config.security.metrics,
            settings: config.http.server.clone(),
        };
        let budget = Budget::new(config.http.server.max_buffered_bytes, metrics.buffered_bytes());
        let with = |name, threads: &Arc<Threads>| Serving {
            threads: Arc::clone(threads),
            shutdown: shutdown.clone(),
            budget: Arc::clone(&budget),
            name,
            metrics: metrics.connection_metrics(name),
        };
        let here = Arc::new(Threads::here());
        if let Some((server, tokens)) = edge.admin {
            let front = admin::AdminFront::new(admin::Admin { tokens, log });
            shutdown.spawn(server.serve(front, with("admin", &here)));
        }
        if let Some(server) = edge.health {
            let scrapes = config.health.metrics.then_some(scrapes);
            let front = health::HealthFront {
                repository: Arc::clone(&repository),
                has_callers: !config.security.tokens_file.as_os_str().is_empty(),
                shutdown: shutdown.clone(),
                scrapes,
            };
            // A budget of its own: what the others hold must not keep an orchestrator from asking.
            let budget = Budget::new(HEALTH_BYTES, Arc::default());
            shutdown.spawn(server.serve(front, Serving { budget, ..with("health", &here) }));
        }
        let threads = Arc::new(edge.threads);
        shutdown.spawn(edge.server.serve(http::front(services), with("data", &threads)));
        Ok(Self {
            address,
            admin: admin_address,
            health: health_address,
            shutdown,
            repository,
            _threads: threads,
            settings: config.lifecycle.clone(),
        })
    }

    /// The address of the HTTP socket.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of the admin socket, where there is one.
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// The address of the health socket, where there is one.
    pub fn health_address(&self) -> Option<SocketAddr> {
        self.health
    }

    /// The models.
    pub fn repository(&self) -> &Arc<Repository> {
        &self.repository
    }

    /// Runs something that blocks, beside the threads that serve; the drain waits for it.
    pub fn background(&self, work: impl FnOnce() + Send + 'static) {
        self.shutdown.spawn(async move {
            // It ends in a panic only if the work does, and then there is nobody to tell but the log.
            if let Err(error) = tokio::task::spawn_blocking(work).await {
                tracing::error!(%error, "background work failed");
            }
        });
    }

    /// Stops in order: says that it is not ready, waits for others to notice, takes no more requests, finishes those in
    /// flight, and cuts off what is not finished in time.
    pub async fn drain(self) -> Drained {
        self.shutdown.advance(Phase::Announced);
        self.repository.interrupt_loading();
        let delay = self.settings.drain_delay();
        if delay > Duration::ZERO {
            tracing::info!(delay_ms = self.settings.drain_delay_ms, "draining: still serving, no longer ready");
            tokio::time::sleep(delay).await;
        }
        self.shutdown.advance(Phase::Closing);
        let finished = tokio::time::timeout(self.settings.drain_timeout(), self.shutdown.finished()).await.is_ok();
        if finished {
            let repository = Arc::clone(&self.repository);
            // The workers are idle by now; joining them blocks only for a moment, and not on this thread.
            let _ = tokio::task::spawn_blocking(move || repository.stop()).await;
            return Drained { finished, cut: 0 };
        }
        self.shutdown.advance(Phase::Over);
        // Each connection counts what it cuts off, and each request is logged as ended by nobody's answer.
        let _ = tokio::time::timeout(CUTTING, self.shutdown.finished()).await;
        let (cut, timeout_ms) = (self.shutdown.cut(), self.settings.drain_timeout_ms);
        tracing::warn!(
            cut,
            timeout_ms,
            "the time to finish is over (lifecycle.drain_timeout_ms): requests were cut off"
        );
        Drained { finished, cut }
    }
}

/// Says so where the system allows fewer connections than the configuration.
fn note_open_files(max_connections: usize) {
    /// Files beside the connections: models, the log, and what serves them.
    const OTHERS: u64 = 128;
    let needed = (max_connections as u64).saturating_add(OTHERS);
    if let Some(limit) = lifecycle::raise_open_files().filter(|limit| *limit < needed) {
        tracing::warn!(
            limit,
            max_connections,
            "the system allows fewer open files than http.max_connections needs (ulimit -n)"
        );
    }
}

/// How long connections have to end once their requests are cut off.
const CUTTING: Duration = Duration::from_secs(1);

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Whether everything was finished in time.
    pub finished: bool,
    /// How many requests were cut off.
    pub cut: usize,
}

/// Fresh metrics that name this build.
///
/// # Errors
/// [`telemetry::Error`] when they cannot be registered.
pub fn metrics(library: &Library) -> Result<Metrics, telemetry::Error> {
    Metrics::new(&Build {
        version: build::VERSION,
        revision: build::REVISION,
        onnxruntime: library.version(),
        onnxruntime_built_for: runtime::BUILT_FOR,
        features: build::FEATURES,
    })
}

fn tokens(path: &Path) -> Result<Option<Tokens>, TokensError> {
    if path.as_os_str().is_empty() { Ok(None) } else { Tokens::read(path).map(Some) }
}
