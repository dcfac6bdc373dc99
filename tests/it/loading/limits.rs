//! Loading ends: after its time limit, when the server stops, and without waiting on special files.

use std::{
    fs,
    os::unix::fs::symlink,
    path::Path,
    process::Command,
    time::{Duration, Instant},
};

use candor::repository::{Loader, ModelDirectory, scan};
use serde_json::json;

use super::{add_refused, add_table, reasons};
use crate::support::{
    packages::{ask, copy_models},
    paths::fixture,
    process::{Process, candor},
    server::Server,
    wait::TEST_TIMEOUT,
};

/// A repository with a good model and one whose graph never ends.
fn endless() -> tempfile::TempDir {
    let repository = copy_models(&["wine"]);
    add_refused(repository.path(), "endless", "endless_loop");
    repository
}

fn short(config: &mut candor::config::Config) {
    config.repository.load_timeout_ms = 300.try_into().expect("not zero");
}

#[test]
fn a_version_that_never_ends_loading_is_unavailable_with_the_reason() {
    let repository = endless();
    let server = Server::start(|config| {
        config.repository.models = repository.path().to_path_buf();
        config.repository.default_model = "wine".to_owned();
        short(config);
    });
    let expected = "loading took longer than 300 ms (repository.load_timeout_ms), in the stage: running instances to see what the graph answers";
    assert_eq!(reasons(&server, "endless"), [expected]);
    let ready = server.get("/readyz");
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains(expected), "{}", ready.text());
    let example = server.get("/models/wine/versions/1").json()["example"]["features"].clone();
    assert_eq!(ask(&server, "wine", &example).status, 200, "the other models serve");
    let metrics = server.get("/metrics").text();
    assert!(metrics.contains("\ncandor_abandoned_loads_total 0\n"), "its thread has ended: {metrics}");
    assert!(server.drain());
}

#[test]
fn check_does_not_wait_for_ever() {
    let repository = endless();
    let set = ["--set", "repository.load_timeout_ms=300"];
    let path = repository.path().display().to_string();
    let output = candor(&[&["check", path.as_str()][..], &set].concat()).output().expect("it ran");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.contains("failed  endless 1\n        loading took longer than 300 ms"), "{text}");
    assert!(text.contains("ok      wine 1"), "{text}");
}

/// The time limit is a minute, so only the signal can end the load.
#[test]
fn a_signal_interrupts_loading() {
    let repository = endless();
    let mut process = Process::starting(&[&repository.path().display().to_string()]);
    process.wait_for(|line| line["message"] == "loaded" && line["model"] == "wine").expect("the other is loaded");
    let started = Instant::now();
    process.signal("TERM");
    let interrupted = process.wait_for(|line| line["model"] == "endless").expect("a line");
    assert_eq!(interrupted["message"], "loading was interrupted because the server is stopping");
    assert_eq!((&interrupted["level"], process.ended()), (&json!("INFO"), Some(0)));
    assert!(started.elapsed() < TEST_TIMEOUT, "{:?}", started.elapsed());
}

#[test]
fn a_limit_of_no_time_is_refused() {
    let output = candor(&["config", "--set", "repository.load_timeout_ms=0"]).output().expect("it ran");
    let text = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{text}");
    assert!(text.contains("repository.load_timeout_ms"), "{text}");
}

fn pipe(path: &Path) {
    let _ = fs::remove_file(path);
    assert!(Command::new("mkfifo").arg(path).status().expect("mkfifo").success());
}

/// Nobody ever writes to these pipes: opening one would block for ever.
#[test]
fn only_regular_files_of_a_fair_size_are_read() {
    let repository = tempfile::tempdir().expect("a directory");
    let version = |model: &str| repository.path().join(model).join("1");
    let files = ["contract.json", "version.json", "golden.jsonl", "calibration.json", "profile.json", "model.onnx"];
    let names = files.map(|file| file.split('.').next().expect("a stem"));
    for (file, model) in files.iter().zip(names) {
        add_table(&version(model));
        // With version.json it counts as a version even if the graph is not a file.
        fs::write(version(model).join("version.json"), "{}").expect("written");
        pipe(&version(model).join(file));
    }
    add_table(&version("weights"));
    pipe(&version("weights").join("external_table.bin"));
    add_table(&version("listed"));
    let files = json!({ "files": { "notes.txt": "sha256:00" } });
    fs::write(version("listed").join("version.json"), files.to_string()).expect("written");
    pipe(&version("listed").join("notes.txt"));
    add_table(&version("device"));
    symlink("/dev/zero", version("device").join("contract.json")).expect("linked");
    add_table(&version("large"));
    fs::File::create(version("large").join("contract.json")).and_then(|file| file.set_len(1 << 40)).expect("made");
    add_table(&version("settings"));
    pipe(&repository.path().join("settings/model.toml"));

    let server = Server::over(repository.path());
    let fifo = "it is a named pipe (FIFO); expected a regular file";
    for model in names.iter().chain(&["weights", "listed", "settings"]) {
        let reasons = reasons(&server, model).join("\n");
        assert!(reasons.contains(fifo), "{model}: {reasons}");
    }
    assert!(reasons(&server, "device").join("\n").contains("it is a device; expected a regular file"));
    assert!(reasons(&server, "large").join("\n").contains("it has 1099511627776 bytes; the limit is 67108864"));
}

/// The loader of a command, with a short time limit.
fn impatient() -> Loader {
    let settings = crate::support::server::config().runtime;
    let library = candor::runtime::OrtLibrary::load(&settings.library).expect("ONNX Runtime");
    Loader::new(library, settings).with_time_limit(Duration::from_millis(300))
}

/// The graph takes as many steps as the row says, so only some rows never end.
#[test]
fn a_run_of_init_that_never_ends_is_stopped() {
    let place = tempfile::tempdir().expect("a directory");
    let table = place.path().join("t.csv");
    fs::write(&table, "x,steps\n1,1\n1,9000000000000\n").expect("written");
    let out = place.path().join("models/m/1");
    let wishes = candor::authoring::InitOptions::default();
    let made = candor::authoring::init(&impatient(), &fixture("slow_loop.onnx"), &table, Some(&out), &wishes);
    let error = made.err().expect("refused").to_string();
    assert!(error.contains("the run took longer than 300 ms and was stopped"), "{error}");
    assert!(!out.exists());
}

#[test]
fn a_prepared_version_stops_runs_that_never_end_and_goes_on() {
    let model: ModelDirectory = scan(&fixture("slow_loop.onnx")).expect("a model").models.remove(0);
    let settings = candor::repository::ModelSettings::default();
    let mut prepared = impatient()
        .verify_package(&model.name, &model.versions[0], &settings)
        .unwrap_or_else(|errors| panic!("{errors:?}"));
    let row = |steps: i64| {
        let features = serde_json::from_value(json!({ "x": 4, "steps": steps })).expect("a literal");
        prepared.admit(&features).expect("admitted")
    };
    let (endless, two) = (row(9_000_000_000_000), row(2));
    let stopped = prepared.run(&[&endless]).remove(0).expect_err("stopped").to_string();
    assert_eq!(stopped, "the run took longer than 300 ms and was stopped");
    assert!(prepared.run(&[&two]).remove(0).is_ok());
}
