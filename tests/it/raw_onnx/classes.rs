//! Classifiers without a contract.json: recognized by their answers if there is no label, with the class names of the graph.

use serde_json::{Value, json};

use super::notes;
use crate::support::{packages::ask, paths::fixture, server::Server};

fn server(graph: &str) -> (Server, String) {
    (Server::over(&fixture(&format!("{graph}.onnx"))), graph.replace('_', "-"))
}

#[test]
fn classes_are_called_as_the_graph_calls_them() {
    let three = [json!([0, 0]), json!([4, 4]), json!([0, 9])];
    for (graph, classes, predictions) in [
        ("text_labels", json!(["no", "yes"]), ["no", "yes", "no"]),
        ("text_labels_tree", json!(["a", "b", "c"]), ["b", "c", "a"]),
        ("far_labels", json!(["10", "20", "30"]), ["10", "20", "30"]),
        // No instance generated at load is of class z: its name comes from the graph's file.
        ("unseen_label", json!(["x", "y", "z"]), ["x", "y", "y"]),
    ] {
        let (server, name) = server(graph);
        let contract = server.get(&format!("/models/{name}/contract")).json();
        assert_eq!(contract["x-output"]["classes"], classes, "{graph}");
        for (features, expected) in three.iter().zip(predictions) {
            let answer = ask(&server, &name, features).json();
            assert_eq!(answer["prediction"], expected, "{graph} {features}: {answer:#}");
        }
    }
}

#[test]
fn probabilities_without_a_label_are_a_classification() {
    for (graph, output) in [("softmax", "y"), ("softmax_named", "class_probabilities")] {
        let (server, name) = server(graph);
        let answer = ask(&server, &name, &json!([1, 2])).json();
        assert_eq!(
            (&answer["prediction"], &answer["uncertainty_method"]),
            (&json!("0"), &json!("uncalibrated")),
            "{answer:#}"
        );
        let sum: f64 =
            answer["probabilities"].as_object().expect("probabilities").values().filter_map(Value::as_f64).sum();
        assert!((sum - 1.0).abs() < 1e-6, "{answer:#}");
        let version = server.get(&format!("/models/{name}/versions/1")).json();
        let told = |note: &String| note.contains(output) && note.contains("holds probabilities in all");
        assert!(notes(&version).iter().any(told), "{version:#}");
    }
}

#[test]
fn a_fixed_number_of_rows_is_filled_up() {
    let (server, name) = server("fixed_batch");
    let about = server.get(&format!("/models/{name}/versions/1")).json();
    assert_eq!(about["state"], "ready", "{about:#}");
    // Concurrently, so that rows share runs of three.
    let cases = [(json!([0, 0]), "no"), (json!([4, 4]), "yes")];
    std::thread::scope(|scope| {
        for (features, expected) in cases.iter().cycle().take(12) {
            let (server, name) = (&server, &name);
            scope.spawn(move || {
                let answer = ask(server, name, features).json();
                assert_eq!(answer["prediction"], *expected, "{answer:#}");
            });
        }
    });
}
