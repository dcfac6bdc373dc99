//! Explanations: equal to those of other implementations, consistent with the Shapley axioms, and never delaying a
//! prediction.

mod limits;
mod profile;
mod requests;
mod shapley_axioms;
mod vectors;

use std::{fs, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    http_client::Reply,
    packages::{copy_models, edit},
    server::Server,
};

/// A profile with these values as medians and modes. Arrays are in the only background row.
fn profile(baseline: &Value) -> Value {
    let members = baseline.as_object().expect("features by name");
    let feature = |value: &Value| match value {
        Value::Number(number) => json!({
            "kind": "number", "count": 1, "missing": 0.0, "whole": number.is_i64(), "minimum": number, "maximum": number,
            "mean": number, "median": number, "quantiles": [], "edges": [number, number], "shares": [1.0],
        }),
        Value::Null => json!({ "kind": "opaque", "count": 0, "missing": 1.0 }),
        Value::Array(_) => json!({ "kind": "opaque", "count": 1, "missing": 0.0 }),
        other => {
            json!({ "kind": "category", "count": 1, "missing": 0.0, "categories": [[other, 1.0]], "other": 0.0 })
        }
    };
    let features: serde_json::Map<String, Value> =
        members.iter().map(|(name, value)| (name.clone(), feature(value))).collect();
    json!({
        "rows": 1, "source": { "file": "train.csv", "sha256": "" }, "features": features,
        "background": [members.values().collect::<Vec<_>>()],
    })
}

/// The profile with its features in the contract's order; features with an enum become categories.
fn fitted(profile: &Value, contract: &Value) -> Value {
    let Some(features) = profile["features"].as_object() else { return profile.clone() };
    let given: Vec<&String> = features.keys().collect();
    let mut fitted = profile.clone();
    let inputs = contract["x-inputs"].as_array().expect("inputs").iter();
    let order: Vec<&Value> = inputs.flat_map(|input| input["features"].as_array().expect("features")).collect();
    let place = |name: &Value| given.iter().position(|known| Some(known.as_str()) == name.as_str());
    let described = order.iter().filter_map(|name| {
        let name = name.as_str().expect("a name");
        let feature = features.get(name)?;
        let few = contract["properties"][name].get("enum").is_some() && feature["kind"] == "number";
        let category = || {
            json!({ "kind": "category", "count": 1, "missing": 0.0, "categories": [[feature["median"], 1.0]], "other": 0.0 })
        };
        Some((name.to_owned(), if few { category() } else { feature.clone() }))
    });
    fitted["features"] = Value::Object(described.collect());
    for row in fitted["background"].as_array_mut().expect("rows") {
        let values = order.iter().filter_map(|name| row.get(place(name)?).cloned());
        *row = values.collect();
    }
    fitted
}

/// A copy of a bundled version (`churn/1`) without its calibration and profile, with this profile and with a deadline
/// that is long enough for debug builds; `limits` are further lines of model.toml.
fn explainable(version: &str, profile: Option<&Value>, limits: &str) -> TempDir {
    let root = copy_models(&[version]);
    let directory = root.path().join(version);
    for name in ["calibration.json", "profile.json"] {
        let _ = fs::remove_file(directory.join(name));
    }
    edit(&directory.join("version.json"), |file| file["files"] = json!({}));
    if let Some(profile) = profile {
        let contract = fs::read_to_string(directory.join("contract.json")).expect("a contract");
        let contract: Value = serde_json::from_str(&contract).expect("JSON");
        fs::write(directory.join("profile.json"), fitted(profile, &contract).to_string()).expect("written");
    }
    let model = directory.parent().expect("the model's directory");
    fs::write(model.join("model.toml"), format!("[limits]\ndeadline_ms = 60000\n{limits}")).expect("written");
    root
}

fn explain(server: &Server, features: &Value) -> Reply {
    server.post("/predict", &json!({ "features": features, "explain": true }).to_string())
}

/// The answer to a request for an explanation, which must have status 200.
fn explained(root: &Path, features: &Value) -> Value {
    let reply = explain(&Server::over(root), features);
    assert_eq!(reply.status, 200, "{}", reply.text());
    reply.json()
}

/// A number of the answer.
fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("a number: {value}"))
}

fn contributions(explanation: &Value) -> &[Value] {
    explanation["contributions"].as_array().expect("contributions")
}

fn sum(explanation: &Value) -> f64 {
    contributions(explanation).iter().map(|entry| number(&entry["contribution"])).sum()
}

/// The codes of the warnings of an answer.
fn codes(answer: &Value) -> Vec<&str> {
    let warnings = answer["warnings"].as_array().expect("warnings").iter();
    warnings.map(|warning| warning["code"].as_str().expect("a code")).collect()
}
