//! Versions of one model, `model`, made of the fixture graphs `rollout_…`, and a model `other` with one version.

use std::{fs, path::Path};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    packages::{add, contract},
    paths::fixture,
};

/// The contract of all of them but `value`.
pub(super) fn document() -> Value {
    let features = json!({ "x0": { "type": "number" }, "x1": { "type": "number" } });
    let output = json!({ "task": "classification", "classes": ["no", "yes"], "probabilities": { "tensor": "p" } });
    contract("x", &features, &output)
}

/// Adds a version of `model` with a fixture's graph and a contract.
pub(super) fn add_version(root: &Path, version: &str, graph: &str, document: &Value) {
    // Under another name until it is complete.
    let (draft, place) = (root.join(".draft"), root.join("model").join(version));
    fs::create_dir_all(&draft).expect("a directory");
    fs::create_dir_all(root.join("model")).expect("a directory");
    fs::copy(fixture(&format!("rollout_{graph}.onnx")), draft.join("model.onnx")).expect("copied");
    fs::write(draft.join("contract.json"), document.to_string()).expect("written");
    fs::rename(&draft, place).expect("renamed");
}

/// A repository with these versions of `model`, from 1 on, of which the first is stable, and this model.toml.
pub(super) fn repository(graphs: &[&str], settings: &str) -> TempDir {
    let root = tempfile::tempdir().expect("a directory");
    for (index, graph) in graphs.iter().enumerate() {
        add_version(root.path(), &(index + 1).to_string(), graph, &document());
    }
    write_settings(root.path(), settings);
    fs::write(root.path().join("model/rollout.json"), r#"{"stable": "1"}"#).expect("written");
    root
}

/// Adds the model `other`.
pub(super) fn add_other(root: &Path) {
    add(root, "other", "rollout_stable", &[("contract.json", &document().to_string())]);
}

/// Writes model.toml, with a deadline that is not missed on a busy machine.
pub(super) fn write_settings(root: &Path, settings: &str) {
    let settings = format!("limits.deadline_ms = 60000\n{settings}");
    fs::write(root.join("model/model.toml"), settings).expect("written");
}
