//! Which callers get a canary: by entity, by header or by request, the same on every server, and never those that name a
//! version.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Rollout, request, versions::repository};

/// Entities of a test.
const ENTITIES: u64 = 300;

/// A model with version 1 stable and 2 as canary.
fn start(settings: &str, percent: f64) -> Rollout {
    let rollout = Rollout::start(repository(&["stable", "retrained"], settings));
    rollout.made("canary", &json!({ "version": "2", "percent": percent }));
    rollout
}

/// The entities that get the canary.
fn in_canary(rollout: &Rollout) -> BTreeSet<u64> {
    (0..ENTITIES).filter(|entity| rollout.version_of(*entity) == "2").collect()
}

#[test]
fn an_entity_keeps_its_version_on_every_server_and_a_larger_share_only_adds_entities() {
    let rollout = start("", 10.0);
    let tenth = in_canary(&rollout);
    let expected = ENTITIES as f64 * 0.1;
    assert!((tenth.len() as f64 - expected).abs() < 5.0 * (expected * 0.9).sqrt(), "{}", tenth.len());
    for entity in 0..50 {
        let expected = if tenth.contains(&entity) { "2" } else { "1" };
        assert_eq!(rollout.version_of(entity.to_string()), expected, "the number {entity} and its text are one entity");
    }
    // Another server on the same repository, which is also what a restart is.
    let Rollout { server, repository, .. } = rollout;
    let second = Rollout::start(repository);
    assert_eq!(in_canary(&second), tenth);
    drop(server);
    for percent in [30, 100] {
        second.made("canary", &json!({ "version": "2", "percent": percent }));
        let more = in_canary(&second);
        assert!(more.is_superset(&tenth) && more.len() > tenth.len(), "{percent} %");
    }
    assert_eq!(in_canary(&second).len() as u64, ENTITIES);
    second.made("canary", &json!({ "off": true }));
    assert!(in_canary(&second).is_empty());
}

#[test]
fn a_canary_that_another_server_chose_and_that_is_not_there_has_no_callers() {
    let rollout = start("", 100.0);
    assert_eq!(rollout.version_of(1), "2");
    let state = r#"{"stable": "1", "generation": 9,
        "canary": {"version": "7", "percent": 100, "since": "2026-05-04T09:00:00Z"}}"#;
    std::fs::write(rollout.repository.path().join("model/rollout.json"), state).expect("written");
    rollout.reload();
    assert_eq!((&rollout.state()["canary"]["version"], &rollout.state()["guard"]), (&json!("7"), &Value::Null));
    assert_eq!(rollout.version_of(1), "1");
}

#[test]
fn callers_are_recognised_by_a_header_where_model_toml_says_so() {
    let rollout = start("[canary]\nsticky_by = \"header:x-user-id\"\n", 50.0);
    let version = |user: &str, entity: u64| {
        rollout.version_for("/models/model/predict", &[("x-user-id", user)], &request(entity))
    };
    let users: Vec<String> = (0..40).map(|user| format!("user-{user}")).collect();
    let first: Vec<String> = users.iter().map(|user| version(user, 1)).collect();
    assert_eq!(first.iter().collect::<BTreeSet<_>>().len(), 2, "both versions have callers");
    let again: Vec<String> = (0..).zip(&users).map(|(entity, user)| version(user, entity)).collect();
    assert_eq!(again, first, "the entity does not matter");
}

#[test]
fn without_a_value_to_recognise_each_request_is_assigned_anew() {
    for (settings, body) in [
        ("[canary]\nsticky_by = \"request\"\n", request(7)),
        ("[canary]\nsticky_by = \"header:x-user-id\"\n", request(7)),
        ("", json!({ "features": { "x0": 1, "x1": 1 } })),
    ] {
        let rollout = start(settings, 50.0);
        let path = "/models/model/predict";
        let found: BTreeSet<String> = (0..60).map(|_| rollout.version_for(path, &[], &body)).collect();
        assert_eq!(found.len(), 2, "{settings}");
        // A client that repeats a request with its id gets the same version.
        for id in 0..20 {
            let repeated = || rollout.version_for(path, &[("x-request-id", &format!("order-{id}"))], &body);
            assert_eq!(repeated(), repeated(), "{settings}");
        }
    }
}

#[test]
fn a_request_that_names_a_version_is_left_out() {
    let rollout = Rollout::start(repository(&["stable", "retrained", "contrary"], ""));
    rollout.made("promote", &json!({ "version": "2", "force": true, "why": "so that 1 is the previous version" }));
    rollout.made("canary", &json!({ "version": "3", "percent": 100 }));
    rollout.made("shadow", &json!({ "version": "1" }));
    let named = |name: &str| rollout.version_for(&format!("/models/model/versions/{name}/predict"), &[], &request(1));
    for (name, version) in
        [("1", "1"), ("2", "2"), ("3", "3"), ("stable", "2"), ("canary", "3"), ("shadow", "1"), ("previous", "1")]
    {
        assert_eq!(named(name), version, "{name}");
    }
    let counted = |arm: &str| rollout.state()["guard"]["observed"][arm]["requests"].clone();
    assert_eq!((counted("canary"), counted("stable")), (json!(0), json!(0)));
    assert!(!rollout.server.get("/metrics").text().contains("candor_shadow_rows_total{"));
    assert_eq!((rollout.version_of(1), counted("canary")), ("3".to_owned(), json!(1)));
    // An alias without a version is an unknown version.
    rollout.made("canary", &json!({ "off": true }));
    let reply = rollout.server.post("/models/model/versions/canary/predict", &request(1).to_string());
    assert_eq!((reply.status, reply.code().as_str()), (404, "unknown_version"), "{}", reply.text());
    assert_eq!(rollout.state()["canary"], Value::Null);
}
