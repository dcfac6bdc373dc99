//! What becomes of versions and models whose files come, change, break and go.

use std::fs;

use serde_json::{Value, json};

use super::{answer, until};
use crate::support::{
    models_directory::{ModelsDirectory, admin, files, make, predict, rollout, sealed_files, state},
    server::Server,
    wait::wait_until,
};

/// The states of the versions of a model, as GET /models tells them.
fn states(server: &Server, model: &str) -> Vec<(String, String)> {
    let detail = server.get(&format!("/models/{model}")).json();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let versions = detail["versions"].as_array().cloned().unwrap_or_default();
    versions.iter().map(|version| (text(&version["version"]), text(&version["state"]))).collect()
}

#[test]
fn a_version_that_is_added_waits_to_be_promoted() {
    let models = ModelsDirectory::new(&[("m/1", 10.0)]);
    let server = models.serve(|_| {});
    models.put("m/2", 20.0);
    server.reload();
    until(&server, "m/2", "ready");
    assert_eq!(predict(&server, "m"), answer("1", 10.0));
    assert_eq!(predict(&server, "m/versions/2"), answer("2", 20.0));
    assert_eq!(make(&server, "m", "promote", &json!({ "version": "2" })).status, 200);
    assert_eq!(predict(&server, "m"), answer("2", 20.0));
    assert_eq!(make(&server, "m", "rollback", &json!({})).status, 200);
    assert_eq!(predict(&server, "m"), answer("1", 10.0));
    // What was decided outlives the server.
    drop(server);
    let server = models.serve(|_| {});
    assert_eq!(predict(&server, "m"), answer("1", 10.0));
}

#[test]
fn the_files_of_a_version_are_replaced_while_it_serves() {
    let models = ModelsDirectory::new(&[("m/1", 10.0)]);
    let server = models.serve(|_| {});
    for constant in [11.0, 12.0, 11.0] {
        models.put("m/1", constant);
        server.reload();
        wait_until("the new files serve", || predict(&server, "m") == answer("1", constant));
    }
}

/// Ways to break a version, and what the reason says.
type Breaks = [(&'static str, fn(&ModelsDirectory, &str), &'static str); 4];

const BREAKS: Breaks = [
    (
        "a truncated graph",
        |models, version| {
            let path = models.at(version).join("model.onnx");
            let content = fs::read(&path).expect("a graph");
            fs::write(path, &content[..content.len() / 2]).expect("written");
        },
        "model.onnx",
    ),
    (
        "a wrong digest",
        |models, version| {
            let mut files = sealed_files(30.0);
            files[1].1.push(b' ');
            models.write(version, &files);
        },
        "contract.json",
    ),
    (
        "a failing golden case",
        |models, version| models.write(version, &[("golden.jsonl", files(77.0).remove(2).1)]),
        "golden.jsonl",
    ),
    (
        "a contract that is not JSON",
        |models, version| models.write(version, &[("contract.json", b"{".to_vec())]),
        "contract.json",
    ),
];

