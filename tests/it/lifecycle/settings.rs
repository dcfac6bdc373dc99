//! model.toml under a running server: limits, which versions it selects, mistakes in it.

use std::fs;

use serde_json::json;

use super::{answer, until};
use crate::support::{
    models_directory::{ModelsDirectory, make, predict, rollout},
    wait::wait_until,
};

fn write(models: &ModelsDirectory, settings: &str) {
    fs::write(models.at("m/model.toml"), settings).expect("written");
}

#[test]
fn new_limits_are_taken_up_and_mistakes_change_nothing() {
    let models = ModelsDirectory::new(&[("m/1", 10.0)]);
    let server = models.serve(|_| {});
    let deadline = || server.get("/models/m/versions/1").json()["limits"]["deadline_ms"].clone();
    write(&models, "[limits]\ndeadline_ms = 4321\n");
    server.reload();
    wait_until("the new limit", || deadline() == 4321);
    for (mistake, reason) in [
        ("[limits]\ndeadline_ms = 0\n", "deadline_ms must be from 1"),
        ("[limits", "TOML parse error"),
        ("versions = [\"7\"]\n", "which does not exist"),
    ] {
        write(&models, mistake);
        server.reload();
        assert_eq!(predict(&server, "m"), answer("1", 10.0), "{mistake}");
        assert_eq!(deadline(), 4321, "{mistake}");
        let ready = server.get("/readyz");
        assert_eq!(ready.status, 200, "{mistake}: what serves is not interrupted by a mistake: {}", ready.text());
        let text = rollout(&server, "m").to_string();
        assert!(text.contains(reason), "{mistake}: nothing tells of it: {text}");
    }
    write(&models, "[limits]\ndeadline_ms = 1234\n");
    server.reload();
    wait_until("the corrected limit", || deadline() == 1234);
    fs::remove_file(models.at("m/model.toml")).expect("removed");
    server.reload();
    wait_until("the default limit", || deadline() == 1000);
    assert_eq!(predict(&server, "m"), answer("1", 10.0));
}

#[test]
fn a_mistake_that_is_there_at_the_start_can_be_corrected() {
    let models = ModelsDirectory::new(&[("m/1", 10.0)]);
    write(&models, "versions = tru");
    let server = models.serve(|_| {});
    assert_eq!(server.get("/readyz").status, 503);
    write(&models, "");
    server.reload();
    until(&server, "m/1", "ready");
    wait_until("it is ready", || server.get("/readyz").status == 200);
    assert_eq!(predict(&server, "m"), answer("1", 10.0));
}

#[test]
fn the_latest_versions_are_selected_as_they_come() {
    let models = ModelsDirectory::new(&[("m/1", 10.0), ("m/2", 20.0)]);
    write(&models, "versions = { latest = 2 }\n");
    let server = models.serve(|_| {});
    assert_eq!(predict(&server, "m"), answer("2", 20.0));
    models.put("m/3", 30.0);
    server.reload();
    until(&server, "m/3", "ready");
    until(&server, "m/1", "absent");
    models.put("m/4", 40.0);
    server.reload();
    until(&server, "m/4", "ready");
    // The stable version stays, although it is no longer among the latest two.
    assert_eq!(predict(&server, "m"), answer("2", 20.0));
    assert_eq!(rollout(&server, "m")["not_loaded"], json!(["1"]));
    assert_eq!(make(&server, "m", "promote", &json!({ "version": "4" })).status, 200);
    assert_eq!(predict(&server, "m"), answer("4", 40.0));
    // It stays as the one to roll back to.
    server.reload();
    assert_eq!(predict(&server, "m/versions/2"), answer("2", 20.0));
    assert_eq!(make(&server, "m", "promote", &json!({ "version": "3" })).status, 200);
    until(&server, "m/2", "absent");
}

#[test]
fn a_newer_version_takes_over_if_the_settings_say_so() {
    let models = ModelsDirectory::new(&[("m/1", 10.0)]);
    write(&models, "promote = \"newest\"\n");
    let server = models.serve(|_| {});
    models.write("m/2", &[("model.onnx", b"broken".to_vec())]);
    server.reload();
    until(&server, "m/2", "unavailable");
    assert_eq!(predict(&server, "m"), answer("1", 10.0));
    models.put("m/3", 30.0);
    server.reload();
    wait_until("3 takes over", || predict(&server, "m") == answer("3", 30.0));
    assert_eq!(rollout(&server, "m")["history"][0]["by"], "candor");
    // What a person took back is not promoted again.
    assert_eq!(make(&server, "m", "rollback", &json!({ "from": "3", "why": "no" })).status, 200);
    server.reload();
    assert_eq!(predict(&server, "m"), answer("1", 10.0));
}
