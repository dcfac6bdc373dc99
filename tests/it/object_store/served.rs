//! Two servers on one repository in an object store: what one is told, the other serves; of two moves made at once, one
//! wins; a repository that cannot be written refuses moves.

use std::{net::SocketAddr, path::Path};

use candor::repository::RemoteOptions;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    http_client::Reply,
    paths::root,
    process::Process,
    s3_server::S3Server,
    server::send_to,
    tokens::{Caller, write_tokens},
    wait::wait_until,
};

const TOKEN: &str = "the token of the test";

/// A server over the bucket, with its own cache.
struct Replica {
    process: Process,
    _cache: TempDir,
}

impl Replica {
    /// Starts a server that looks for changes at this interval.
    fn start(options: impl Fn(&Path) -> RemoteOptions, interval_ms: u64) -> Self {
        let cache = tempfile::tempdir().expect("a directory");
        let tokens = cache.path().join("admin.toml");
        write_tokens(&tokens, &[Caller { name: "anna", token: TOKEN, more: "" }]);
        let cached = cache.path().join("models");
        let settings = [
            format!("admin.tokens_file={}", tokens.display()),
            "admin.port=0".to_owned(),
            format!("repository.cache_directory={}", cached.display()),
            format!("repository.poll_interval_ms={interval_ms}"),
        ];
        let mut arguments = vec!["s3://models/prod"];
        arguments.extend(settings.iter().flat_map(|setting| ["--set", setting.as_str()]));
        let environment = options(&cached).environment;
        let process = Process::with(&arguments, |command| _ = command.envs(environment));
        Self { process, _cache: cache }
    }

    fn admin(&self, method: &str, path: &str, body: &Value) -> Reply {
        let address: SocketAddr = self.process.admin.expect("an admin listener");
        let bearer = format!("Bearer {TOKEN}");
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        send_to(address, (method, path), &headers, body.to_string().as_bytes())
    }

    fn promote(&self, version: &str) -> Reply {
        self.admin("POST", "/admin/models/wine/promote", &json!({ "version": version, "force": true, "why": "a test" }))
    }

    /// The version that answers a request.
    fn answered_by(&self) -> String {
        let contract = send_to(self.process.address, ("GET", "/models/wine"), &[], b"").json();
        contract["stable_version"].as_str().unwrap_or_default().to_owned()
    }
}

fn bucket() -> S3Server {
    let server = S3Server::start();
    server.upload(&root().join("models/wine/1"), "prod/wine/1");
    server.upload(&root().join("models/wine/2"), "prod/wine/2");
    server
}

#[test]
fn a_move_on_one_server_is_served_by_the_other() {
    let server = bucket();
    let replicas = [(); 2].map(|()| Replica::start(|cache| server.options(cache), 200));
    assert_eq!(replicas.each_ref().map(Replica::answered_by), ["2", "2"]);
    let moved = replicas[0].promote("1");
    assert_eq!((moved.status, moved.json()["stable"].clone()), (200, json!("1")), "{}", moved.text());
    assert_eq!(replicas[0].answered_by(), "1");
    wait_until("the other server follows", || replicas[1].answered_by() == "1");
    let back = replicas[1].admin("POST", "/admin/models/wine/rollback", &json!({ "why": "it was a test" }));
    assert_eq!(back.json()["stable"], "2", "{}", back.text());
    wait_until("the first server follows", || replicas[0].answered_by() == "2");
    // A server that starts anew serves what was decided.
    replicas[0].promote("1");
    let anew = Replica::start(|cache| server.options(cache), 200);
    assert_eq!(anew.answered_by(), "1");
}

#[test]
fn a_version_is_uploaded_while_the_server_runs() {
    let server = S3Server::start();
    server.upload(&root().join("models/wine/1"), "prod/wine/1");
    let replica = Replica::start(|cache| server.options(cache), 200);
    server.upload(&root().join("models/wine/2"), "prod/wine/2");
    wait_until("the version is ready", || {
        replica.admin("GET", "/admin/models/wine", &Value::Null).json()["versions"][1]["state"] == "ready"
    });
    assert_eq!(replica.answered_by(), "1", "it waits to be promoted");
    assert_eq!(replica.promote("2").status, 200);
    assert_eq!(replica.answered_by(), "2");
}

#[test]
fn of_two_moves_made_at_once_one_wins_and_the_other_is_told() {
    let server = bucket();
    // Neither server looks by itself, so both move from the state at their start.
    let replicas = [(); 2].map(|()| Replica::start(|cache| server.options(cache), 0));
    assert_eq!(replicas[0].promote("1").status, 200);
    let lost = replicas[1].promote("1");
    assert_eq!((lost.status, lost.code()), (409, "move_conflict".to_owned()), "{}", lost.text());
    let detail = lost.json()["detail"].as_str().unwrap_or_default().to_owned();
    assert!(detail.contains("by anna (promote 1, "), "{detail}");
    // It has learnt the winner's state, and decides again.
    assert_eq!(replicas[1].answered_by(), "1");
    assert_eq!(replicas[1].promote("2").status, 200);
}

#[test]
fn a_bucket_that_cannot_be_written_refuses_moves() {
    let server = bucket();
    let replica = Replica::start(|cache| server.reader_options(cache), 0);
    let refused = replica.promote("1");
    assert_eq!((refused.status, refused.code()), (409, "move_not_recorded".to_owned()), "{}", refused.text());
    assert!(refused.text().contains("AccessDenied"), "{}", refused.text());
    assert_eq!(replica.answered_by(), "2");
}
