//! Repositories that cannot be written: moves are refused with the reason, promotions follow model.toml.

use std::fs;

use serde_json::json;

use crate::{
    lifecycle::{answer, until},
    support::{
        models_directory::{ModelsDirectory, make, predict, rollout},
        onnx::adder,
        server::Server,
        wait::wait_until,
    },
};

/// Makes it impossible to write rollout.json of this model, for root as well: its lock is a directory.
fn forbid_writing(models: &ModelsDirectory, model: &str) {
    fs::create_dir_all(models.at(model).join(".rollout.lock")).expect("a directory");
}

fn assert_refused(server: &Server, model: &str, reason: &str) {
    let before = rollout(server, model);
    let reply = make(server, model, "promote", &json!({ "version": "1" }));
    assert_eq!((reply.status, reply.code().as_str()), (409, "move_not_recorded"), "{}", reply.text());
    assert!(reply.text().contains(reason), "{}", reply.text());
    assert_eq!(rollout(server, model), before);
}

#[test]
fn moves_that_cannot_be_recorded_are_refused() {
    let models = ModelsDirectory::new(&[("m/1", 10.0), ("m/2", 20.0)]);
    forbid_writing(&models, "m");
    let server = models.serve(|_| {});
    assert_refused(&server, "m", "cannot be written; set repository.state_directory");
    assert_eq!(predict(&server, "m"), answer("2", 20.0));
    fs::remove_dir(models.at("m/.rollout.lock")).expect("removed");
    assert_eq!(make(&server, "m", "promote", &json!({ "version": "1" })).status, 200);
    assert_eq!(predict(&server, "m"), answer("1", 10.0));
}

/// The server's own moves take effect even if they cannot be recorded. They are `by candor` in the history, which a
/// person may be called, too.
#[test]
fn an_administrator_with_the_name_of_the_server_is_refused_as_well() {
    let models = ModelsDirectory::new(&[("m/1", 10.0), ("m/2", 20.0)]);
    models.name_administrator("candor");
    forbid_writing(&models, "m");
    let server = models.serve(|_| {});
    assert_refused(&server, "m", "cannot be written; set repository.state_directory");
    assert_eq!(predict(&server, "m"), answer("2", 20.0));
}

#[test]
fn a_bare_graph_has_no_state() {
    let models = ModelsDirectory::new(&[]);
    let graph = models.beside("bare.onnx");
    fs::write(&graph, adder(10.0)).expect("written");
    let server = models.serve(|config| config.repository.models.clone_from(&graph));
    assert_refused(&server, "bare", "is served by its own path and has no rollout.json");
    server.reload();
    assert_eq!(server.get("/readyz").status, 200);
}

#[test]
fn states_are_kept_in_the_state_directory_if_there_is_one() {
    let models = ModelsDirectory::new(&[("m/1", 10.0), ("m/2", 20.0)]);
    let serve = || models.serve(|config| config.repository.state_directory = models.beside("state"));
    let server = serve();
    assert_eq!(make(&server, "m", "promote", &json!({ "version": "1" })).status, 200);
    assert!(models.beside("state/m/rollout.json").exists() && !models.at("m/rollout.json").exists());
    drop(server);
    assert_eq!(predict(&serve(), "m"), answer("1", 10.0));
}

#[test]
fn a_state_directory_that_cannot_exist_refuses_moves_and_serves() {
    let models = ModelsDirectory::new(&[("m/1", 10.0), ("m/2", 20.0)]);
    let server = models.serve(|config| config.repository.state_directory = models.administrators().join("state"));
    assert_eq!(predict(&server, "m"), answer("2", 20.0));
    assert_refused(&server, "m", "cannot be written");
}

#[test]
fn newer_versions_take_over_in_memory() {
    let models = ModelsDirectory::new(&[("m/1", 10.0)]);
    forbid_writing(&models, "m");
    fs::write(models.at("m/model.toml"), "promote = \"newest\"\n").expect("written");
    let server = models.serve(|_| {});
    models.put("m/2", 20.0);
    server.reload();
    wait_until("2 takes over", || predict(&server, "m") == answer("2", 20.0));
    for _ in 0..3 {
        server.reload();
        assert_eq!(predict(&server, "m"), answer("2", 20.0));
    }
    assert_refused(&server, "m", "cannot be written");
    assert!(!models.at("m/rollout.json").exists());
}

/// The canary of a state that is only in memory must not keep the versions of a removed model.
#[test]
fn a_removed_model_with_an_unrecorded_canary_is_unloaded() {
    let models = ModelsDirectory::new(&[("m/1", 10.0), ("other/1", 1.0)]);
    forbid_writing(&models, "m");
    fs::write(models.at("m/model.toml"), "promote = \"newest\"\n[canary]\npercent = 50\n").expect("written");
    let server = models.serve(|_| {});
    models.put("m/2", 20.0);
    server.reload();
    until(&server, "m/2", "ready");
    wait_until("2 is the canary", || rollout(&server, "m")["canary"]["version"] == "2");
    models.remove("m");
    server.reload();
    wait_until("the model is gone", || server.get("/models/m").status == 404);
}

/// A program that hangs while it holds the lock must not hang the server.
#[test]
fn a_lock_that_is_held_refuses_moves_and_stops_nothing() {
    let models = ModelsDirectory::new(&[("m/1", 10.0), ("m/2", 20.0)]);
    let lock = fs::File::create(models.at("m/.rollout.lock")).expect("a file");
    lock.lock().expect("locked");
    let server = models.serve(|_| {});
    assert_refused(&server, "m", "another program holds its lock");
    assert_eq!(predict(&server, "m"), answer("2", 20.0));
    drop(lock);
    assert_eq!(make(&server, "m", "promote", &json!({ "version": "1" })).status, 200);
}
