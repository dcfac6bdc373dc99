//! Servers in this process, each on a free port.

use std::{
    net::SocketAddr,
    path::Path,
    sync::{LazyLock, OnceLock},
};

use candor::{
    app::App,
    config::{Config, Layers, load},
    telemetry::LogHandle,
};

use crate::support::{
    http_client::{Reply, raw},
    packages::uncalibrated_models,
    paths::root,
};

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
});

/// Runs a future on the runtime that all servers of this process share.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}

/// The silent log of this process.
pub(crate) fn log() -> LogHandle {
    static LOG: OnceLock<LogHandle> = OnceLock::new();
    let settings = candor::telemetry::Settings { log_level: "off".into(), ..Default::default() };
    LOG.get_or_init(|| candor::telemetry::init(&settings, false).expect("a log")).clone()
}

/// The default configuration over the bundled models, on a free port.
pub(crate) fn config() -> Config {
    let flags = [
        ("http.port", "0".to_owned()),
        ("admin.port", "0".to_owned()),
        ("repository.models", root().join("models").display().to_string()),
        ("repository.default_model", "churn".to_owned()),
        // Packages are complete before the server starts, and the tests that change them say what to watch.
        ("repository.settle_ms", "0".to_owned()),
        ("repository.poll_interval_ms", "0".to_owned()),
    ];
    let flags = flags.into_iter().map(|(key, value)| (key.to_owned(), value)).collect();
    load(&Layers { flags, ..Layers::default() }).expect("a good configuration").config
}

/// A server in this process.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    app: Option<App>,
}

impl Server {
    /// A server over the bundled models, shared by all tests that change nothing.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: LazyLock<Server> = LazyLock::new(|| Server::start(|_| {}));
        &SHARED
    }

    /// The same without calibrations, so that it answers what the graphs compute.
    pub(crate) fn uncalibrated() -> &'static Self {
        static UNCALIBRATED: LazyLock<(Server, tempfile::TempDir)> = LazyLock::new(|| {
            let models = uncalibrated_models(&["breast-cancer", "churn", "diabetes", "digits", "wine"]);
            (Server::over(models.path()), models)
        });
        &UNCALIBRATED.0
    }

    /// Starts a server and waits until every model is loaded or has failed.
    pub(crate) fn start(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = config();
        change(&mut config);
        let app = RUNTIME.block_on(async { App::start(&config, log()) }).expect("a server");
        app.repository().wait_until_loaded();
        Self { address: app.address(), app: Some(app) }
    }

    /// A server over one model directory or file.
    pub(crate) fn over(models: &Path) -> Self {
        Self::start(|config| {
            config.repository.models = models.to_path_buf();
            config.repository.default_model = String::new();
        })
    }

    /// A server around an application that the test builds, for example with a fake executor.
    pub(crate) fn around(make: impl Future<Output = App>) -> Self {
        let app = RUNTIME.block_on(make);
        Self { address: app.address(), app: Some(app) }
    }

    /// The address of the admin listener.
    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.app.as_ref().and_then(App::admin_address).expect("a server with an admin listener")
    }

    /// Lists the repository again, as SIGHUP would, and waits until the listing is published.
    pub(crate) fn reload(&self) {
        let repository = self.app.as_ref().expect("a running server").repository();
        RUNTIME.block_on(repository.reload()).expect("it can be listed");
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Reply {
        self.send("POST", path, &[("content-type", "application/json")], body.as_bytes())
    }

    /// Sends one request on a new connection.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        send_to(self.address, (method, path), headers, body)
    }

    /// Stops the server as SIGTERM would; true if all requests in flight were finished.
    pub(crate) fn drain(mut self) -> bool {
        let app = self.app.take().expect("a running server");
        RUNTIME.block_on(app.drain()).finished
    }
}

/// Sends one request to this address, on a new connection.
pub(crate) fn send_to(
    address: SocketAddr,
    (method, path): (&str, &str),
    headers: &[(&str, &str)],
    body: &[u8],
) -> Reply {
    use std::fmt::Write as _;
    let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n");
    for (name, value) in headers {
        let _ = write!(request, "{name}: {value}\r\n");
    }
    if method != "GET" || !body.is_empty() {
        let _ = write!(request, "content-length: {}\r\n", body.len());
    }
    request.push_str("\r\n");
    let bytes = raw(address, &[request.as_bytes(), body].concat(), false);
    Reply::parse(&bytes)
        .unwrap_or_else(|| panic!("no answer to {method} {path}: {:?}", String::from_utf8_lossy(&bytes)))
}
