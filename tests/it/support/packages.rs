//! Model packages for tests: copies of the bundled models, and fixture graphs with files written next to them.

use std::{fs, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    http_client::Reply,
    paths::{fixture, root},
    server::Server,
};

/// A repository with one model, `model`, of one version: a fixture's graph and these files.
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

/// A contract over one input tensor, with all features required.
pub(crate) fn contract(tensor: &str, properties: &Value, output: &Value) -> Value {
    let names: Vec<&String> = properties.as_object().expect("an object").keys().collect();
    json!({
        "title": "model", "type": "object", "properties": properties, "required": names, "additionalProperties": false,
        "x-inputs": [{ "tensor": tensor, "features": names }],
        "x-output": output,
    })
}

/// Reads a JSON file, applies a change and writes it back.
pub(crate) fn edit(path: &Path, change: impl FnOnce(&mut Value)) {
    let text = fs::read_to_string(path).expect("a file");
    let mut value = serde_json::from_str(&text).expect("JSON");
    change(&mut value);
    fs::write(path, value.to_string()).expect("written");
}

/// Requests a prediction from a model.
pub(crate) fn ask(server: &Server, model: &str, features: &Value) -> Reply {
    server.post(&format!("/models/{model}/predict"), &json!({ "features": features }).to_string())
}

/// Copies bundled models (`churn`) or versions (`churn/1`) to a temporary directory.
pub(crate) fn copy_models(names: &[&str]) -> TempDir {
    let target = tempfile::tempdir().expect("a directory");
    for name in names {
        copy(&root().join("models").join(name), &target.path().join(name));
    }
    unlist_calibrations(target.path());
    target
}

/// Removes the digests of calibrations from every version.json, because tests write their own.
pub(crate) fn unlist_calibrations(directory: &Path) {
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        if entry.path().is_dir() {
            unlist_calibrations(&entry.path());
        } else if entry.file_name() == "version.json" {
            edit(&entry.path(), |version| {
                version.get_mut("files").and_then(Value::as_object_mut).map(|files| files.remove("calibration.json"));
            });
        }
    }
}

/// The same without the calibrations.
pub(crate) fn uncalibrated_models(names: &[&str]) -> TempDir {
    fn remove(directory: &Path) {
        for entry in fs::read_dir(directory).expect("a directory").flatten() {
            if entry.path().is_dir() {
                remove(&entry.path());
            } else if entry.file_name() == "calibration.json" {
                fs::remove_file(entry.path()).expect("removed");
            }
        }
    }
    let models = copy_models(names);
    remove(models.path());
    models
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory").flatten() {
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            copy(&source, &target);
        } else {
            fs::copy(&source, &target).expect("copied");
        }
    }
}
