//! Servers for tests: in this process on a free port, or as the program itself; and a plain client.

use std::{
    fs,
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{LazyLock, OnceLock},
    time::Duration,
};

use candor::{
    app::App,
    config::{Config, Layers, load},
    telemetry::LogHandle,
};
use serde_json::Value;

/// The longest that a test waits for an answer before it counts as a hang.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The repository's root.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A graph from tests/fixtures/graphs.
pub(crate) fn fixture(name: &str) -> PathBuf {
    root().join("tests/fixtures/graphs").join(name)
}

static RUNTIME: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
});

/// Runs a future on the runtime that the servers of this process share.
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    RUNTIME.block_on(future)
}

/// The log of this process, kept silent.
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
    /// A server over the bundled models that all tests share; for tests that change nothing.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: LazyLock<Server> = LazyLock::new(|| Server::start(|_| {}));
        &SHARED
    }

    /// The same without calibrations: what the graphs themselves say.
    pub(crate) fn uncalibrated() -> &'static Self {
        static UNCALIBRATED: LazyLock<(Server, tempfile::TempDir)> = LazyLock::new(|| {
            let models = uncalibrated_models(&["breast-cancer", "churn", "diabetes", "digits", "wine"]);
            (Server::over(models.path()), models)
        });
        &UNCALIBRATED.0
    }

    /// A server of one's own, with every model loaded or failed.
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

    /// A server around an application made by the test, such as one with a fake executor.
    pub(crate) fn around(make: impl Future<Output = App>) -> Self {
        let app = RUNTIME.block_on(make);
        Self { address: app.address(), app: Some(app) }
    }

    /// The address of the admin listener.
    pub(crate) fn admin_address(&self) -> SocketAddr {
        self.app.as_ref().and_then(App::admin_address).expect("a server with an admin listener")
    }

    pub(crate) fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"")
    }

    pub(crate) fn post(&self, path: &str, body: &str) -> Reply {
        self.send("POST", path, &[("content-type", "application/json")], body.as_bytes())
    }

    /// One request on a connection of its own.
    pub(crate) fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Reply {
        use std::fmt::Write as _;
        let mut request = format!("{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\n", self.address);
        for (name, value) in headers {
            let _ = write!(request, "{name}: {value}\r\n");
        }
        if method != "GET" || !body.is_empty() {
            let _ = write!(request, "content-length: {}\r\n", body.len());
        }
        request.push_str("\r\n");
        let bytes = raw(self.address, &[request.as_bytes(), body].concat(), false);
        Reply::parse(&bytes)
            .unwrap_or_else(|| panic!("no answer to {method} {path}: {:?}", String::from_utf8_lossy(&bytes)))
    }

    /// Stops the server as SIGTERM would; true when everything in flight was finished.
    pub(crate) fn drain(mut self) -> bool {
        let app = self.app.take().expect("a running server");
        RUNTIME.block_on(app.drain()).finished
    }
}

/// Sends bytes on a connection of its own and reads until the server closes it, or [`PATIENCE`] is over.
/// With `half_close` the sending side is closed first.
pub(crate) fn raw(address: SocketAddr, bytes: &[u8], half_close: bool) -> Vec<u8> {
    let mut stream = TcpStream::connect(address).expect("a connection");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
    // A server that refuses early may close before everything was sent.
    let _ = stream.write_all(bytes);
    if half_close {
        let _ = stream.shutdown(Shutdown::Write);
    }
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    answer
}

/// An answer, taken apart.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    /// Reads an HTTP/1.1 answer; chunked bodies are put together.
    pub(crate) fn parse(bytes: &[u8]) -> Option<Self> {
        let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
        let head = std::str::from_utf8(&bytes[..end]).ok()?;
        let mut lines = head.split("\r\n");
        let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
        let headers: Vec<(String, String)> = lines
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim().to_owned()))
            .collect();
        let mut body = bytes[end + 4..].to_vec();
        if headers.iter().any(|(name, value)| name == "transfer-encoding" && value == "chunked") {
            body = unchunk(&body);
        }
        Some(Self { status, headers, body })
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8(self.body.clone()).expect("UTF-8")
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The `code` of a problem.
    pub(crate) fn code(&self) -> String {
        self.json()["code"].as_str().unwrap_or_default().to_owned()
    }
}

