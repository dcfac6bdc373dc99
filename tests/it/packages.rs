//! Broken packages: each names the file and the difference, and the other models are served.

mod cases;
mod proof;
mod versions;

use std::{collections::BTreeMap, fs, path::Path, sync::LazyLock};

use cases::{CASES, Case};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    matching::matches_pattern,
    packages::{ask, copy_models, unlist_calibrations},
    paths::root,
    process::candor,
    server::Server,
};

/// A repository with one model per broken package, and one good model.
fn broken(settings: &str) -> TempDir {
    let repository = copy_models(&["wine"]);
    for case in CASES {
        let model = repository.path().join(case.name);
        let version = model.join("1");
        copy(&root().join("models").join(case.from).join("1"), &version);
        // Each change must be found by itself, not by its digest or by the calibration of another model.
        fs::remove_file(version.join("calibration.json")).expect("removed");
        if case.digests {
            unlist_calibrations(&model);
        } else {
            fs::remove_file(version.join("version.json")).expect("removed");
        }
        if !settings.is_empty() {
            fs::write(model.join("model.toml"), settings).expect("written");
        }
        (case.damage)(&version);
    }
    repository
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory").flatten() {
        fs::copy(entry.path(), to.join(entry.file_name())).expect("copied");
    }
}

/// A server of them, with its repository.
static BROKEN: LazyLock<(Server, TempDir)> = LazyLock::new(|| {
    let repository = broken("");
    (Server::over(repository.path()), repository)
});

/// The messages expected for a case, with its directories inserted.
fn expected(case: &Case, repository: &Path) -> Vec<String> {
    let model = repository.join(case.name);
    let place = |text: &&str| {
        text.replace("{v}", &model.join("1").display().to_string()).replace("{m}", &model.display().to_string())
    };
    case.messages.iter().map(place).collect()
}

#[test]
fn every_fault_is_named_with_its_file_and_the_difference() {
    let (server, repository) = &*BROKEN;
    let mut wrong = BTreeMap::new();
    for case in CASES {
        let model = server.get(&format!("/models/{}", case.name)).json();
        let version = &model["versions"][0];
        assert_eq!((&model["ready"], &version["state"]), (&json!(false), &json!("unavailable")), "{model:#}");
        let reasons = version["reasons"].as_array().expect("reasons").iter();
        let reasons: Vec<String> = reasons.filter_map(Value::as_str).map(str::to_owned).collect();
        let expected = expected(case, repository.path());
        let same = reasons.len() == expected.len()
            && reasons.iter().zip(&expected).all(|(reason, pattern)| matches_pattern(reason, pattern));
        if !same {
            wrong.insert(case.name, (expected, reasons));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn a_broken_model_is_not_ready_and_the_others_serve_on() {
    let (server, _) = &*BROKEN;
    for case in CASES {
        for path in [format!("/models/{}/predict", case.name), format!("/models/{}/versions/1/predict", case.name)] {
            let reply = server.post(&path, r#"{"features":[]}"#);
            assert_eq!((reply.status, reply.code().as_str()), (503, "not_ready"), "{path}: {}", reply.text());
            assert!(reply.header("retry-after").is_some_and(|wait| wait.parse::<u64>().is_ok()), "{path}");
            assert_eq!(reply.json()["model"], case.name);
        }
        let contract = server.get(&format!("/models/{}/contract", case.name));
        assert_eq!(contract.status, 503, "{}", contract.text());
    }
    let example = server.get("/models/wine/versions/1").json()["example"]["features"].clone();
    assert_eq!(ask(server, "wine", &example).status, 200);
}

#[test]
fn readiness_follows_required() {
    let (server, repository) = &*BROKEN;
    let reply = server.get("/readyz");
    let reasons: Vec<String> = reply.json()["reasons"]
        .as_array()
        .expect("reasons")
        .iter()
        .map(|text| text.as_str().unwrap_or("").to_owned())
        .collect();
    assert_eq!((reply.status, reasons.len()), (503, CASES.len()), "{reasons:#?}");
    for case in CASES {
        let messages = expected(case, repository.path());
        let more = if messages.len() > 1 { format!(" (and {} more)", messages.len() - 1) } else { String::new() };
        let reason = format!("{}: version 1 is unavailable: {}{more}", case.name, messages[0]);
        assert!(reasons.iter().any(|found| matches_pattern(found, &reason)), "{reason}\n{reasons:#?}");
    }

    let optional = broken("required = false\n");
    let server = Server::over(optional.path());
    let reply = server.get("/readyz");
    assert_eq!((reply.status, reply.json()["ready"].clone()), (200, json!(true)), "{}", reply.text());
    let models = server.get("/models").json();
    let ready = models["models"].as_array().expect("models").iter().filter(|model| model["ready"] == true).count();
    assert_eq!(ready, 1);
}

#[test]
fn check_tells_everything_at_once() {
    let repository = broken("");
    let output = candor(&["check", &repository.path().display().to_string()]).output().expect("it ran");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{text}");
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    for case in CASES {
        assert!(lines.contains(&format!("failed  {} 1", case.name).as_str()), "{}\n{text}", case.name);
        for message in expected(case, repository.path()) {
            // The first line of a message is compared.
            let first = message.lines().next().unwrap_or_default();
            assert!(lines.iter().any(|line| matches_pattern(line, first)), "{first}\n{text}");
        }
    }
    assert!(text.ends_with(&format!("2 ok, {} failed\n", CASES.len())), "{text}");
}

#[test]
fn check_finds_nothing_wrong_with_the_bundled_models() {
    let output = candor(&["check", "models/"]).output().expect("it ran");
    let text = String::from_utf8_lossy(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{text}");
    assert!(text.ends_with("7 ok, 0 failed\n") && text.contains("wine 2"), "{text}");
}
