//! Canaries under load, with the real program: bad ones are taken back by themselves, a good one is not.

use std::{
    net::SocketAddr,
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{ADMINS, tokens, versions::repository};
use crate::support::{
    http_client::{KeepAliveClient, Reply},
    metrics::value_of,
    process::{Process, candor},
    server::send_to,
};

/// The callers of the load. Each is one entity.
const CALLERS: u64 = 2000;

/// Requests at once: the machine has few processors, and a queue would hide what a version takes.
const CLIENTS: usize = 2;

/// How long the load may take: it is over after a second or two unless the machine is busy.
const LOAD_TIMEOUT: Duration = Duration::from_mins(2);

/// Requests of a client between looks at the state.
const BETWEEN_LOOKS: usize = 50;

struct Program {
    process: Process,
    listeners: Listeners,
    _directories: [TempDir; 2],
}

/// The addresses of a program.
#[derive(Clone, Copy)]
struct Listeners {
    data: SocketAddr,
    admin: SocketAddr,
}

impl Listeners {
    fn admin(self, method: &str, path: &str, body: &str) -> Reply {
        let bearer = format!("Bearer {ADMINS}");
        send_to(self.admin, (method, path), &[("authorization", &bearer)], body.as_bytes())
    }

    fn state(self) -> Value {
        self.admin("GET", "/admin/models/model", "").json()
    }

    /// Sends requests of many callers until `is_enough` says so of the state, and returns it.
    fn load_until(self, is_enough: impl Fn(&Value) -> bool + Sync) -> Value {
        let (next, started, ended) = (AtomicU64::new(0), Instant::now(), OnceLock::new());
        let work = || {
            let mut client = KeepAliveClient::open(self.data).expect("a connection");
            while ended.get().is_none() {
                for _ in 0..BETWEEN_LOOKS {
                    let reply =
                        client.ask(&request(next.fetch_add(1, Ordering::Relaxed) % CALLERS)).expect("an answer");
                    assert!([200, 500].contains(&reply.status), "{}", reply.text());
                }
                let state = self.state();
                assert!(started.elapsed() < LOAD_TIMEOUT, "{state:#}");
                if is_enough(&state) {
                    let _ = ended.set(state);
                }
            }
        };
        thread::scope(|scope| {
            for _ in 0..CLIENTS {
                scope.spawn(work);
            }
        });
        ended.into_inner().expect("the state")
    }

    /// The versions that answer every caller now.
    fn versions_of_all(self) -> Vec<String> {
        let mut client = KeepAliveClient::open(self.data).expect("a connection");
        let mut versions = Vec::new();
        for caller in 0..CALLERS / 4 {
            let reply = client.ask(&request(caller)).expect("an answer");
            assert_eq!(reply.status, 200, "{}", reply.text());
            let version = reply.header("x-model-version").expect("a version").to_owned();
            if !versions.contains(&version) {
                versions.push(version);
            }
        }
        versions
    }
}

impl Program {
    /// Serves these versions, of which the first is stable.
    fn start(graphs: &[&str], settings: &str) -> Self {
        let (models, tokens) = (repository(graphs, settings), tokens());
        let set = format!("admin.tokens_file={}", tokens.path().join("admins.toml").display());
        let models_path = models.path().to_str().expect("a path");
        let process = Process::serve(&[models_path, "--set", "admin.port=0", "--set", &set]);
        let listeners = Listeners { data: process.address, admin: process.admin.expect("an admin listener") };
        Self { process, listeners, _directories: [models, tokens] }
    }

    fn make(&self, name: &str, body: &Value) {
        let reply = self.listeners.admin("POST", &format!("/admin/models/model/{name}"), &body.to_string());
        assert_eq!(reply.status, 200, "{name} {body}: {}", reply.text());
    }

    /// What `candor status` prints.
    fn status(&self) -> String {
        let url = format!("http://{}", self.listeners.admin);
        let output = candor(&["status", "--url", &url]).env("CANDOR_ADMIN_TOKEN", ADMINS).output().expect("it runs");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }
}

/// A request of this caller; one in five has an `x1` that `rollout_failing` cannot take.
fn request(caller: u64) -> Vec<u8> {
    let x1 = if caller.is_multiple_of(5) { 200 } else { 7 };
    let x0 = if caller.is_multiple_of(2) { 0.25 } else { -0.5 };
    let body = json!({ "entity_id": caller, "features": { "x0": x0, "x1": x1 } }).to_string();
    let length = body.len();
    let head = format!(
        "POST /models/model/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    (head + &body).into_bytes()
}

#[test]
fn a_bad_canary_is_taken_back_by_itself_and_a_good_one_is_not() {
    let graphs = ["stable", "failing", "contrary", "slow", "retrained"];
    let program = Program::start(&graphs, "[canary]\npercent = 20\n[canary.guard]\nmin_requests = 200\n");
    let rolled_back = "candor_automatic_moves_total{model=\"model\",move=\"rollback\"}";
    for (moves, version, limit) in
        [(1, "2", "errors: "), (2, "3", "disagreement with stable: "), (3, "4", "p99 latency: ")]
    {
        program.make("canary", &json!({ "version": version, "why": "a test" }));
        let state = program.listeners.load_until(|state| state["canary"].is_null());
        let latest = &state["history"][0];
        assert_eq!(
            (&latest["by"], &latest["move"], &latest["version"]),
            (&json!("candor"), &json!("rollback"), &json!("1"))
        );
        assert_eq!(latest["before"], version);
        let why = latest["why"].as_str().expect("a reason").to_owned();
        assert!(why.starts_with(limit) && why.contains("the limit is"), "{version}: {why}");
        // A person sees it at a glance, in the log too, and the metrics count it.
        let status = program.status();
        assert!(status.contains(&format!("rollback to 1 (from {version}) by candor: {why}")), "{status}");
        let line = program.process.wait_for(|line| line["message"] == "move: rollback").expect("its line");
        let found = ["model", "stable", "by", "why"].map(|name| line[name].as_str().unwrap_or_default());
        assert_eq!(found, ["model", "1", "candor", &why], "{line}");
        let metrics = send_to(program.listeners.data, ("GET", "/metrics"), &[], b"").text();
        assert_eq!(value_of(&metrics, rolled_back), moves);
        assert_eq!(program.listeners.versions_of_all(), ["1"], "every caller gets the stable version");
    }

    program.make("canary", &json!({ "version": "5" }));
    let state = program.listeners.load_until(|state| {
        let observed = &state["guard"]["observed"];
        state["canary"].is_null() || observed["canary"]["requests"].as_u64() >= Some(600)
    });
    assert_eq!(state["canary"]["version"], "5", "{:#}", state["history"][0]);
    let observed = &state["guard"]["observed"];
    assert!(observed["compared"].as_u64() >= Some(100), "{observed}");
    assert_eq!(
        (&observed["disagreement"], &observed["canary"]["error_rate"]),
        (&json!(0.0), &json!(0.0)),
        "{observed}"
    );
    let status = program.status();
    assert!(status.contains("canary: 20 % since") && status.contains("different answers: 0.0 % of"), "{status}");
    // Without steps and with promote = "manual", it is a person who goes on.
    program.make("canary", &json!({ "version": "5", "percent": 100 }));
    assert_eq!(program.listeners.versions_of_all(), ["5"]);
    program.make("promote", &json!({ "version": "5" }));
    let state = program.listeners.state();
    assert_eq!((&state["stable"], &state["canary"], &state["previous"]), (&json!("5"), &Value::Null, &json!("1")));
}
