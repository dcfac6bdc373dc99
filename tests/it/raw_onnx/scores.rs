//! Raw graphs whose scores are not probabilities are served as tensors, with the reason.

use serde_json::{Value, json};

use super::notes;
use crate::support::{packages::ask, paths::fixture, server::Server};

/// The answer of a raw graph, and the notes about its version.
fn served(graph: &str, features: &Value) -> (Value, Vec<String>) {
    let server = Server::over(&fixture(&format!("{graph}.onnx")));
    let name = graph.replace('_', "-");
    let version = server.get(&format!("/models/{name}/versions/1")).json();
    assert_eq!(version["state"], "ready", "{version:#}");
    let reply = ask(&server, &name, features);
    assert_eq!(reply.status, 200, "{graph}: {}", reply.text());
    (reply.json(), notes(&version))
}

#[test]
fn scores_of_scikit_learn_that_are_no_probabilities_are_passed_on() {
    const REMEDY: &str = "CalibratedClassifierCV";
    for (graph, label, scores, reason) in [
        ("kmeans", "label", "scores", "the label is the class with the lowest value, so these are distances"),
        ("svc", "output_label", "output_probability", REMEDY),
        ("svc_plain", "label", "probabilities", REMEDY),
        ("sgd", "label", "probabilities", REMEDY),
        ("linear_svc", "label", "probabilities", REMEDY),
        ("raw_scores", "label", "probabilities", REMEDY),
    ] {
        let (answer, notes) = served(graph, &json!([4, 5]));
        assert_eq!(
            (&answer["prediction"], &answer["uncertainty"]),
            (&Value::Null, &Value::Null),
            "{graph}: {answer:#}"
        );
        assert!(answer["probabilities"].is_null(), "{graph}: {answer:#}");
        assert!(answer["outputs"][label].is_number(), "{graph}: {answer:#}");
        assert_eq!(answer["outputs"][scores].as_array().map(Vec::len), Some(3), "{graph}: {answer:#}");
        let told = |note: &String| note.contains("does not hold class probabilities") && note.contains(reason);
        assert!(notes.iter().any(told), "{graph}: {notes:#?}");
    }
    for graph in ["isolation_forest", "one_class_svm"] {
        let (answer, _) = served(graph, &json!([4, 5]));
        assert!(answer["prediction"].is_null() && answer["outputs"]["scores"].is_array(), "{graph}: {answer:#}");
    }
}

#[test]
fn a_name_alone_makes_no_probabilities() {
    let (answer, notes) = served("half_probabilities", &json!([1, 2]));
    assert!(answer["prediction"].is_null() && answer["outputs"]["probabilities"].is_array(), "{answer:#}");
    let told = |note: &String| note.contains("does not hold class probabilities: values from");
    assert!(notes.iter().any(told), "{notes:#?}");
    let (answer, _) = served("one_hot", &json!([2]));
    assert_eq!(answer["outputs"]["y"], json!([0.0, 0.0, 1.0, 0.0]), "a category encoder is not a classifier");
}

#[test]
fn a_row_that_is_no_distribution_is_never_answered() {
    let server = Server::over(&fixture("probabilities_near_zero.onnx"));
    let reply = server.post("/predict", r#"{"features":[1,2]}"#);
    assert_eq!((reply.status, &reply.json()["uncertainty_method"]), (200, &json!("uncalibrated")), "{}", reply.text());
    let reply = server.post("/predict", r#"{"features":[100,0]}"#);
    assert_eq!((reply.status, reply.code().as_str()), (500, "invalid_probabilities"), "{}", reply.text());
    let detail = reply.json()["detail"].clone();
    assert!(!detail.to_string().contains("71"), "the response has no values: {detail}");
}

#[test]
fn two_values_where_the_graph_declares_one_are_both_answered() {
    let (answer, notes) = served("lying_width", &json!([4, 5]));
    assert_eq!(answer["outputs"]["variable"].as_array().map(Vec::len), Some(2), "{answer:#}");
    assert!(notes.iter().any(|note| note.contains("has 2 values per row")), "{notes:#?}");
}
