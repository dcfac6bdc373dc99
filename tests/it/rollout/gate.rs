//! The gate when a person promotes: what it refuses, with what words, and how to insist.

use std::{fs, path::Path};

use serde_json::json;

use super::{
    ADMINS, Rollout,
    versions::{add_version, document, repository},
};

/// Rows that `rollout_contrary` answers differently.
pub(super) fn write_golden_cases(root: &Path) {
    let case = |x0: f64, answer: &str| {
        json!({ "features": { "x0": x0, "x1": 1 }, "expect": { "prediction": answer } }).to_string()
    };
    let text = [case(1.0, "yes"), case(0.5, "yes"), case(-1.0, "no"), case(-0.5, "no")].join("\n");
    fs::write(root.join("model/1/golden.jsonl"), text).expect("written");
}

#[test]
fn a_contract_that_breaks_callers_is_refused_unless_a_person_insists_with_a_reason() {
    let repository = repository(&["stable"], "");
    let mut narrower = document();
    narrower["properties"]["x0"]["maximum"] = json!(10);
    add_version(repository.path(), "2", "stable", &narrower);
    let rollout = Rollout::start(repository);
    let reply = rollout.make("promote", &json!({ "version": "2" }));
    assert_eq!((reply.status, reply.code().as_str()), (409, "move_refused"), "{}", reply.text());
    let detail = reply.json()["detail"].as_str().expect("a detail").to_owned();
    let expected = "the gate refuses model 2, compared with 1: gate.allow_breaking_contract: the contract breaks callers: \
                    x0: range narrowed to ≤ 10";
    assert!(detail.starts_with(expected), "{detail}");
    assert!(detail.ends_with("; promote it with `force` and `why` if that is intended"), "{detail}");
    assert_eq!(rollout.state()["stable"], "1");
    // The command says the same, asks for a reason, and then does it.
    let output = rollout.command(&["promote", "model", "2"]);
    assert_eq!(String::from_utf8_lossy(&output.stderr).trim_end(), format!("candor: {detail}"));
    let output = rollout.command(&["promote", "model", "2", "--force"]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("--why"), "{output:?}");
    let output = rollout.command(&["promote", "model", "2", "--force", "--why", "nobody sends more than 10"]);
    assert!(output.status.success(), "{output:?}");
    let status = rollout.status();
    assert!(status.contains(&format!("promote 2 (from 1) by {ADMINS}: nobody sends more than 10")), "{status}");
    // To go back widens the contract, which breaks nobody.
    rollout.made("promote", &json!({ "version": "1" }));
}

#[test]
fn a_version_that_disagrees_too_often_is_refused() {
    let repository = repository(&["stable", "contrary", "retrained"], "[gate]\nmax_disagreement = 0.1\n");
    write_golden_cases(repository.path());
    let rollout = Rollout::start(repository);
    let reply = rollout.make("promote", &json!({ "version": "2" }));
    assert_eq!((reply.status, reply.code().as_str()), (409, "move_refused"), "{}", reply.text());
    let detail = reply.json()["detail"].as_str().expect("a detail").to_owned();
    assert!(
        detail.contains("gate.max_disagreement: the share of rows that disagree is 1; the limit is 0.1"),
        "{detail}"
    );
    assert_eq!(rollout.state()["history"], json!([]));
    rollout.made("promote", &json!({ "version": "3" }));
    // A rollback is never refused by the gate: it is the way out.
    rollout.made("promote", &json!({ "version": "2", "force": true, "why": "a test" }));
    assert_eq!(rollout.made("rollback", &json!({}))["stable"], "3");
}
