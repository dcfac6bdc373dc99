//! Which versions are loaded and which one answers; and model.toml.

use std::fs;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    matching::matches_pattern,
    packages::{add, ask, copy_models},
    process::candor,
    server::Server,
};

fn wine(server: &Server) -> Value {
    let golden = fs::read_to_string(crate::support::paths::root().join("models/wine/1/golden.jsonl")).expect("cases");
    let case: Value = serde_json::from_str(golden.lines().next().expect("a case")).expect("JSON");
    ask(server, "wine", &case["features"]).json()
}

#[test]
fn a_broken_newest_version_leaves_the_older_one_serving() {
    let repository = copy_models(&["wine"]);
    assert_eq!(wine(&Server::over(repository.path()))["model_version"], "2");

    fs::write(repository.path().join("wine/2/model.onnx"), "broken").expect("written");
    let server = Server::over(repository.path());
    assert_eq!(wine(&server)["model_version"], "1");
    assert_eq!(server.get("/readyz").status, 200);
    let model = server.get("/models/wine").json();
    assert_eq!(model["stable_version"], "1");
    let states: Vec<&Value> =
        model["versions"].as_array().expect("versions").iter().map(|version| &version["state"]).collect();
    assert_eq!(states, ["ready", "unavailable"]);
    let pinned = server.post("/models/wine/versions/2/predict", r#"{"features":[]}"#);
    assert_eq!((pinned.status, pinned.code().as_str()), (503, "not_ready"), "{}", pinned.text());
    assert_eq!(pinned.json()["detail"], "wine is not ready: version 2 is unavailable; GET /models/wine says why");
}

/// A model with the versions `names`, from a fixture.
fn versions(names: &[&str], settings: &str) -> TempDir {
    let root = tempfile::tempdir().expect("a directory");
    add(root.path(), "m", "vector_input", &[]);
    let model = root.path().join("m");
    let graph = fs::read(model.join("1/model.onnx")).expect("a graph");
    fs::remove_dir_all(model.join("1")).expect("removed");
    for name in names {
        fs::create_dir_all(model.join(name)).expect("a directory");
        fs::write(model.join(name).join("model.onnx"), &graph).expect("written");
    }
    fs::write(model.join("model.toml"), settings).expect("written");
    root
}

#[test]
fn the_newest_version_is_the_greatest_and_model_toml_chooses() {
    // The versions on disk, model.toml, and the loaded versions from oldest to newest.
    for (names, settings, loaded) in [
        (&["10", "2"][..], "", &["2", "10"][..]),
        (&["10", "9", "2"], "versions = \"all\"", &["2", "9", "10"]),
        (&["10", "9", "2"], "versions = { latest = 1 }", &["10"]),
        (&["10", "9", "2"], "versions = { latest = 2 }", &["9", "10"]),
        (&["10", "9", "2"], "versions = { latest = 7 }", &["2", "9", "10"]),
        (&["10", "9", "2"], "versions = [\"2\", \"9\"]", &["2", "9"]),
        (&["2026-03-01", "2025-12-24"], "", &["2025-12-24", "2026-03-01"]),
        (&["beta", "3", "20"], "", &["3", "20", "beta"]),
        (&["v1.2_rc-3", "007"], "", &["007", "v1.2_rc-3"]),
    ] {
        let root = versions(names, settings);
        let server = Server::over(root.path());
        let model = server.get("/models/m").json();
        let found: Vec<&str> =
            model["versions"].as_array().expect("versions").iter().filter_map(|one| one["version"].as_str()).collect();
        assert_eq!(found, loaded, "{names:?} {settings}");
        let reply = ask(&server, "m", &json!([4]));
        assert_eq!(
            reply.json()["model_version"],
            *loaded.last().expect("one"),
            "{names:?} {settings}: {}",
            reply.text()
        );
        for name in names {
            let status = server.post(&format!("/models/m/versions/{name}/predict"), r#"{"features":[4]}"#).status;
            assert_eq!(status, if loaded.contains(name) { 200 } else { 404 }, "{name} of {names:?} {settings}");
        }
        let checked = candor(&["check", &root.path().display().to_string()]).output().expect("it ran");
        let text = String::from_utf8_lossy(&checked.stdout);
        let good = format!("\n{} ok, 0 failed\n", loaded.len());
        assert!(checked.status.success() && text.ends_with(&good), "{names:?} {settings}: {text}");
    }
}

#[test]
fn faults_of_model_toml_refuse_the_model() {
    for (settings, message) in [
        ("required = 1", "TOML parse error at line 1…invalid type: integer `1`, expected a boolean"),
        ("requird = true", "TOML parse error at line 1…unknown field `requird`, expected one of …`required`…"),
        (
            "[limits]\ndeadline = 5",
            "TOML parse error at line 2…unknown field `deadline`, expected one of …`deadline_ms`…",
        ),
        ("required = tru", "TOML parse error at line 1…"),
        ("[limits]\nmax_batch_rows = 0", "limits.max_batch_rows must be from 1 to 4096; found 0"),
        ("[limits]\nmax_queue_rows = 2000000", "limits.max_queue_rows must be from 1 to 1000000; found 2000000"),
        ("[limits]\ndeadline_ms = 0", "limits.deadline_ms must be from 1 to 600000; found 0"),
        (
            "[limits]\nmax_delay_ms = 1000",
            "limits.max_delay_ms must be less than limits.deadline_ms (1000); found 1000",
        ),
        ("[canary]\npercent = 500", "canary.percent must be above 0 and at most 100, found 500"),
        ("[canary.guard]\nmin_requests = 0", "canary.guard.min_requests …"),
        ("[shadow]\nversion = \"2\"", "TOML parse error at line 2…unknown field `version`, expected `percent`…"),
        ("promote = \"latest\"", "TOML parse error at line 1…unknown variant `latest`, expected `manual` or `newest`…"),
        ("versions = \"newest\"", "versions must be \"all\", a list of names, or { latest = N }; found \"newest\""),
        ("versions = { latest = 0 }", "versions = { latest = 0 } selects no version; the minimum is 1"),
        ("versions = []", "versions is empty; there are: 1"),
        ("versions = [\"3\"]", "versions lists \"3\", which does not exist; there are: 1"),
    ] {
        let root = versions(&["1"], settings);
        add(root.path(), "other", "vector_input", &[]);
        let message = format!("{}: {message}", root.path().join("m/model.toml").display());
        let server = Server::over(root.path());
        let version = server.get("/models/m").json()["versions"][0].clone();
        let reasons = version["reasons"].as_array().expect("reasons").clone();
        assert_eq!((version["state"].as_str(), reasons.len()), (Some("unavailable"), 1), "{settings}: {version}");
        assert!(
            reasons[0].as_str().is_some_and(|text| matches_pattern(text, &message)),
            "{settings}: {}\n{message}",
            reasons[0]
        );
        let ready = server.get("/readyz");
        assert_eq!(
            (ready.status, ready.json()["reasons"].as_array().map(Vec::len)),
            (503, Some(1)),
            "{}",
            ready.text()
        );
        assert_eq!(ask(&server, "m", &json!([4])).status, 503);
        assert_eq!(ask(&server, "other", &json!([4])).status, 200);
        let checked = candor(&["check", &root.path().display().to_string()]).output().expect("it ran");
        let text = String::from_utf8_lossy(&checked.stdout);
        assert_eq!(checked.status.code(), Some(1), "{text}");
        let first = message.split('…').next().unwrap_or_default();
        assert!(text.contains(first.trim_end()), "{settings}: {text}");
    }
}

#[test]
fn what_cannot_be_a_model_is_told_by_check() {
    let root = versions(&["1"], "");
    for (directory, file) in [("no version", "readme"), ("empty", "readme")] {
        fs::create_dir_all(root.path().join(directory)).expect("a directory");
        fs::write(root.path().join(directory).join(file), "").expect("written");
    }
    let checked = candor(&["check", &root.path().display().to_string()]).output().expect("it ran");
    let text = String::from_utf8_lossy(&checked.stdout);
    assert_eq!(checked.status.code(), Some(1), "{text}");
    assert!(text.contains("empty: holds no version; expected empty/<version>/model.onnx"), "{text}");
    assert!(text.contains("\"no version\" is not a name"), "{text}");
}
