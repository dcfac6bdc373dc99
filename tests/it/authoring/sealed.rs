//! `candor seal`: an edited package is rejected until the edit was reviewed and accepted.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    authoring::iris,
    support::{packages::edit, process::candor},
};

/// Makes a package of the iris model and returns its version directory.
fn made() -> (TempDir, PathBuf) {
    let place = tempfile::tempdir().expect("a directory");
    let version = place.path().join("iris/1");
    let output = candor(&["init", "--target", "species", "--out"])
        .arg(&version)
        .arg("--data")
        .args([iris("iris.csv"), iris("iris.onnx")])
        .output()
        .expect("it ran");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    (place, version)
}

/// Runs a command on the version and returns its exit code, its output and its errors.
fn run(arguments: &[&str], version: &Path) -> (Option<i32>, String, String) {
    let output = candor(arguments).arg(version).output().expect("it ran");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("a file")).expect("JSON")
}

#[test]
fn an_edited_contract_is_accepted_after_review() {
    let (_place, version) = made();
    edit(&version.join("contract.json"), |contract| {
        contract["properties"]["sepal_length"]["maximum"] = json!(20);
        contract["properties"]["sepal_width"]["type"] = json!(["number", "null"]);
        contract["properties"]["sepal_width"]["x-missing"] = json!("nan");
    });
    for command in
        [&["check"][..], &["calibrate", "--target", "species", "--data", "rows.csv"], &["profile", "--data", "x.csv"]]
    {
        let (code, out, error) = run(command, &version);
        assert_eq!(code, Some(1), "{command:?}");
        let advice = format!("review and accept it with `candor seal {}`", version.display());
        assert!(format!("{out}{error}").contains(&advice), "{command:?}: {out}{error}");
    }
    let before = read(&version.join("version.json"));
    let (code, out, _) = run(&["seal", "--dry-run"], &version);
    assert_eq!((code, read(&version.join("version.json"))), (Some(0), before), "{out}");
    let (code, out, error) = run(&["seal"], &version);
    assert_eq!(code, Some(0), "{out}{error}");
    let expected = "changed contract.json\n        \
                    /properties/sepal_length/maximum: 20 added\n        \
                    /properties/sepal_width/type: \"number\" -> [\"number\",\"null\"]\n        \
                    /properties/sepal_width/x-missing: \"nan\" added\n\
                    loads   as `candor serve` would; 22 golden cases reproduced\n";
    assert!(out.starts_with(expected), "{out}");
    assert_eq!(run(&["check"], &version).0, Some(0));
    let (_, out, _) = run(&["seal"], &version);
    assert!(out.contains("wrote   nothing: no file differs from its digest"), "{out}");
}

#[test]
fn an_edit_that_does_not_load_is_not_accepted() {
    let (_place, version) = made();
    let before = read(&version.join("version.json"));
    // The columns in another order: the golden cases notice.
    edit(&version.join("contract.json"), |contract| {
        contract["x-inputs"][0]["features"].as_array_mut().expect("features").reverse();
    });
    let (code, _, error) = run(&["seal"], &version);
    assert_eq!((code, read(&version.join("version.json"))), (Some(1), before), "{error}");
    assert!(error.contains("golden.jsonl: case 1: alone") && error.contains("--record-golden"), "{error}");
    fs::write(version.join("model.onnx"), b"another").expect("written");
    let (_, _, error) = run(&["seal"], &version);
    assert!(error.contains("another graph is another version: create it with `candor init`"), "{error}");
}

#[test]
fn a_renamed_class_records_the_golden_cases_again_and_makes_the_calibration_stale() {
    let (place, version) = made();
    let rows = place.path().join("rows.csv");
    let table = fs::read_to_string(iris("iris.csv")).expect("a table");
    fs::write(&rows, table.replacen("5.1", "5.15", 1)).expect("written");
    let calibrate = |target: &str| {
        let arguments = ["calibrate", "--target", target, "--data", rows.to_str().expect("UTF-8")];
        run(&arguments, &version)
    };
    assert_eq!(calibrate("species").0, Some(0));
    edit(&version.join("contract.json"), |contract| contract["x-output"]["classes"][0] = json!("bristle-pointed"));
    let (code, _, error) = run(&["seal"], &version);
    assert!(code == Some(1) && error.contains("--record-golden"), "{error}");
    let (code, out, error) = run(&["seal", "--record-golden"], &version);
    assert_eq!(code, Some(0), "{out}{error}");
    assert!(out.contains("/x-output/classes/0: \"setosa\" -> \"bristle-pointed\""), "{out}");
    assert!(out.contains("22 golden cases recorded") && out.contains("stale   "), "{out}");
    assert!(out.contains("it is for the classes setosa, versicolor, virginica"), "{out}");
    let (code, out, _) = run(&["check"], &version);
    assert!(code == Some(1) && out.contains("run `candor calibrate` again"), "{out}");
    fs::write(&rows, fs::read_to_string(&rows).expect("a table").replace("setosa", "bristle-pointed"))
        .expect("written");
    let (code, out, error) = calibrate("species");
    assert_eq!(code, Some(0), "{out}{error}");
    assert_eq!(run(&["check"], &version).0, Some(0));
}

#[test]
fn files_that_come_and_go_are_listed() {
    let (_place, version) = made();
    fs::remove_file(version.join("profile.json")).expect("removed");
    let (code, out, error) = run(&["seal"], &version);
    assert_eq!(code, Some(0), "{out}{error}");
    assert!(out.starts_with("removed profile.json\n"), "{out}");
    assert_eq!(read(&version.join("version.json"))["files"]["profile.json"], Value::Null);
    edit(&version.join("version.json"), |version| drop(version.as_object_mut().expect("an object").remove("files")));
    let (code, _, error) = run(&["seal"], &version);
    assert!(code == Some(1) && error.contains("lists no digests, so an edit needs no acceptance"), "{error}");
}
