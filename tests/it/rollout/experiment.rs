//! A/B experiments of model.toml: who gets which arm, and what says so.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::{
    Rollout, request,
    versions::{repository, write_settings},
};
use crate::support::{metrics::value_of, process::Process, server::send_to};

const TWO_ARMS: &str = "[experiment]\nname = \"button\"\n\
     arms.a = { version = \"1\", percent = 30 }\narms.b = { version = \"2\", percent = 50 }\n";

/// The version and the arm of each of these entities.
fn arms(rollout: &Rollout, entities: u64) -> Vec<(String, Option<String>)> {
    let one = |entity: u64| {
        let reply = rollout.server.post("/models/model/predict", &request(entity).to_string());
        assert_eq!(reply.status, 200, "{}", reply.text());
        let header = |name: &str| reply.header(name).map(str::to_owned);
        (header("x-model-version").expect("a version"), header("x-variant"))
    };
    (0..entities).map(one).collect()
}

#[test]
fn each_arm_gets_its_share_and_the_rest_gets_stable_without_a_header() {
    const ENTITIES: u64 = 1000;
    let rollout = Rollout::start(repository(&["stable", "retrained"], TWO_ARMS));
    let found = arms(&rollout, ENTITIES);
    let mut counts: BTreeMap<Option<&str>, u64> = BTreeMap::new();
    for (version, arm) in &found {
        *counts.entry(arm.as_deref()).or_default() += 1;
        assert_eq!(version, if arm.as_deref() == Some("b") { "2" } else { "1" }, "{arm:?}");
    }
    for (arm, share) in [(Some("a"), 0.3), (Some("b"), 0.5), (None, 0.2)] {
        let (count, expected) = (counts[&arm] as f64, ENTITIES as f64 * share);
        assert!((count - expected).abs() < 5.0 * (expected * (1.0 - share)).sqrt(), "{arm:?}: {count}");
    }
    let metrics = rollout.server.get("/metrics").text();
    for (version, arm) in [("1", "a"), ("2", "b")] {
        let labels = format!("{{model=\"model\",version=\"{version}\",variant=\"{arm}\",outcome=\"ok\"}}");
        assert_eq!(value_of(&metrics, &format!("candor_variant_requests_total{labels}")), counts[&Some(arm)]);
    }
    // The same callers get the same arms after a restart, and others if the experiment has another name.
    let again = Rollout::start(rollout.repository);
    assert_eq!(arms(&again, 200), found[..200]);
    write_settings(again.repository.path(), &TWO_ARMS.replace("button", "colour"));
    again.reload();
    assert_ne!(arms(&again, 200), found[..200]);
}

#[test]
fn an_arm_without_a_ready_version_has_no_callers() {
    let rollout = Rollout::start(repository(&["stable", "retrained"], &TWO_ARMS.replace("\"2\"", "\"7\"")));
    for (version, arm) in arms(&rollout, 60) {
        assert!(version == "1" && arm.as_deref().is_none_or(|arm| arm == "a"), "{version} {arm:?}");
    }
    let status = rollout.status();
    assert!(status.contains("warning: arm b has no callers: version 7 is not ready"), "{status}");
}

#[test]
fn callers_of_an_experiment_are_no_part_of_the_canary() {
    let rollout = Rollout::start(repository(&["stable", "retrained", "retrained"], TWO_ARMS));
    rollout.made("canary", &json!({ "version": "3", "percent": 100 }));
    let found = arms(&rollout, 100);
    let outside = found.iter().filter(|(_, arm)| arm.is_none()).count();
    assert!(outside > 0 && found.iter().all(|(version, arm)| arm.is_some() == (version != "3")), "{found:?}");
    let observed = &rollout.state()["guard"]["observed"];
    assert_eq!((&observed["canary"]["requests"], &observed["stable"]["requests"]), (&json!(outside), &json!(0)));
}

#[test]
fn the_log_line_of_a_request_names_its_arm() {
    let models = repository(&["stable", "retrained"], &TWO_ARMS.replace("percent = 50", "percent = 70"));
    let process = Process::serve(&[models.path().to_str().expect("a path")]);
    let headers = [("content-type", "application/json"), ("x-request-id", "one")];
    for entity in 0..10 {
        let body = request(entity).to_string();
        let reply = send_to(process.address, ("POST", "/models/model/predict"), &headers, body.as_bytes());
        let line = process.wait_for(|line| line["message"] == "request").expect("its line");
        let text = |value: &Value| value.as_str().map(str::to_owned);
        assert_eq!(text(&line["variant"]).as_deref(), reply.header("x-variant"), "{line}");
        assert_eq!(text(&line["version"]).as_deref(), reply.header("x-model-version"), "{line}");
    }
}