fn unchunk(mut bytes: &[u8]) -> Vec<u8> {
    let mut body = Vec::new();
    while let Some(end) = bytes.windows(2).position(|window| window == b"\r\n") {
        let size = std::str::from_utf8(&bytes[..end]).ok().and_then(|text| usize::from_str_radix(text.trim(), 16).ok());
        let Some(size) = size.filter(|size| *size > 0 && bytes.len() >= end + 4 + size) else { break };
        body.extend_from_slice(&bytes[end + 2..end + 2 + size]);
        bytes = &bytes[end + 4 + size..];
    }
    body
}

/// The program itself, on a free port.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    /// The address of its health listener, where it has one.
    pub(crate) health: Option<SocketAddr>,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Process {
    /// Starts `candor serve` with these arguments, and waits until it has said how to ask it.
    pub(crate) fn serve(arguments: &[&str]) -> Self {
        Self::with(arguments, |_| {})
    }

    /// The same with a changed command: other variables, another directory.
    pub(crate) fn with(arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let mut process = Self::starting_with(arguments, change);
        let address = |line: &Value| line["address"].as_str().and_then(|text| text.parse().ok());
        let listening = process.wait_for(|line| line["message"] == "listening").expect("it listens");
        process.address = address(&listening).expect("an address");
        let health = std::cell::Cell::new(None);
        process.wait_for(|line| {
            if line["message"] == "health listening" {
                health.set(address(line));
            }
            line["message"].as_str().is_some_and(|text| text.starts_with("try: ") || text.starts_with("no model"))
        });
        process.health = health.get();
        process
    }

    /// Starts `candor serve` with these arguments, and waits for nothing; its address is not known.
    pub(crate) fn starting(arguments: &[&str]) -> Self {
        Self::starting_with(arguments, |_| {})
    }

    /// The same with a changed command.
    pub(crate) fn starting_with(arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let mut command = candor(&[&["serve", "--port", "0"], arguments].concat());
        change(&mut command);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the program starts");
        let reader = BufReader::new(child.stderr.take().expect("its log"));
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || reader.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), health: None, lines }
    }

    /// The next log line that fits, as JSON; lines before it are dropped.
    pub(crate) fn wait_for(&self, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            if let Ok(value) = serde_json::from_str::<Value>(&line)
                && fits(&value)
            {
                return Some(value);
            }
        }
        None
    }

    /// Sends a signal by its name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the signal was sent");
    }

    /// Waits for the end and gives the exit code.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command of the program, run in the repository's root with nothing of ours in its environment.
pub(crate) fn candor(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_candor"));
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    for (name, _) in std::env::vars() {
        if name.starts_with("CANDOR_") || name == "ORT_DISABLE_TELEMETRY" {
            command.env_remove(name);
        }
    }
    command
}

/// A copy of a bundled model's directory (`churn`) or version (`churn/1`) in a directory of its own.
pub(crate) fn copy_models(names: &[&str]) -> tempfile::TempDir {
    let target = tempfile::tempdir().expect("a directory");
    for name in names {
        copy(&root().join("models").join(name), &target.path().join(name));
    }
    target
}

/// The same, without the calibrations.
pub(crate) fn uncalibrated_models(names: &[&str]) -> tempfile::TempDir {
    fn remove(directory: &Path) {
        for entry in fs::read_dir(directory).expect("a directory").flatten() {
            if entry.path().is_dir() {
                remove(&entry.path());
            } else if entry.file_name() == "calibration.json" {
                fs::remove_file(entry.path()).expect("removed");
            }
        }
    }
    let models = copy_models(names);
    remove(models.path());
    models
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory").flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target);
        } else {
            fs::copy(&source, &target).expect("copied");
        }
    }
}
