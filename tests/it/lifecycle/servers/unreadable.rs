//! States that cannot be read or followed: not ready with the reason, until somebody repairs the file.

use std::fs;

use serde_json::json;

use crate::{
    lifecycle::answer,
    support::{
        models_directory::{BODY, ModelsDirectory, make, predict, rollout},
        wait::wait_until,
    },
};

const GOOD: &str = r#"{"format":1,"generation":3,"stable":"1"}"#;

/// The contents, and what the reason says.
const FAULTS: [(&str, &str); 5] = [
    ("{", "EOF while parsing"),
    (r#"{"format":2,"stable":"1"}"#, "its format is 2; this server reads format 1"),
    (r#"{"format":1,"stable_version":"1"}"#, "unknown field `stable_version`"),
    (r#"{"format":1,"stable":"../1"}"#, "is not a name"),
    (r#"{"format":1,"stable":"7"}"#, "version 7 is stable, which does not exist"),
];

#[test]
fn a_faulty_state_at_the_start_is_told_and_can_be_repaired() {
    for (content, reason) in FAULTS {
        let models = ModelsDirectory::new(&[("m/1", 10.0), ("m/2", 20.0)]);
        let path = models.at("m/rollout.json");
        fs::write(&path, content).expect("written");
        let server = models.serve(|_| {});
        let ready = server.get("/readyz");
        assert_eq!(ready.status, 503, "{content}");
        assert!(ready.text().contains(reason.split(' ').next().unwrap_or_default()), "{content}: {}", ready.text());
        let problem = rollout(&server, "m")["problem"].clone();
        assert!(problem.as_str().is_some_and(|text| text.contains(reason)), "{content}: {problem}");
        assert_eq!(server.post("/models/m/predict", BODY).status, 503, "{content}");
        // A version that is named is served, whatever the state says.
        assert_eq!(predict(&server, "m/versions/2"), answer("2", 20.0), "{content}");
        fs::write(&path, GOOD).expect("written");
        server.reload();
        wait_until("it is ready", || server.get("/readyz").status == 200);
        assert_eq!(predict(&server, "m"), answer("1", 10.0), "{content}");
    }
}

#[test]
fn a_state_that_becomes_faulty_changes_nothing_and_refuses_moves() {
    for (content, reason) in &FAULTS[..4] {
        let models = ModelsDirectory::new(&[("m/1", 10.0), ("m/2", 20.0)]);
        let path = models.at("m/rollout.json");
        fs::write(&path, GOOD).expect("written");
        let server = models.serve(|_| {});
        assert_eq!(predict(&server, "m"), answer("1", 10.0));
        fs::write(&path, content).expect("written");
        server.reload();
        assert_eq!(predict(&server, "m"), answer("1", 10.0), "{content}");
        let reply = make(&server, "m", "promote", &json!({ "version": "2" }));
        assert_eq!(reply.status, 409, "{content}: {}", reply.text());
        assert!(reply.json()["detail"].as_str().is_some_and(|detail| detail.contains(reason)), "{}", reply.text());
        assert_eq!(fs::read_to_string(&path).expect("the file"), *content, "what a person must repair is left alone");
        fs::write(&path, GOOD).expect("written");
        server.reload();
        assert_eq!(make(&server, "m", "promote", &json!({ "version": "2" })).status, 200, "{content}");
        assert_eq!(predict(&server, "m"), answer("2", 20.0), "{content}");
    }
}

#[test]
fn a_state_that_is_removed_leaves_the_stable_version() {
    let models = ModelsDirectory::new(&[("m/1", 10.0), ("m/2", 20.0)]);
    fs::write(models.at("m/rollout.json"), GOOD).expect("written");
    let server = models.serve(|_| {});
    fs::remove_file(models.at("m/rollout.json")).expect("removed");
    server.reload();
    assert_eq!(predict(&server, "m"), answer("1", 10.0));
    assert_eq!(make(&server, "m", "promote", &json!({ "version": "2" })).status, 200);
    assert_eq!(predict(&server, "m"), answer("2", 20.0));
}
