//! The limits of `[gate]` in model.toml: which versions they refuse, with what words.

use std::{fmt::Write as _, fs};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{WINE, compare, compare_json, text};
use crate::support::{
    packages::{contract, copy_models, edit, package},
    paths::fixture,
};

/// Two versions of one model, and a table: in group 1 the second version is wrong on a quarter of the rows, in group 0 it
/// is right where the first is wrong. Over all rows it is hardly worse.
fn two_groups(gate: &str) -> (TempDir, String) {
    let features = json!({ "x": { "type": "number" }, "group": { "type": "integer", "enum": [0, 1] } });
    let output = json!({ "task": "classification", "classes": ["no", "yes"], "probabilities": { "tensor": "p" } });
    let document = contract("x", &features, &output).to_string();
    let root = package("two_groups_1", &[("contract.json", &document)]);
    let second = root.path().join("model/2");
    fs::create_dir_all(&second).expect("a directory");
    fs::copy(fixture("two_groups_2.onnx"), second.join("model.onnx")).expect("copied");
    fs::write(second.join("contract.json"), document).expect("written");
    fs::write(root.path().join("model/model.toml"), format!("[gate]\n{gate}")).expect("written");
    let mut rows = String::from("x,group,y\n");
    for (group, count) in [(0, 800), (1, 200)] {
        for row in 0..count {
            let x = (f64::from(row) + 0.5) / f64::from(count) * 2.0 - 1.0;
            let _ = writeln!(rows, "{x},{group},{}", if x > 0.0 { "yes" } else { "no" });
        }
    }
    let table = root.path().join("rows.csv");
    fs::write(&table, rows).expect("written");
    let table = table.display().to_string();
    (root, table)
}

fn versions(root: &TempDir, model: &str) -> (String, String) {
    let version = |name: &str| root.path().join(model).join(name).display().to_string();
    (version("1"), version("2"))
}

#[test]
fn a_version_that_is_worse_for_one_group_only_is_refused() {
    let (root, table) = two_groups("max_accuracy_drop = 0.05\nmax_group_gap = 0.05\n");
    let (old, new) = versions(&root, "model");
    let arguments = [old.as_str(), &new, "--data", &table, "--target", "y", "--slice", "group"];
    let found = compare_json(&arguments, 1);
    // 40 of 800 and 10 of 200 rows are wrong with the first version, 0 and 50 with the second: equal on the whole.
    let accuracy = &found["comparison"]["whole"]["accuracy"];
    assert_eq!(accuracy, &json!({ "old": 0.95, "new": 0.95 }));
    let failures = found["failures"].as_array().expect("failures");
    assert_eq!(failures.len(), 1, "{failures:?}");
    assert_eq!(failures[0]["limit"], "max_group_gap");
    assert_eq!(failures[0]["measured"], 0.2);
    assert_eq!(failures[0]["detail"], "group 1: the accuracy drops by 0.2; the limit is 0.05: 0.15 too much");
    let output = compare(&arguments);
    assert_eq!(output.status.code(), Some(1));
    let text = text(&output);
    assert!(
        text.contains("gate      FAILED\n  failed       max_group_gap: group 1: the accuracy drops by 0.2;"),
        "{text}"
    );
    // The other way round, no group is worse by so much.
    let back = compare_json(&[&new, &old, "--data", &table, "--target", "y", "--slice", "group"], 0);
    assert_eq!(back["failures"], json!([]));
}

#[test]
fn each_limit_refuses_or_says_that_it_was_not_checked() {
    let slices: &[&str] = &["--slice", "group"];
    // The limit, whether there is a target, the slices, and the words: `failed` or `not checked`.
    let cases: [(&str, bool, &[&str], &str); 8] = [
        (
            "max_disagreement = 0.05",
            true,
            slices,
            "failed       max_disagreement: the share of rows that disagree is 0.08; the limit is 0.05: 0.03 too much",
        ),
        ("max_disagreement = 0.08", true, slices, "passed: the limit is kept"),
        ("max_disagreement = 0.05", false, &[], "failed       max_disagreement"),
        ("max_accuracy_drop = 0.0", true, slices, "passed: the limit is kept"),
        (
            "max_accuracy_drop = 0.1",
            false,
            slices,
            "not checked  max_accuracy_drop: no true outcomes: give a table and its target",
        ),
        ("max_coverage_drop = 0.1", true, slices, "not checked  max_coverage_drop: the old version claims no coverage"),
        ("max_group_gap = 0.1", true, &[], "not checked  max_group_gap: there are no slices: name a feature"),
        ("max_group_gap = 0.1", true, slices, "failed       max_group_gap: group 1"),
    ];
    for (gate, labelled, slices, expected) in cases {
        let (root, table) = two_groups(gate);
        let (old, new) = versions(&root, "model");
        let target: &[&str] = if labelled { &["--target", "y"] } else { &[] };
        let output = compare(&[&[old.as_str(), &new, "--data", &table], target, slices].concat());
        let told = text(&output);
        assert!(told.contains(expected), "{gate}: {told}");
        let code = i32::from(expected.starts_with("failed"));
        assert_eq!(output.status.code(), Some(code), "{gate}: {told}");
    }
}

