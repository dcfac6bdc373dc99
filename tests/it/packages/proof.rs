//! Load checks the claims of a contract.json against the answers of the graph: scores that are not probabilities, labels
//! that contradict them, graphs that never answer.

use serde_json::{Value, json};

use crate::support::{
    packages::{ask, contract, package},
    process::candor,
    server::Server,
};

fn two() -> Value {
    json!({ "a": { "type": "number" }, "b": { "type": "number" } })
}

/// An `x-output` of a classification.
fn classified(scores: &str, classes: &[&str], label: Option<&str>) -> Value {
    let mut output = json!({ "task": "classification", "classes": classes, "probabilities": { "tensor": scores } });
    if let Some(label) = label {
        output["label"] = json!({ "tensor": label });
    }
    output
}

/// Loads a fixture with a contract; returns what the API says about the version, and its server.
fn loaded(graph: &str, tensor: &str, features: &Value, output: &Value) -> (Value, Server, tempfile::TempDir) {
    let text = contract(tensor, features, output).to_string();
    let root = package(graph, &[("contract.json", &text)]);
    let server = Server::over(root.path());
    (server.get("/models/model/versions/1").json(), server, root)
}

#[test]
fn scores_that_a_contract_calls_probabilities_refuse_the_version() {
    const CLASSES: [&str; 3] = ["0", "1", "2"];
    for (graph, scores, label, found) in [
        ("svc_plain", "probabilities", "label", "rows that sum to 2."),
        ("sgd", "probabilities", "label", "values from -"),
        ("raw_scores", "probabilities", "label", "CalibratedClassifierCV"),
        ("kmeans", "scores", "label", "and the label is the class with the lowest score"),
        ("svc", "output_probability", "output_label", "values from -0."),
    ] {
        for label in [Some(label), None] {
            if label.is_none() && graph == "kmeans" {
                continue;
            }
            let (version, _, root) = loaded(graph, "X", &two(), &classified(scores, &CLASSES, label));
            assert_eq!(version["state"], "unavailable", "{graph}: {version:#}");
            let reasons = version["reasons"].as_array().expect("reasons");
            let reason = reasons[0].as_str().expect("a text");
            let place =
                format!("contract.json: /x-output/probabilities: the output \"{scores}\" does not hold probabilities");
            assert!(reasons.len() == 1 && reason.contains(&place) && reason.contains(found), "{graph}: {reasons:#?}");
            assert!(reason.contains("over ") && reason.contains("the task \"tensors\""), "{graph}: {reason}");
            let output = candor(&["check", &root.path().display().to_string()]).output().expect("it ran");
            assert_eq!(output.status.code(), Some(1), "check refuses what serve refuses");
        }
    }
    let (version, ..) = loaded("half_probabilities", "x", &two(), &classified("probabilities", &CLASSES, None));
    assert!(
        version["reasons"][0].as_str().is_some_and(|reason| reason.contains("rows that sum to 0.5 to 0.5")),
        "{version:#}"
    );
    // The same scores are accepted as logits.
    let logits = json!({ "task": "classification", "classes": CLASSES, "logits": { "tensor": "probabilities" },
        "label": { "tensor": "label" } });
    let (version, server, _root) = loaded("raw_scores", "X", &two(), &logits);
    assert_eq!(version["state"], "ready", "{version:#}");
    assert_eq!(ask(&server, "model", &json!([4, 4])).json()["prediction"], "1");
    let (version, server, _root) = loaded("svc", "X", &two(), &json!({ "task": "tensors" }));
    assert_eq!(version["state"], "ready", "{version:#}");
    let outputs = ask(&server, "model", &json!([4, 4])).json()["outputs"].clone();
    assert_eq!(outputs["output_probability"].as_array().map(Vec::len), Some(3), "maps are passed on too: {outputs:#}");
}

#[test]
fn a_label_that_says_otherwise_is_refused_or_told() {
    // The classes are in the wrong order.
    let (version, ..) = loaded("text_labels", "X", &two(), &classified("probabilities", &["yes", "no"], Some("label")));
    let reason = version["reasons"][0].as_str().expect("a reason");
    assert!(reason.contains("/x-output/label") && reason.contains("column 0 is no, column 1 is yes"), "{version:#}");
    let (version, ..) = loaded("text_labels", "X", &two(), &classified("probabilities", &["no", "yes"], Some("label")));
    assert_eq!(version["state"], "ready", "{version:#}");
}

#[test]
fn a_contract_over_a_graph_that_never_answers_is_refused() {
    let value = json!({ "task": "regression", "value": { "tensor": "value" } });
    let (version, ..) = loaded("always_nan", "x", &json!({ "x": { "type": "number" } }), &value);
    let reason = version["reasons"][0].as_str().expect("a reason");
    assert!(version["state"] == "unavailable" && reason.contains("holds NaN"), "{version:#}");
    // The contract's example must be answered.
    let mut document = contract("x", &json!({ "x": { "type": "number" } }), &value);
    document["examples"] = json!([{ "x": 1 }, { "x": -1 }]);
    let root = package("non_finite", &[("contract.json", &document.to_string())]);
    let server = Server::over(root.path());
    let version = server.get("/models/model/versions/1").json();
    let reason = version["reasons"][0].as_str().expect("a reason");
    assert!(reason.contains("does not answer example 2 of the contract") && reason.contains("NaN"), "{version:#}");
}

#[test]
fn a_fixed_number_of_rows_may_be_one_instance_or_many() {
    let row = classified("output_probability", &["no", "yes"], Some("output_label"));
    let (version, server, _root) = loaded("fixed_batch", "X", &two(), &row);
    assert_eq!((&version["state"], &version["limits"]["max_batch_rows"]), (&json!("ready"), &json!(3)), "{version:#}");
    assert_eq!(ask(&server, "model", &json!([4, 4])).json()["prediction"], "yes");
    let whole = json!({ "rows": { "type": "array", "items": { "type": "array", "items": { "type": "number" } } } });
    let (version, server, _root) = loaded("fixed_batch", "X", &whole, &json!({ "task": "tensors" }));
    assert_eq!(version["state"], "ready", "{version:#}");
    let outputs = ask(&server, "model", &json!([[[0, 0], [4, 4], [0, 0]]])).json()["outputs"].clone();
    assert_eq!(outputs["output_label"], json!(["no", "yes", "no"]), "{outputs:#}");
    // One instance with three distributions is not a prediction. Regression test: it used to be ready and then failed
    // for every request.
    let (version, ..) = loaded("fixed_batch", "X", &whole, &row);
    assert_eq!(version["state"], "unavailable", "{version:#}");
    assert!(version["reasons"][0].as_str().is_some_and(|reason| reason.contains("2 values per row")), "{version:#}");
}
