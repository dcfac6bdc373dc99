//! Shadows: their answers are compared and never sent; whatever they do, callers notice nothing.

use serde_json::{Value, json};

use super::{
    Rollout, request,
    versions::{add_version, document, repository},
};
use crate::support::{
    http_client::Reply,
    metrics::{scraped, value_of},
    packages::contract,
    wait::wait_until,
};

fn rows(rollout: &Rollout, version: &str, outcome: &str) -> u64 {
    let labels = format!("{{model=\"model\",version=\"{version}\",outcome=\"{outcome}\"}}");
    scraped(&rollout.server, &format!("candor_shadow_rows_total{labels}"))
}

fn predict(rollout: &Rollout, body: &Value) -> Reply {
    let reply = rollout.server.post("/models/model/predict", &body.to_string());
    assert_eq!((reply.status, reply.header("x-model-version")), (200, Some("1")), "{}", reply.text());
    reply
}

/// The prediction and all that belongs to it, without what differs by request.
fn answer(reply: &Reply) -> Value {
    let mut answer = reply.json();
    answer["request_id"] = Value::Null;
    answer
}

#[test]
fn rows_are_compared_and_the_answers_of_callers_do_not_change() {
    let rollout = Rollout::start(repository(&["stable", "retrained", "contrary", "failing"], ""));
    let mut body = request(1);
    body["features"]["x1"] = json!(200);
    let alone = answer(&predict(&rollout, &body));
    // A shadow that always fails hurts nobody.
    for (version, outcome) in [("2", "agree"), ("3", "disagree"), ("4", "error")] {
        rollout.made("shadow", &json!({ "version": version }));
        for _ in 0..20 {
            assert_eq!(answer(&predict(&rollout, &body)), alone);
        }
        wait_until("every copy is answered", || rows(&rollout, version, outcome) == 20);
    }
    let metrics = rollout.server.get("/metrics").text();
    for (version, count) in [("2", 20), ("3", 20), ("4", 0)] {
        let labels = format!("{{model=\"model\",version=\"{version}\"}}");
        for name in ["difference", "latency_ratio", "uncertainty_difference"] {
            assert_eq!(value_of(&metrics, &format!("candor_shadow_{name}_count{labels}")), count, "{name} {version}");
        }
    }
    let requests = metrics.lines().filter(|line| line.starts_with("candor_requests_total{"));
    let counted: Vec<&str> = requests.filter(|line| line.contains("model=\"model\"")).collect();
    assert!(matches!(counted[..], [line] if line.ends_with(" 61")), "copies are no requests: {counted:?}");
    rollout.made("shadow", &json!({ "off": true }));
    predict(&rollout, &body);
    assert_eq!(rows(&rollout, "4", "error"), 20);
}

#[test]
fn values_without_an_interval_are_undecided() {
    let features = json!({ "x0": { "type": "number" }, "x1": { "type": "number" } });
    let document = contract("x", &features, &json!({ "task": "regression", "value": { "tensor": "value" } }));
    let repository = tempfile::tempdir().expect("a directory");
    for version in ["1", "2"] {
        add_version(repository.path(), version, "value", &document);
    }
    std::fs::write(repository.path().join("model/rollout.json"), r#"{"stable": "1"}"#).expect("written");
    let rollout = Rollout::start(repository);
    rollout.made("shadow", &json!({ "version": "2" }));
    predict(&rollout, &request(1));
    wait_until("the copy is answered", || rows(&rollout, "2", "undecided") == 1);
}

#[test]
fn a_shadow_with_another_contract_or_another_task_hurts_nobody() {
    let repository = repository(&["stable"], "");
    let mut wider = document();
    wider["properties"]["x1"]["maximum"] = json!(0);
    add_version(repository.path(), "2", "stable", &wider);
    let features = json!({ "x0": { "type": "number" }, "x1": { "type": "number" } });
    let value = contract("x", &features, &json!({ "task": "regression", "value": { "tensor": "value" } }));
    add_version(repository.path(), "3", "value", &value);
    let rollout = Rollout::start(repository);
    rollout.made("shadow", &json!({ "version": "2" }));
    predict(&rollout, &request(1));
    wait_until("the copy is refused", || rows(&rollout, "2", "error") == 1);
    rollout.made("shadow", &json!({ "version": "3" }));
    predict(&rollout, &request(1));
    let status = rollout.status();
    let warning = "warning: version 3 gets no copies: the task of the old version is classification, that of the new one \
                   is regression";
    assert!(status.contains(warning), "{status}");
    assert!(!rollout.server.get("/metrics").text().contains("candor_shadow_rows_total{model=\"model\",version=\"3\""));
}

#[test]
fn copies_that_a_slow_shadow_cannot_take_are_dropped() {
    // One row at a time, so that it needs about 10 s for 500 rows; 288 of them can wait or run.
    let rollout = Rollout::start(repository(&["stable", "slow"], "limits.max_batch_rows = 1\n"));
    rollout.made("shadow", &json!({ "version": "2" }));
    let mut sent = 0;
    wait_until("copies are dropped", || {
        (0..50).for_each(|_| drop(predict(&rollout, &request(sent))));
        sent += 50;
        rows(&rollout, "2", "dropped") > 0
    });
    assert!(sent > 250, "none is dropped as long as there is room: {sent}");
    let ended = ["agree", "disagree", "undecided", "error", "dropped"].map(|outcome| rows(&rollout, "2", outcome));
    assert!(ended.iter().sum::<u64>() <= sent, "{ended:?}");
}
