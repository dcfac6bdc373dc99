//! Exact results: every golden case of every bundled model over HTTP, compared with the values of ONNX Runtime in
//! Python.

use std::{collections::BTreeMap, fs};

use serde_json::{Value, json, value::RawValue};

use crate::support::{http_client::Reply, paths::root, server::Server};

/// The bundled versions.
const VERSIONS: [(&str, &str); 7] = [
    ("breast-cancer", "1"),
    ("churn", "1"),
    ("diabetes", "1"),
    ("diabetes", "2"),
    ("digits", "1"),
    ("wine", "1"),
    ("wine", "2"),
];

/// The cases of a version.
fn cases(model: &str, version: &str) -> Vec<Value> {
    let path = root().join("models").join(model).join(version).join("golden.jsonl");
    let text = fs::read_to_string(path).expect("cases");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn predict(model: &str, version: &str, features: &Value) -> Reply {
    let path = format!("/models/{model}/versions/{version}/predict");
    let reply = Server::uncalibrated().post(&path, &json!({ "features": features }).to_string());
    assert_eq!(reply.status, 200, "{path}: {}", reply.text());
    reply
}

fn near(found: &Value, expected: &Value) -> bool {
    let (found, expected) = (found.as_f64().expect("a number"), expected.as_f64().expect("a number"));
    (found - expected).abs() <= 1e-6 * expected.abs().max(1.0)
}

#[test]
fn every_golden_case_is_answered_as_python_answers_it() {
    for (model, version) in VERSIONS {
        let cases = cases(model, version);
        assert!(cases.len() >= 20, "{model} {version} has {} cases", cases.len());
        for case in cases {
            let answer = predict(model, version, &case["features"]).json();
            let expect = &case["expect"];
            let at = format!("{model} {version}: {case}\n{answer}");
            match expect["probabilities"].as_object() {
                Some(probabilities) => {
                    assert_eq!(answer["prediction"], expect["prediction"], "{at}");
                    assert_eq!(
                        answer["probabilities"].as_object().map(serde_json::Map::len),
                        Some(probabilities.len())
                    );
                    let same = |(class, value): (&String, &Value)| near(&answer["probabilities"][class], value);
                    assert!(probabilities.iter().all(same), "{at}");
                }
                None => assert!(near(&answer["prediction"], &expect["prediction"]), "{at}"),
            }
            assert_eq!((&answer["model"], &answer["model_version"]), (&json!(model), &json!(version)), "{at}");
        }
    }
}

/// The numbers of an answer that come from the graph, as written.
fn written(reply: &Reply) -> Vec<String> {
    #[derive(serde::Deserialize)]
    struct Answer<'a> {
        #[serde(borrow)]
        prediction: &'a RawValue,
        #[serde(borrow, default)]
        probabilities: BTreeMap<String, &'a RawValue>,
    }
    let answer: Answer<'_> = serde_json::from_slice(&reply.body).expect("an answer");
    let number = |raw: &&RawValue| !raw.get().starts_with('"');
    let all = answer.probabilities.into_values().chain([answer.prediction]);
    all.filter(number).map(|raw| raw.get().to_owned()).collect()
}

#[test]
fn floats_read_back_to_the_same_float_and_are_no_longer_than_that_needs() {
    for (model, version) in VERSIONS {
        let about = Server::shared().get(&format!("/models/{model}/versions/{version}")).json();
        let wide = about["runtime"]["outputs"].to_string().contains("float64");
        for case in cases(model, version) {
            for text in written(&predict(model, version, &case["features"])) {
                let again = if wide {
                    serde_json::to_string(&text.parse::<f64>().expect("a float"))
                } else {
                    serde_json::to_string(&text.parse::<f32>().expect("a float"))
                };
                assert_eq!(again.expect("a number"), text, "{model} {version}");
            }
        }
    }
}

#[test]
fn the_positional_form_is_answered_alike() {
    for (model, version) in VERSIONS {
        let contract = Server::shared().get(&format!("/models/{model}/versions/{version}/contract")).json();
        let inputs = contract["x-inputs"].as_array().expect("x-inputs").iter();
        let order: Vec<String> = inputs
            .flat_map(|input| input["features"].as_array().expect("features").iter())
            .map(|name| name.as_str().expect("a name").to_owned())
            .collect();
        for case in cases(model, version) {
            // A feature that may be left out by name is written out by position: its default, else null.
            let value = |name: &String| {
                let given = case["features"].get(name).cloned();
                given.unwrap_or_else(|| contract["properties"][name]["default"].clone())
            };
            let positional: Vec<Value> = order.iter().map(value).collect();
            let placed = predict(model, version, &json!(positional)).json();
            let named = predict(model, version, &case["features"]).json();
            for member in ["prediction", "probabilities", "uncertainty", "features_hash", "warnings"] {
                let same = match member {
                    // The pointers of warnings depend on the form of the request.
                    "warnings" => placed[member].as_array().map(Vec::len) == named[member].as_array().map(Vec::len),
                    _ => placed[member] == named[member],
                };
                assert!(same, "{model} {version} {member}: {placed}\n{named}");
            }
        }
    }
}
