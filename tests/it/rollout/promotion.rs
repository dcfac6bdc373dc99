//! `promote = "newest"`: newer versions take over by themselves, directly or by way of a canary, unless the gate refuses
//! them; and what happens where the state cannot be written.

use std::fs;

use serde_json::{Value, json};

use super::{
    ADMINS, Rollout,
    gate::write_golden_cases,
    request,
    versions::{add_version, document, repository, write_settings},
};
use crate::support::{metrics::scraped, wait::wait_until};

const NEWEST: &str = "promote = \"newest\"\n";

/// The moves of this name that the server made itself.
fn automatic(rollout: &Rollout, name: &str) -> u64 {
    scraped(&rollout.server, &format!("candor_automatic_moves_total{{model=\"model\",move=\"{name}\"}}"))
}

fn add(rollout: &Rollout, version: &str, graph: &str) {
    add_version(rollout.repository.path(), version, graph, &document());
    rollout.reload();
}

#[test]
fn a_newer_version_takes_over_and_one_that_a_person_took_back_does_not_return() {
    let rollout = Rollout::start(repository(&["stable"], NEWEST));
    add(&rollout, "2", "retrained");
    wait_until("version 2 is stable", || rollout.state()["stable"] == "2");
    let latest = rollout.state()["history"][0].clone();
    assert_eq!((&latest["by"], &latest["move"]), (&json!("candor"), &json!("promote")), "{latest}");
    assert_eq!(
        (latest["why"].as_str(), automatic(&rollout, "promote")),
        (Some("model.toml says promote = \"newest\""), 1)
    );
    rollout.made("rollback", &json!({ "why": "it is worse" }));
    rollout.reload();
    assert_eq!((&rollout.state()["stable"], automatic(&rollout, "promote")), (&json!("1"), 1));
    add(&rollout, "3", "retrained");
    wait_until("version 3 is stable", || rollout.state()["stable"] == "3");
}

#[test]
fn with_a_canary_table_a_newer_version_proves_itself_first() {
    let settings =
        NEWEST.to_owned() + "[canary]\npercent = 50\n[canary.guard]\nmin_requests = 40\nmax_p99_ratio = false\n";
    let rollout = Rollout::start(repository(&["stable"], &settings));
    add(&rollout, "2", "retrained");
    wait_until("version 2 is the canary", || rollout.state()["canary"]["version"] == "2");
    assert_eq!((&rollout.state()["canary"]["percent"], &rollout.state()["stable"]), (&json!(50.0), &json!("1")));
    for entity in 0..400 {
        rollout.version_of(entity);
        if rollout.state()["stable"] == "2" {
            break;
        }
    }
    wait_until("version 2 is stable", || rollout.state()["stable"] == "2");
    let history = rollout.state()["history"].clone();
    assert_eq!(
        (&history[0]["move"], &history[0]["why"]),
        (&json!("promote"), &json!("the canary was within the limits"))
    );
    assert_eq!(
        (&history[1]["move"], automatic(&rollout, "canary"), automatic(&rollout, "promote")),
        (&json!("canary"), 1, 1)
    );
}

#[test]
fn a_version_that_the_gate_refuses_is_not_promoted_and_status_says_why() {
    let settings = NEWEST.to_owned() + "[gate]\nmax_disagreement = 0.1\n";
    let repository = repository(&["stable"], &settings);
    write_golden_cases(repository.path());
    let rollout = Rollout::start(repository);
    add(&rollout, "2", "contrary");
    let warning =
        "version 2 is not promoted by the server: gate.max_disagreement: the share of rows that disagree is 1";
    wait_until("the gate refuses version 2", || rollout.status().contains(warning));
    let state = rollout.state();
    assert_eq!((&state["stable"], &state["history"], automatic(&rollout, "promote")), (&json!("1"), &json!([]), 0));
    assert!(state["warnings"][0].as_str().is_some_and(|text| text.starts_with(warning)), "{state}");
    // With another limit the gate is asked again.
    write_settings(rollout.repository.path(), NEWEST);
    rollout.reload();
    wait_until("version 2 is stable", || rollout.state()["stable"] == "2");
    assert_eq!(rollout.state()["warnings"], json!([]));
}