#[test]
fn a_loss_of_coverage_is_refused() {
    let models = copy_models(&["diabetes"]);
    let (old, new) = versions(&models, "diabetes");
    fs::write(models.path().join("diabetes/model.toml"), "[gate]\nmax_coverage_drop = 0.03\n").expect("written");
    let arguments = [old.as_str(), &new, "--data", super::DIABETES, "--target", "target"];
    let found = compare_json(&arguments, 1);
    // 78 of 89 rows are covered, then 75.
    assert_eq!(found["failures"][0]["limit"], "max_coverage_drop");
    let measured = found["failures"][0]["measured"].as_f64().expect("a number");
    assert!((measured - 3.0 / 89.0).abs() < 1e-9, "{measured}");
    // A version without a calibration claims no coverage, which is the greatest loss.
    fs::remove_file(models.path().join("diabetes/2/calibration.json")).expect("removed");
    let found = compare_json(&arguments, 1);
    let measured = found["failures"][0]["measured"].as_f64().expect("a number");
    assert!((measured - 78.0 / 89.0).abs() < 1e-9, "{measured}");
}

#[test]
fn a_contract_that_breaks_callers_is_refused_unless_it_is_allowed() {
    let models = copy_models(&["wine"]);
    let (old, new) = versions(&models, "wine");
    let at = models.path().join("wine/2");
    fs::remove_file(at.join("version.json")).expect("removed");
    // Half of the wines have more.
    edit(&at.join("contract.json"), |contract| contract["properties"]["alcohol"]["maximum"] = json!(13));
    fs::remove_file(at.join("golden.jsonl")).expect("removed");
    for name in ["profile.json", "calibration.json"] {
        fs::remove_file(at.join(name)).expect("removed");
    }
    edit(&at.join("contract.json"), |contract| {
        contract.as_object_mut().expect("an object").remove("examples");
    });
    let arguments = [old.as_str(), &new, "--data", WINE, "--target", "target"];
    let output = compare(&arguments);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let told = text(&output);
    for phrase in [
        "contract  1 change, BREAKING for callers\n  breaking  alcohol  range narrowed to ≥ 0, ≤ 13, was ≥ 0, ≤ 10000\n",
        "not comparable: version 2 refuses them (alcohol: above_maximum), the first is line 2\n",
        "failed       allow_breaking_contract: the contract breaks callers: alcohol: range narrowed",
    ] {
        assert!(told.contains(phrase), "{phrase}: {told}");
    }
    fs::write(models.path().join("wine/model.toml"), "[gate]\nallow_breaking_contract = true\n").expect("written");
    let found = compare_json(&arguments, 0);
    let (read, compared) = (&found["rows"]["read"], &found["comparison"]["whole"]["rows"]);
    let refused = found["comparison"]["uncomparable"][0]["rows"].as_u64().expect("a count");
    assert_eq!((read, compared.as_u64()), (&Value::from(36), Some(36 - refused)));
}

#[test]
fn a_new_required_feature_makes_rows_incomparable_and_nothing_crashes() {
    let (root, table) = two_groups("");
    let (old, new) = versions(&root, "model");
    // The old contract gets one number by the name `x` and one by `group`; the new one names the second `region`.
    let at = root.path().join("model/2/contract.json");
    let features = json!({ "x": { "type": "number" }, "region": { "type": "integer", "enum": [0, 1] } });
    let output = json!({ "task": "classification", "classes": ["no", "yes"], "probabilities": { "tensor": "p" } });
    fs::write(&at, contract("x", &features, &output).to_string()).expect("written");
    let output = compare(&[&old, &new, "--data", &table, "--target", "y"]);
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let told = text(&output);
    for phrase in [
        "breaking  group   removed: a request that has it is refused",
        "breaking  region  added, required, an integer: a request without it is refused",
        "0 of them are compared",
        "1000 not comparable: version 2 refuses them (region: missing), the first is line 2",
    ] {
        assert!(told.contains(phrase), "{phrase}: {told}");
    }
}
