//! Raw graphs that only accept certain lengths or values: load searches for an instance that runs, and serves the graph
//! with a warning if there is none.

use serde_json::{Value, json};

use super::notes;
use crate::support::{
    packages::{add, ask, contract, package},
    paths::fixture,
    server::Server,
};

fn ready(server: &Server, model: &str) -> Vec<String> {
    let version = server.get(&format!("/models/{model}/versions/1")).json();
    assert_eq!(version["state"], "ready", "{version:#}");
    notes(&version)
}

#[test]
fn a_window_that_must_be_long_is_found() {
    // Like silero-vad, which fails on the plain example of four samples.
    let server = Server::over(&fixture("recurrent.onnx"));
    let notes = ready(&server, "recurrent");
    assert!(!notes.iter().any(|note| note.contains("not verified")), "{notes:#?}");
    let features = json!({ "input": vec![1.0; 512], "state": [[[0, 0, 0]], [[0, 0, 0]]], "sr": 16000 });
    let answer = ask(&server, "recurrent", &features).json();
    let found = answer["outputs"]["output"][0][0].as_f64().expect("a number");
    assert!(
        (found - 1.16).abs() < 1e-6 && answer["outputs"]["stateN"] == json!([[[1.0, 1.0, 1.0]], [[1.0, 1.0, 1.0]]]),
        "{answer:#}"
    );
    // The published example must be answered.
    let example = server.get("/models/recurrent/versions/1").json()["example"]["features"].clone();
    assert_eq!(ask(&server, "recurrent", &example).status, 200, "{example}");
}

#[test]
fn images_and_vectors_of_open_size_are_served() {
    let server = Server::over(&fixture("image.onnx"));
    ready(&server, "image");
    let image = vec![vec![vec![0.5; 40]; 33]; 3];
    assert_eq!(ask(&server, "image", &json!([image])).json()["outputs"]["mean"], json!([0.5, 0.5, 0.5]));
    let server = Server::over(&fixture("open_vector.onnx"));
    ready(&server, "open-vector");
    let answer = ask(&server, "open-vector", &json!({ "x": [1, 2, 3] })).json();
    assert_eq!(answer["outputs"]["y"], json!([1.0, 2.0, 3.0, 2.0, 1.0]), "{answer:#}");
}

#[test]
fn a_version_that_could_not_be_proven_is_ready_and_says_so() {
    let server = Server::over(&fixture("long_window.onnx"));
    let notes = ready(&server, "long-window");
    let told =
        |note: &String| note.contains("was not verified") && note.contains("write a contract.json with `examples`");
    assert!(notes.iter().any(told), "{notes:#?}");
    let answer = ask(&server, "long-window", &json!({ "x": vec![1.0; 1200] })).json();
    assert_eq!(answer["outputs"]["y"].as_array().map(Vec::len), Some(2200), "{:?}", answer["outputs"].is_object());
    assert_eq!(ask(&server, "long-window", &json!({ "x": [1, 2] })).code(), "inference_failed");
}

#[test]
fn an_example_in_the_contract_is_tried_first() {
    let schema = json!({ "x": { "type": "array", "items": { "type": "number" } } });
    let mut document = contract("x", &schema, &json!({ "task": "tensors" }));
    let refused = package("long_window", &[("contract.json", &document.to_string())]);
    document["examples"] = json!([{ "x": vec![0.5; 1100] }]);
    add(refused.path(), "shown", "long_window", &[("contract.json", &document.to_string())]);
    let server = Server::over(refused.path());
    let notes = ready(&server, "shown");
    assert!(!notes.iter().any(|note| note.contains("instances cannot be answered")), "{notes:#?}");
    let version = server.get("/models/model/versions/1").json();
    let reason = version["reasons"][0].as_str().expect("a reason");
    assert!(reason.contains("answers none of the") && reason.contains("`examples` in contract.json"), "{version:#}");
}

#[test]
fn inputs_that_are_optional_and_outputs_that_cannot_be_read_do_not_refuse_a_graph() {
    for (graph, expected) in [("optional_input", json!([2.0, 4.0])), ("default_input", json!([3.0, 6.0]))] {
        let (server, name) = (Server::over(&fixture(&format!("{graph}.onnx"))), graph.replace('_', "-"));
        ready(&server, &name);
        assert_eq!(ask(&server, &name, &json!([1, 2])).json()["outputs"]["y"], expected, "{graph}");
    }
    let server = Server::over(&fixture("sequence_output.onnx"));
    let notes = ready(&server, "sequence-output");
    assert!(notes.iter().any(|note| note.contains("the output parts ") && note.contains("left out")), "{notes:#?}");
    assert_eq!(ask(&server, "sequence-output", &json!([1, 2])).json()["outputs"], json!({ "y": [-1.0, -2.0] }));
}

#[test]
fn rows_that_cannot_share_a_run_are_run_one_at_a_time() {
    for (graph, reason, expected) in [
        ("pair_fails", "rows cannot share a run", json!([2.0, 4.0])),
        // Softmax over the batch axis, which is 1 for a single row.
        ("rows_mix", "the rows of a run change each other's output", json!([1.0, 1.0])),
    ] {
        let (server, name) = (Server::over(&fixture(&format!("{graph}.onnx"))), graph.replace('_', "-"));
        let notes = ready(&server, &name);
        assert!(notes.iter().any(|note| note.contains(reason)), "{graph}: {notes:#?}");
        let about = server.get(&format!("/models/{name}/versions/1")).json();
        assert_eq!(about["limits"]["max_batch_rows"], 1, "{about:#}");
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    assert_eq!(ask(&server, &name, &json!([1, 2])).json()["outputs"]["y"], expected, "{graph}");
                });
            }
        });
    }
}

#[test]
fn a_graph_that_never_answers_is_not_ready() {
    let server = Server::over(&fixture("always_nan.onnx"));
    let version: Value = server.get("/models/always-nan/versions/1").json();
    assert_eq!(version["state"], "unavailable", "{version:#}");
    let reason = version["reasons"][0].as_str().expect("a reason");
    assert!(reason.contains("output \"value\" holds NaN") && reason.contains("answers none of the"), "{reason}");
    assert_eq!(server.get("/readyz").status, 503);
    // A graph that fails for some instances only is ready, with a warning.
    let server = Server::over(&fixture("non_finite.onnx"));
    let notes = ready(&server, "non-finite");
    assert!(notes.iter().any(|note| note.contains("generated instances cannot be answered")), "{notes:#?}");
}
