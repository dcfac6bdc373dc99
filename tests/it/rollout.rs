//! Rollouts: moves over the admin listener and from the command line, canaries and their guard, shadows, experiments, the
//! gate, and the runbook. How models are loaded, replaced and shared between servers is another topic.

mod assignment;
mod bad_bodies;
mod canary;
mod experiment;
mod gate;
mod listener;
mod planned;
mod promotion;
mod runbook;
mod shadow;
mod versions;

use std::process::Output;

use candor::config::Config;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    http_client::Reply,
    process::candor,
    server::{Server, send_to},
    tokens::{Caller, write_tokens},
};

/// The administrators: each name is also the token.
const ADMINS: &str = "root";
const LIMITED: &str = "limited";

/// A server over a temporary repository, with an admin listener.
struct Rollout {
    server: Server,
    repository: TempDir,
    _tokens: TempDir,
}

/// Writes the file of the administrators: one for every model, one for `other` only.
fn tokens() -> TempDir {
    let directory = tempfile::tempdir().expect("a directory");
    let callers =
        [(ADMINS, ""), (LIMITED, "models = [\"other\"]")].map(|(name, more)| Caller { name, token: name, more });
    write_tokens(&directory.path().join("admins.toml"), &callers);
    directory
}

impl Rollout {
    fn start(repository: TempDir) -> Self {
        Self::with(repository, |_| {})
    }

    fn with(repository: TempDir, change: impl FnOnce(&mut Config)) -> Self {
        let tokens = tokens();
        let server = Server::start(|config| {
            config.repository.models = repository.path().to_path_buf();
            config.repository.default_model = String::new();
            config.admin.tokens_file = tokens.path().join("admins.toml");
            change(config);
        });
        Self { server, repository, _tokens: tokens }
    }

    /// Asks the admin listener.
    fn ask(&self, method: &str, path: &str, token: Option<&str>, body: &str) -> Reply {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let headers: Vec<(&str, &str)> = bearer.iter().map(|bearer| ("authorization", bearer.as_str())).collect();
        send_to(self.server.admin_address(), (method, path), &headers, body.as_bytes())
    }

    /// Makes a move of the model `model`.
    fn make(&self, name: &str, body: &Value) -> Reply {
        self.ask("POST", &format!("/admin/models/model/{name}"), Some(ADMINS), &body.to_string())
    }

    /// Makes a move that must be made.
    fn made(&self, name: &str, body: &Value) -> Value {
        let reply = self.make(name, body);
        assert_eq!(reply.status, 200, "{name} {body}: {}", reply.text());
        reply.json()
    }

    /// The rollout of the model `model`.
    fn state(&self) -> Value {
        let reply = self.ask("GET", "/admin/models/model", Some(ADMINS), "");
        assert_eq!(reply.status, 200, "{}", reply.text());
        reply.json()
    }

    /// Looks for changes of the repository.
    fn reload(&self) {
        assert_eq!(self.ask("POST", "/admin/reload", Some(ADMINS), "").status, 200);
    }

    /// What the real `candor status` prints.
    fn status(&self) -> String {
        let output = self.command(&["status", "model"]);
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    /// Runs a command of the real program against the admin listener.
    fn command(&self, arguments: &[&str]) -> Output {
        let url = format!("http://{}", self.server.admin_address());
        let mut command = candor(&[arguments, &["--url", &url]].concat());
        command.env("CANDOR_ADMIN_TOKEN", ADMINS).output().expect("it runs")
    }

    /// Has the model answer, and returns the version that did.
    fn version_for(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> String {
        let headers = [&[("content-type", "application/json")], headers].concat();
        let reply = self.server.send("POST", path, &headers, body.to_string().as_bytes());
        assert_eq!(reply.status, 200, "{path} {body}: {}", reply.text());
        reply.header("x-model-version").expect("a version").to_owned()
    }

    /// The version that answers this entity.
    fn version_of(&self, entity: impl Into<Value>) -> String {
        self.version_for("/models/model/predict", &[], &request(entity))
    }
}

/// A request for this entity.
fn request(entity: impl Into<Value>) -> Value {
    json!({ "entity_id": entity.into(), "features": { "x0": 0.25, "x1": 1 } })
}
