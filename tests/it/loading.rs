//! Loading: versions are read completely and do not change afterwards, within a time limit, and without request data in
//! the log.

mod limits;
mod log;
mod snapshot;
mod threads;

use std::{fs, path::Path};

use serde_json::{Value, json};

use crate::support::{
    paths::{fixture, root},
    server::Server,
};

/// Adds a model of one version to a repository: a graph from tests/fixtures/refused under this name.
fn add_refused(repository: &Path, model: &str, graph: &str) {
    let version = repository.join(model).join("1");
    fs::create_dir_all(&version).expect("a directory");
    let source = root().join("tests/fixtures/refused").join(format!("{graph}.onnx"));
    fs::copy(source, version.join("model.onnx")).expect("copied");
}

/// Copies the graph with external weights, and the weights, into a directory.
fn add_table(directory: &Path) {
    fs::create_dir_all(directory).expect("a directory");
    fs::copy(fixture("external_table.onnx"), directory.join("model.onnx")).expect("copied");
    fs::copy(fixture("external_table.bin"), directory.join("external_table.bin")).expect("copied");
}

/// Why version 1 of a model is unavailable.
fn reasons(server: &Server, model: &str) -> Vec<String> {
    let version = server.get(&format!("/models/{model}/versions/1")).json();
    assert_eq!(version["state"], "unavailable", "{version:#}");
    let reasons = version["reasons"].as_array().expect("reasons").iter();
    reasons.map(|reason| reason.as_str().expect("a text").to_owned()).collect()
}

fn index(index: i64) -> Value {
    json!({ "index": index })
}