#[test]
fn where_the_state_cannot_be_written_people_are_refused_and_the_server_follows_model_toml() {
    let repository = repository(&["stable"], NEWEST);
    // A directory in the place of the lock cannot be opened for writing, not even by root.
    fs::create_dir(repository.path().join("model/.rollout.lock")).expect("a directory");
    let rollout = Rollout::start(repository);
    add(&rollout, "2", "retrained");
    wait_until("version 2 is stable", || rollout.state()["stable"] == "2");
    let reply = rollout.make("rollback", &json!({}));
    assert_eq!((reply.status, reply.code().as_str()), (409, "move_not_recorded"), "{}", reply.text());
    let detail = reply.json()["detail"].as_str().expect("a detail").to_owned();
    for phrase in ["model: the move cannot be recorded", "set repository.state_directory to a directory that can"] {
        assert!(detail.contains(phrase), "{detail}");
    }
    assert_eq!(rollout.state()["stable"], "2", "nothing was moved");
    rollout.reload();
    assert_eq!(rollout.state()["stable"], "2");
    assert_eq!(rollout.version_of(1), "2");
}

#[test]
fn a_canary_that_fails_is_taken_back_even_if_that_cannot_be_recorded() {
    let repository = repository(&["stable", "failing"], "[canary.guard]\nmin_requests = 20\n");
    let state = tempfile::tempdir().expect("a directory");
    let place = state.path().to_path_buf();
    let rollout = Rollout::with(repository, |config| config.repository.state_directory = place);
    rollout.made("promote", &json!({ "version": "1", "force": true, "why": "the state is elsewhere" }));
    rollout.made("canary", &json!({ "version": "2", "percent": 50 }));
    assert!(state.path().join("model").is_dir() || state.path().read_dir().expect("it is there").next().is_some());
    block_writes(state.path());
    let mut body = request(0);
    body["features"]["x1"] = json!(200);
    for entity in 0..1000 {
        body["entity_id"] = json!(entity);
        let reply = rollout.server.post("/models/model/predict", &body.to_string());
        assert!([200, 500].contains(&reply.status), "{}", reply.text());
        if rollout.state()["canary"].is_null() {
            break;
        }
    }
    wait_until("the canary is taken back", || rollout.state()["canary"].is_null());
    let latest = rollout.state()["history"][0].clone();
    assert_eq!((&latest["by"], &latest["move"]), (&json!("candor"), &json!("rollback")), "{latest}");
    assert_eq!(
        rollout.make("promote", &json!({ "version": "2", "force": true, "why": "x" })).code(),
        "move_not_recorded"
    );
    rollout.reload();
    assert_eq!(rollout.state()["canary"], Value::Null, "it is not forgotten when the state is read again");
    let reply = rollout.ask("GET", "/admin/models", Some(ADMINS), "");
    assert_eq!(reply.status, 200);
}

#[test]
fn a_model_toml_that_cannot_be_used_is_shown_and_the_last_one_is_followed() {
    let rollout = Rollout::start(repository(&["stable", "retrained"], "[canary]\npercent = 7\n"));
    write_settings(rollout.repository.path(), "[canary]\npercent = 700\n");
    rollout.reload();
    let status = rollout.status();
    assert!(status.contains("warning: the last valid model.toml is followed: "), "{status}");
    assert!(status.contains("canary.percent must be above 0 and at most 100, found 700"), "{status}");
    assert_eq!(rollout.made("canary", &json!({ "version": "2" }))["canary"]["percent"], 7.0);
}

/// Makes every state below a directory unwritable: a directory takes the place of each lock.
fn block_writes(directory: &std::path::Path) {
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        if entry.path().is_dir() {
            block_writes(&entry.path());
        } else if entry.file_name() == ".rollout.lock" {
            fs::remove_file(entry.path()).expect("removed");
            fs::create_dir(entry.path()).expect("a directory");
        }
    }
}