#[test]
fn a_version_that_is_broken_does_not_serve_and_says_why() {
    for (what, damage, reason) in BREAKS {
        let models = ModelsDirectory::new(&[("m/1", 10.0), ("m/2", 20.0)]);
        damage(&models, "m/2");
        let server = models.serve(|_| {});
        let (found, reasons) = state(&server, "m/2");
        assert_eq!(found, "unavailable", "{what}");
        assert!(reasons.contains(reason), "{what}: {reasons}");
        assert_eq!(states(&server, "m")[1], ("2".to_owned(), "unavailable".to_owned()), "{what}");
        assert_eq!(predict(&server, "m"), answer("1", 10.0), "{what}");
        assert_eq!(server.post("/models/m/versions/2/predict", r#"{"features":{"x":1}}"#).status, 503, "{what}");
        let refused = make(&server, "m", "promote", &json!({ "version": "2" }));
        assert_eq!((refused.status, refused.code().as_str()), (409, "move_refused"), "{what}: {}", refused.text());
        assert!(refused.text().contains(reason), "{what}: {}", refused.text());
        for _ in 0..3 {
            // Nothing changed, so it is not tried again.
            server.reload();
            assert_eq!(state(&server, "m/2").0, "unavailable", "{what}");
        }
        models.write("m/2", &files(21.0));
        server.reload();
        until(&server, "m/2", "ready");
        assert_eq!(predict(&server, "m/versions/2"), answer("2", 21.0), "{what}");
    }
}

#[test]
fn a_version_that_is_broken_while_it_serves_goes_on_to_serve() {
    for (what, damage, reason) in BREAKS {
        let models = ModelsDirectory::new(&[("m/1", 10.0)]);
        let server = models.serve(|_| {});
        damage(&models, "m/1");
        server.reload();
        wait_until("the damage is found", || state(&server, "m/1").1.contains(reason));
        assert_eq!(state(&server, "m/1").0, "ready", "{what}");
        assert_eq!(predict(&server, "m"), answer("1", 10.0), "{what}");
        assert_eq!(server.get("/readyz").status, 200, "{what}");
        models.write("m/1", &files(11.0));
        server.reload();
        wait_until("it is repaired", || predict(&server, "m") == answer("1", 11.0));
        assert_eq!(state(&server, "m/1"), ("ready".to_owned(), String::new()), "{what}");
    }
}

/// `rsync --inplace --times` and `cp -p` write into the same file and set the time of the source, which may be the same
/// for all builds; two trainings of one architecture have the same size.
#[test]
fn a_file_of_the_same_size_and_time_is_noticed() {
    let models = ModelsDirectory::new(&[("m/1", 10.0)]);
    let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
    let put = |constant| {
        models.put("m/1", constant);
        for (name, _) in files(constant) {
            let file = fs::File::options().write(true).open(models.at("m/1").join(name)).expect("a file");
            file.set_modified(time).expect("set");
        }
    };
    put(10.0);
    let server = models.serve(|_| {});
    put(20.0);
    server.reload();
    wait_until("the new files serve", || predict(&server, "m") == answer("1", 20.0));
}

#[test]
fn a_stable_version_whose_files_vanish_serves_on() {
    let models = ModelsDirectory::new(&[("m/1", 10.0), ("m/2", 20.0), ("m/3", 30.0)]);
    let server = models.serve(|_| {});
    assert_eq!(predict(&server, "m"), answer("3", 30.0));
    models.remove("m/3");
    models.remove("m/1");
    server.reload();
    until(&server, "m/1", "absent");
    assert_eq!(states(&server, "m").len(), 2);
    assert_eq!(predict(&server, "m"), answer("3", 30.0));
    assert_eq!(server.get("/readyz").status, 200);
    // Once it is not stable any more, there is still a way back.
    assert_eq!(make(&server, "m", "promote", &json!({ "version": "2" })).status, 200);
    assert_eq!(predict(&server, "m"), answer("2", 20.0));
    assert_eq!(make(&server, "m", "rollback", &json!({ "from": "2" })).status, 200);
    assert_eq!(predict(&server, "m"), answer("3", 30.0));
    models.put("m/3", 31.0);
    server.reload();
    wait_until("the files are back", || predict(&server, "m") == answer("3", 31.0));
}

#[test]
fn models_come_and_go() {
    let models = ModelsDirectory::new(&[("a/1", 10.0), ("b/1", 20.0)]);
    let server = models.serve(|_| {});
    models.remove("a");
    models.put("c/1", 30.0);
    server.reload();
    until(&server, "c/1", "ready");
    wait_until("a is gone", || server.get("/models/a").status == 404);
    let reply = server.post("/models/a/predict", r#"{"features":{"x":1}}"#);
    assert_eq!((reply.status, reply.code().as_str()), (404, "unknown_model"));
    assert_eq!(predict(&server, "b"), answer("1", 20.0));
    assert_eq!(predict(&server, "c"), answer("1", 30.0));
    assert_eq!(server.get("/readyz").status, 200);
    models.put("a/1", 11.0);
    server.reload();
    until(&server, "a/1", "ready");
    assert_eq!(predict(&server, "a"), answer("1", 11.0));
    // A file system that is away for a moment unloads nothing.
    fs::rename(models.at(""), models.beside("away")).expect("renamed");
    let reply = admin(&server, "POST", "/admin/reload", &json!({}));
    assert_eq!(reply.status, 503, "{}", reply.text());
    for (model, constant) in [("a", 11.0), ("b", 20.0), ("c", 30.0)] {
        assert_eq!(predict(&server, model), answer("1", constant));
    }
    fs::rename(models.beside("away"), models.at("")).expect("renamed");
    server.reload();
    assert_eq!(rollout(&server, "a")["ready"], true);
}
