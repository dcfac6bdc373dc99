//! The admin listener: who may use it, and that it is separate from the data listener.

use candor::api::http::{ADMIN_ROUTES, Route};
use serde_json::json;

use super::{
    ADMINS, LIMITED, Rollout,
    versions::{add_other, repository},
};

fn path(route: &Route, model: &str) -> String {
    route.template.replace("{model}", model)
}

fn start() -> Rollout {
    let repository = repository(&["stable", "retrained"], "");
    add_other(repository.path());
    Rollout::start(repository)
}

#[test]
fn every_admin_route_needs_a_token_that_covers_the_model() {
    let rollout = start();
    for route in ADMIN_ROUTES {
        for token in [None, Some("wrong")] {
            let reply = rollout.ask(route.method, &path(route, "model"), token, "{}");
            assert_eq!((reply.status, reply.code().as_str()), (401, "unauthenticated"), "{}", route.template);
            assert_eq!(reply.header("www-authenticate"), Some("Bearer"));
            assert_eq!(reply.json()["model"], json!(null), "{}", reply.text());
        }
        if route.template.contains("{model}") {
            let refused = |model: &str| {
                let reply = rollout.ask(route.method, &path(route, model), Some(LIMITED), "no JSON");
                assert_eq!((reply.status, reply.code().as_str()), (403, "forbidden"), "{}", route.template);
                reply.json()["detail"].as_str().expect("a detail").replace(&format!("\"{model}\""), "it")
            };
            // Whether the model exists is not told.
            assert_eq!(refused("model"), refused("nobody"));
        }
    }
    assert_eq!(rollout.state()["history"], json!([]), "nothing was moved");
    let listed = rollout.ask("GET", "/admin/models", Some(LIMITED), "").json();
    let names: Vec<_> = listed["models"].as_array().expect("models").iter().map(|model| &model["model"]).collect();
    assert_eq!(names, [&json!("other")]);
    assert!(rollout.ask("POST", "/admin/models/other/load", Some(LIMITED), r#"{"version":"1"}"#).status == 200);
}

#[test]
fn the_data_listener_has_no_admin_route_and_the_admin_listener_no_other() {
    let rollout = start();
    for route in ADMIN_ROUTES {
        let bearer = format!("Bearer {ADMINS}");
        let headers = [("authorization", bearer.as_str())];
        let reply = rollout.server.send(route.method, &path(route, "model"), &headers, b"{}");
        assert_eq!((reply.status, reply.code().as_str()), (404, "not_found"), "{}", route.template);
    }
    let reply = rollout.ask("POST", "/models/model/predict", Some(ADMINS), "{}");
    assert_eq!(reply.status, 404, "{}", reply.text());
}

#[test]
fn a_move_is_kept_with_its_person_and_its_reason() {
    let rollout = start();
    let made = rollout.made("promote", &json!({ "version": "2", "why": "ticket 17" }));
    let history = made["history"].as_array().expect("a history");
    assert_eq!(history.len(), 1);
    let (by, why, before) = (&history[0]["by"], &history[0]["why"], &history[0]["before"]);
    assert_eq!((by, why, before), (&json!(ADMINS), &json!("ticket 17"), &json!("1")));
    assert_eq!((&made["changed"], &made["stable"], &made["previous"]), (&json!(true), &json!("2"), &json!("1")));
    let status = rollout.status();
    assert!(status.contains("promote 2 (from 1) by root: ticket 17"), "{status}");
    assert!(status.contains("stable: all callers") && status.contains("previous"), "{status}");
    rollout.made("rollback", &json!({ "why": "line 1\n  line 2\u{1b}[31m" }));
    let status = rollout.status();
    assert!(status.contains("rollback to 1 (from 2) by root: line 1   line 2 [31m\n"), "{status}");
    let kept = std::fs::read_to_string(rollout.repository.path().join("model/rollout.json")).expect("the state");
    assert!(kept.contains("ticket 17"), "{kept}");
}

#[test]
fn a_move_that_is_repeated_changes_nothing() {
    let rollout = start();
    let moves = [
        ("canary", json!({ "version": "2", "percent": 10 })),
        ("canary", json!({ "off": true })),
        ("shadow", json!({ "version": "2" })),
        ("shadow", json!({ "off": true })),
        ("promote", json!({ "version": "2" })),
        ("rollback", json!({ "from": "2" })),
        ("unload", json!({ "version": "2" })),
        ("load", json!({ "version": "2" })),
    ];
    for (generation, (name, body)) in (1..).zip(&moves) {
        let made = rollout.made(name, body);
        assert_eq!((&made["changed"], &made["generation"]), (&json!(true), &json!(generation)), "{name}");
        if *name == "rollback" {
            // Version 2 is not stable any more, so this cannot roll back twice.
            let reply = rollout.make(name, body);
            assert_eq!((reply.status, reply.code().as_str()), (409, "move_refused"), "{}", reply.text());
            continue;
        }
        let again = rollout.made(name, body);
        assert_eq!((&again["changed"], &again["generation"]), (&json!(false), &json!(generation)), "{name}");
    }
    assert_eq!(rollout.state()["history"].as_array().map(Vec::len), Some(moves.len()));
    let output = rollout.command(&["load", "model", "2"]);
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("nothing to do: it is so already\n"), "{output:?}");
}
