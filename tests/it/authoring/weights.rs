//! A model with external weights becomes a package that includes them.

use std::fs;

use serde_json::json;

use super::{json, make};
use crate::support::{packages::ask, paths::fixture, process::candor, server::Server};

#[test]
fn init_takes_the_weights_along_and_lists_their_digests() {
    let place = tempfile::tempdir().expect("a directory");
    let table = place.path().join("t.csv");
    fs::write(&table, "index\n1\n2\n4000\n").expect("written");
    let out = place.path().join("models/table/1");
    let made = make(&fixture("external_table.onnx"), &table, &out, |_| {}).expect("a package");
    assert_eq!(made.weights, ["external_table.bin"]);
    let listed = json(&out.join("version.json"))["files"].clone();
    assert!(listed["external_table.bin"].as_str().is_some_and(|digest| digest.starts_with("sha256:")), "{listed:#}");

    let models = place.path().join("models");
    let output = candor(&["check", &models.display().to_string()]).output().expect("it ran");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("ok      table 1"), "{text}");
    let reply = ask(&Server::over(&models), "table", &json!({ "index": 4000 }));
    assert_eq!(reply.json()["prediction"], 2000.0, "{}", reply.text());

    fs::write(out.join("external_table.bin"), vec![0; 4 * 4096]).expect("written");
    let output = candor(&["check", &models.display().to_string()]).output().expect("it ran");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("external_table.bin: its digest is sha256:"), "{text}");
}
