//! Packages made by tests: bundled models and fixture graphs with files written beside them, and what is asked of them.

use std::{fs, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::harness::{Reply, Server, fixture};

/// A repository with one model, `model`, of one version: a fixture's graph and files beside it.
pub(crate) fn package(graph: &str, files: &[(&str, &str)]) -> TempDir {
    let root = tempfile::tempdir().expect("a directory");
    add(root.path(), "model", graph, files);
    root
}

/// Adds a model of one version to a repository.
pub(crate) fn add(root: &Path, model: &str, graph: &str, files: &[(&str, &str)]) {
    let version = root.join(model).join("1");
    fs::create_dir_all(&version).expect("a directory");
    fs::copy(fixture(&format!("{graph}.onnx")), version.join("model.onnx")).expect("copied");
    for (name, text) in files {
        fs::write(version.join(name), text).expect("written");
    }
}

/// A contract over one input tensor, of features that must all be given.
pub(crate) fn contract(tensor: &str, properties: &Value, output: &Value) -> Value {
    let names: Vec<&String> = properties.as_object().expect("an object").keys().collect();
    json!({
        "title": "model", "type": "object", "properties": properties, "required": names, "additionalProperties": false,
        "x-inputs": [{ "tensor": tensor, "features": names }],
        "x-output": output,
    })
}

/// Reads a JSON file, lets the test change it, and writes it again.
pub(crate) fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let text = fs::read_to_string(path).expect("a file");
    let mut value = serde_json::from_str(&text).expect("JSON");
    change(&mut value);
    fs::write(path, value.to_string()).expect("written");
}

/// Asks a model for a prediction.
pub(crate) fn ask(server: &Server, model: &str, features: &Value) -> Reply {
    server.post(&format!("/models/{model}/predict"), &json!({ "features": features }).to_string())
}

/// Whether `found` holds what `expected` says: objects may hold more, numbers may differ by 1e-6 times the greater of 1
/// and their size, whole numbers not at all.
pub(crate) fn holds(found: &Value, expected: &Value) -> bool {
    match (found, expected) {
        (Value::Object(found), Value::Object(expected)) => {
            expected.iter().all(|(name, value)| found.get(name).is_some_and(|other| holds(other, value)))
        }
        (Value::Array(found), Value::Array(expected)) => {
            found.len() == expected.len() && found.iter().zip(expected).all(|(found, expected)| holds(found, expected))
        }
        (Value::Number(left), Value::Number(right)) if left.is_f64() || right.is_f64() => {
            let (left, right) = (left.as_f64().expect("a number"), right.as_f64().expect("a number"));
            (left - right).abs() <= 1e-6 * right.abs().max(1.0)
        }
        (found, expected) => found == expected,
    }
}

/// Whether a text is the pattern, where `…` in the pattern stands for anything.
pub(crate) fn fits(text: &str, pattern: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('…') else { return text == pattern };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('…').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        let Some((_, after)) = text.split_once(part) else { return false };
        text = after;
    }
    text.ends_with(last)
}
