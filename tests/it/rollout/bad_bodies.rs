//! Moves that are refused: the status, the code and the words of each.

use super::{
    ADMINS, Rollout,
    versions::{add_other, repository},
};

/// Version 2 serves, version 3 failed to load, and version 4 is not selected.
fn start() -> Rollout {
    let repository = repository(&["stable", "retrained", "stable", "retrained"], "versions = [\"1\", \"2\", \"3\"]\n");
    std::fs::write(repository.path().join("model/3/model.onnx"), "not a graph").expect("written");
    add_other(repository.path());
    Rollout::start(repository)
}

/// Bodies for a route, with the status, the code and a part of the detail of the answer to each.
type Cases = [(&'static str, String, u16, &'static str, &'static str)];

fn assert_refused(rollout: &Rollout, cases: &Cases) {
    let before = rollout.state();
    for (name, body, status, code, phrase) in cases {
        let reply = rollout.ask("POST", &format!("/admin/models/{name}"), Some(ADMINS), body);
        let shown: String = body.chars().take(80).collect();
        assert_eq!((reply.status, reply.code().as_str()), (*status, *code), "{name} {shown}: {}", reply.text());
        let detail = reply.json()["detail"].as_str().expect("a detail").to_owned();
        assert!(detail.contains(phrase), "{name} {shown}: {detail}");
    }
    assert_eq!(rollout.state(), before, "nothing was moved");
}

#[test]
fn a_body_that_cannot_be_used_is_refused_with_what_is_wrong() {
    let rollout = start();
    let too_long = format!(r#"{{"version": "2", "why": "{}"}}"#, "é".repeat(1001));
    let too_large = format!(r#"{{"version": "2", "why": "{}"}}"#, "x".repeat(20_000));
    let (invalid, json) = ("data_contract_violation", "malformed_json");
    let text = |body: &str| body.to_owned();
    assert_refused(
        &rollout,
        &[
            ("model/promote", text(""), 400, invalid, "missing field `version`"),
            ("model/promote", text("{}"), 400, invalid, "missing field `version`"),
            ("model/promote", text("[]"), 400, invalid, "the body cannot be used"),
            ("model/promote", text(r#"{"version": 2}"#), 400, invalid, "expected a string"),
            ("model/promote", text(r#"{"version": "../2"}"#), 400, invalid, "the body cannot be used"),
            ("model/promote", text(r#"{"version": "2"#), 400, json, "EOF while parsing"),
            ("model/promote", text("version=2"), 400, json, "the body cannot be used"),
            ("model/promote", text(r#"{"version": "2", "force": true}"#), 400, invalid, "give it in `why`"),
            ("model/promote", text(r#"{"version": "2", "force": true, "why": " "}"#), 400, invalid, "give it in `why`"),
            ("model/promote", too_long, 400, invalid, "at most 1000 characters"),
            ("model/promote", too_large, 413, "body_too_large", "16384 bytes"),
            ("model/canary", text("{}"), 400, invalid, "needs a `version`, or `\"off\": true`"),
            ("model/canary", text(r#"{"percent": 5}"#), 400, invalid, "needs a `version`"),
            (
                "model/canary",
                text(r#"{"version": "2", "percent": 0}"#),
                400,
                invalid,
                "above 0 and at most 100; found 0",
            ),
            ("model/canary", text(r#"{"version": "2", "percent": -1}"#), 400, invalid, "found -1"),
            ("model/canary", text(r#"{"version": "2", "percent": 100.5}"#), 400, invalid, "found 100.5"),
            ("model/shadow", text(r#"{"version": "2", "percent": 101}"#), 400, invalid, "found 101"),
            ("model/canary", text(r#"{"version": "2", "percent": NaN}"#), 400, json, "the body cannot be used"),
            ("model/canary", text(r#"{"version": "2", "percent": "NaN"}"#), 400, invalid, "invalid type: string"),
            ("model/canary", text(r#"{"version": "2", "percent": 1e999}"#), 400, json, "number out of range"),
            ("model/canary", text(r#"{"version": "2", "off": true}"#), 400, invalid, "neither `version` nor `percent`"),
            ("model/shadow", text(r#"{"percent": 5, "off": true}"#), 400, invalid, "neither `version` nor `percent`"),
            ("model/rollback", text(r#"{"from": 7}"#), 400, invalid, "expected a string"),
            ("model/load", text("{}"), 400, invalid, "missing field `version`"),
            ("model/unload", text("{}"), 400, invalid, "missing field `version`"),
        ],
    );
}

#[test]
fn a_move_that_the_state_does_not_allow_is_refused_with_the_cause() {
    let rollout = start();
    let (refused, unknown) = ("move_refused", "unknown_version");
    let body = |version: &str| format!(r#"{{"version": "{version}"}}"#);
    assert_refused(
        &rollout,
        &[
            (
                "nobody/promote",
                body("1"),
                404,
                "unknown_model",
                "there is no model \"nobody\"; there are: model, other",
            ),
            ("nobody/canary", body("1"), 404, "unknown_model", "there is no model \"nobody\""),
            ("model/promote", body("9"), 404, unknown, "there is no version 9; there are: 1, 2, 3, 4"),
            ("model/promote", body("canary"), 404, unknown, "there is no version canary"),
            ("model/load", body("9"), 404, unknown, "there is no version 9"),
            ("model/unload", body("9"), 404, unknown, "there is no version 9"),
            ("model/promote", body("3"), 409, refused, "version 3 is not ready: "),
            ("model/canary", body("3"), 409, refused, "version 3 is not ready: "),
            ("model/shadow", body("3"), 409, refused, "version 3 is not ready: "),
            ("model/promote", body("4"), 409, refused, "version 4 is not loaded; load it first"),
            ("model/canary", body("1"), 409, refused, "version 1 is stable already: it serves every caller"),
            ("model/shadow", body("1"), 409, refused, "version 1 is stable already"),
            ("model/unload", body("1"), 409, refused, "version 1 is stable and cannot be unloaded"),
            ("model/rollback", String::new(), 409, refused, "there is no earlier version to roll back to"),
            ("model/rollback", r#"{"from": "2"}"#.to_owned(), 409, refused, "version 2 is neither stable nor canary"),
        ],
    );
    let output = rollout.command(&["promote", "model", "4"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "candor: version 4 is not loaded; load it first\n");
}

#[test]
fn no_route_takes_a_path_an_address_or_a_model() {
    let rollout = start();
    for name in ["promote", "canary", "shadow", "rollback", "load", "unload"] {
        for member in ["path", "url", "uri", "source", "model", "bytes", "data", "config", "parameters"] {
            let body = format!(r#"{{"{member}": "s3://elsewhere/model.onnx"}}"#);
            let reply = rollout.ask("POST", &format!("/admin/models/model/{name}"), Some(ADMINS), &body);
            let detail = reply.json()["detail"].as_str().expect("a detail").to_owned();
            assert_eq!(reply.status, 400, "{name} {member}: {detail}");
            assert!(detail.contains(&format!("unknown field `{member}`")), "{name}: {detail}");
        }
    }
    // Bytes are no JSON, whatever their media type says.
    let graph = std::fs::read(crate::support::paths::fixture("rollout_stable.onnx")).expect("a graph");
    let bearer = format!("Bearer {ADMINS}");
    let headers = [("authorization", bearer.as_str()), ("content-type", "application/octet-stream")];
    let address = rollout.server.admin_address();
    let reply = crate::support::server::send_to(address, ("POST", "/admin/models/model/load"), &headers, &graph);
    assert_eq!((reply.status, reply.code().as_str()), (400, "malformed_json"), "{}", reply.text());
}
