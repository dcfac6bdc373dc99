//! Moves over the admin listener, and versions that are unloaded while requests run on them.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use serde_json::{Value, json};

use super::{answer, until};
use crate::support::{
    http_client::Reply,
    models_directory::{BODY, ModelsDirectory, make, predict, read_answer, rollout, state},
    wait::{TEST_TIMEOUT, wait_until},
};

#[test]
fn each_refusal_says_why() {
    let models = ModelsDirectory::new(&[("m/1", 10.0), ("m/2", 20.0)]);
    let server = models.serve(|_| {});
    let cases: [(&str, Value, u16, &str, &str); 14] = [
        ("promote", json!({ "version": "9" }), 404, "unknown_version", "there is no version 9; there are: 1, 2"),
        ("promote", json!({}), 400, "data_contract_violation", "version"),
        ("promote", json!({ "version": "1", "force": true }), 400, "data_contract_violation", "why"),
        ("promote", json!({ "version": "1", "because": "" }), 400, "data_contract_violation", "because"),
        ("canary", json!({ "version": "2", "percent": 5 }), 409, "move_refused", "version 2 is stable already"),
        ("canary", json!({ "version": "1", "percent": 0 }), 400, "data_contract_violation", "above 0 and at most 100"),
        ("canary", json!({ "version": "1", "percent": 101 }), 400, "data_contract_violation", "at most 100"),
        ("canary", json!({ "version": "1", "off": true }), 400, "data_contract_violation", "off"),
        ("shadow", json!({ "version": "2" }), 409, "move_refused", "version 2 is stable already"),
        ("shadow", json!({}), 400, "data_contract_violation", "version"),
        ("rollback", json!({}), 409, "move_refused", "no earlier version"),
        ("rollback", json!({ "from": "1" }), 409, "move_refused", "neither stable nor canary"),
        ("load", json!({ "version": "9" }), 404, "unknown_version", "there is no version 9"),
        ("unload", json!({ "version": "2" }), 409, "move_refused", "version 2 is stable and cannot be unloaded"),
    ];
    for (name, body, status, code, phrase) in cases {
        let reply = make(&server, "m", name, &body);
        assert_eq!((reply.status, reply.code().as_str()), (status, code), "{name} {body}: {}", reply.text());
        assert!(reply.text().contains(phrase), "{name} {body}: {}", reply.text());
    }
    let reply = make(&server, "n", "promote", &json!({ "version": "1" }));
    assert_eq!((reply.status, reply.code().as_str()), (404, "unknown_model"));
    assert_eq!(rollout(&server, "m")["generation"], 0);
    assert!(!models.at("m/rollout.json").exists());
}

#[test]
fn moves_are_idempotent_and_keep_their_reasons() {
    let models = ModelsDirectory::new(&[("m/1", 10.0), ("m/2", 20.0), ("m/3", 30.0)]);
    let server = models.serve(|_| {});
    for (name, body) in [
        ("canary", json!({ "version": "2", "percent": 5, "why": "a try" })),
        ("promote", json!({ "version": "2", "why": "it is good" })),
        ("shadow", json!({ "version": "3", "percent": 50, "why": "to compare" })),
        ("shadow", json!({ "off": true, "why": "enough" })),
        ("rollback", json!({ "from": "2", "why": "it is bad" })),
        ("unload", json!({ "version": "1", "why": "not needed" })),
        ("load", json!({ "version": "1", "why": "needed after all" })),
    ] {
        let first = make(&server, "m", name, &body);
        assert_eq!((first.status, &first.json()["changed"]), (200, &json!(true)), "{name}: {}", first.text());
        assert_eq!(first.json()["history"][0]["why"], body["why"], "{name}");
        assert_eq!(first.json()["history"][0]["by"], "ops", "{name}");
        let again = make(&server, "m", name, &body);
        if name == "rollback" {
            // Nothing more is rolled back.
            assert_eq!(again.status, 409, "{}", again.text());
        } else {
            assert_eq!((again.status, &again.json()["changed"]), (200, &json!(false)), "{name}: {}", again.text());
        }
        assert_eq!(rollout(&server, "m")["generation"], first.json()["generation"], "{name}");
    }
    assert_eq!(predict(&server, "m"), answer("3", 30.0));
    until(&server, "m/1", "ready");
}

/// Sends the head of a prediction and waits until the server has pinned a version: it asks for the body then.
fn pinned(server: &crate::support::server::Server, target: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    stream.set_read_timeout(Some(TEST_TIMEOUT)).expect("a timeout");
    let length = BODY.len();
    let head = format!(
        "POST /models/{target}/predict HTTP/1.1\r\nhost: test\r\nconnection: close\r\nexpect: 100-continue\r\n\
         content-type: application/json\r\ncontent-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).expect("sent");
    let mut words = [0; 25];
    stream.read_exact(&mut words).expect("100 Continue");
    stream
}

fn finished(mut stream: TcpStream) -> (String, f32) {
    stream.write_all(BODY.as_bytes()).expect("sent");
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("an answer");
    read_answer(&Reply::parse(&bytes).expect("an answer"))
}

#[test]
fn a_request_is_answered_by_the_version_that_it_began_with() {
    let models = ModelsDirectory::new(&[("m/1", 10.0), ("m/2", 20.0)]);
    std::fs::write(models.at("m/model.toml"), "[limits]\ndeadline_ms = 60000\n").expect("written");
    let server = models.serve(|_| {});
    let (unloaded, replaced) = (pinned(&server, "m/versions/1"), pinned(&server, "m"));
    assert_eq!(make(&server, "m", "unload", &json!({ "version": "1" })).status, 200);
    assert_eq!(state(&server, "m/1").0, "unloading");
    assert_eq!(server.post("/models/m/versions/1/predict", BODY).status, 503);
    models.put("m/2", 21.0);
    server.reload();
    // One action at a time: version 2 is replaced once version 1 is gone, and that is once its request is answered.
    assert_eq!(finished(unloaded), answer("1", 10.0));
    until(&server, "m/1", "absent");
    wait_until("the new files serve", || predict(&server, "m") == answer("2", 21.0));
    assert_eq!(finished(replaced), answer("2", 20.0));
}

#[test]
fn an_unloaded_version_is_loaded_again_on_request_whatever_is_selected() {
    let models = ModelsDirectory::new(&[("m/1", 10.0), ("m/2", 20.0)]);
    let server = models.serve(|_| {});
    for settings in ["versions = \"all\"", "versions = [\"2\"]", "versions = \"all\"", "versions = [\"2\"]"] {
        std::fs::write(models.at("m/model.toml"), settings).expect("written");
        server.reload();
        assert_eq!(make(&server, "m", "unload", &json!({ "version": "1" })).status, 200);
        until(&server, "m/1", "absent");
        let refused = make(&server, "m", "promote", &json!({ "version": "1" }));
        assert!(refused.status == 409 && refused.text().contains("load it first"), "{}", refused.text());
        assert_eq!(make(&server, "m", "load", &json!({ "version": "1" })).status, 200);
        until(&server, "m/1", "ready");
        assert_eq!(predict(&server, "m/versions/1"), answer("1", 10.0));
    }
}
