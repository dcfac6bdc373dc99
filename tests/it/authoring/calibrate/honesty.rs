//! What a calibration leaves out, refuses and admits: invalid rows, methods that make the answers worse, and an
//! uncertainty that stays off by more than chance.

use std::fs;

use candor::{
    authoring::CalibrationMethod,
    domain::{calibration::MethodChoice, uncertainty::CalibrationRule},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{calibrated, spread_out, written};
use crate::support::{
    packages::{ask, contract, package},
    process::candor,
    server::Server,
};

/// A model of three classes whose probabilities are its inputs.
fn proportions() -> TempDir {
    let features = json!({ "v": { "type": "array", "items": { "type": "number", "minimum": 0, "maximum": 1 }, "minItems": 3, "maxItems": 3 } });
    let output = json!({ "task": "classification", "classes": ["x", "y", "z"], "probabilities": { "tensor": "p" } });
    let document = contract("v", &features, &output).to_string();
    package("proportions", &[("contract.json", &document)])
}

/// A table for it: the predicted class has the probability `claimed`, and is right with the probability `truth(claimed)`.
fn rows(place: &TempDir, count: usize, truth: impl Fn(f64) -> f64) -> std::path::PathBuf {
    rows_from(place, "rows.jsonl", 0..count, truth)
}

/// The same, of these row numbers.
fn rows_from(
    place: &TempDir,
    name: &str,
    numbers: std::ops::Range<usize>,
    truth: impl Fn(f64) -> f64,
) -> std::path::PathBuf {
    let mut text = String::new();
    for row in numbers {
        let claimed = 0.4 + 0.59 * spread_out(row, 0);
        let rest = (1.0 - claimed) / 2.0;
        let right = spread_out(row, 1) < truth(claimed);
        // Each class is the predicted one in turn.
        let top = row % 3;
        let label = ["x", "y", "z"][if right { top } else { (top + 1 + row / 3 % 2) % 3 }];
        let values: Vec<f64> = (0..3).map(|class| if class == top { claimed } else { rest }).collect();
        text += &(json!({ "v": values, "y": label }).to_string() + "\n");
    }
    let path = place.path().join(name);
    fs::write(&path, text).expect("written");
    path
}

#[test]
fn top_label_calibration_says_how_often_the_prediction_is_right() {
    let models = proportions();
    let version = models.path().join("model/1");
    // Twice as often wrong as claimed at the top, right at the bottom: no temperature does that.
    let truth = |claimed: f64| 0.5 + 0.3 * (claimed - 0.4).powi(2);
    let data = rows(&models, 4000, truth);
    let made = calibrated(&version, &data, |_| {}).expect("a calibration");
    assert!(made.method.starts_with("top-label-"), "{}", made.method);
    let server = Server::over(models.path());
    for claimed in [0.5, 0.7, 0.9] {
        let rest = (1.0 - claimed) / 2.0;
        let found = ask(&server, "model", &json!({ "v": [claimed, rest, rest] })).json();
        let uncertainty = found["uncertainty"].as_f64().expect("a number");
        assert!((uncertainty - (1.0 - truth(claimed))).abs() < 0.05, "{claimed}: {found:#}");
        assert_eq!(found["warnings"], json!([]), "{found:#}");
        let method = found["probabilities_method"].as_str().expect("a method");
        assert!(["uncalibrated", "temperature"].contains(&method), "{found:#}");
    }
    let told = server.get("/models/model").json();
    assert_eq!(told["versions"][0]["calibration"]["uncertainty"]["within_chance"], json!(true), "{told:#}");
}

#[test]
fn a_forced_method_that_makes_it_worse_needs_force() {
    let models = proportions();
    let version = models.path().join("model/1");
    // Right as claimed, but for confident rows, which are always right: isotonic regression on few rows is worse.
    let data = rows(&models, 60, |claimed| claimed);
    let force = |force: bool| {
        calibrated(&version, &data, |wishes| {
            wishes.method = Some(CalibrationMethod::Classifier(MethodChoice::TopLabelIsotonic));
            wishes.force = force;
        })
    };
    let refused = force(false).err().expect("refused").to_string();
    assert!(refused.contains("top-label-isotonic makes the answers worse"), "{refused}");
    assert!(refused.contains("--force writes this one all the same"), "{refused}");
    assert!(!version.join("calibration.json").exists());
    let made = force(true).expect("a calibration");
    assert!(matches!(made.calibration.rule, CalibrationRule::Classification { confidence: Some(_), .. }));
}

#[test]
fn an_uncertainty_that_is_off_says_so_in_every_answer() {
    let models = proportions();
    let version = models.path().join("model/1");
    let data = rows(&models, 400, |claimed| claimed - 0.3);
    let made = calibrated(&version, &data, |wishes| {
        wishes.method = Some(CalibrationMethod::Classifier(MethodChoice::Uncalibrated));
    })
    .expect("a calibration");
    let note = made.notes.iter().find(|note| note.starts_with("the uncertainty differs")).expect("a note");
    let server = Server::over(models.path());
    let found = ask(&server, "model", &json!({ "v": [0.9, 0.05, 0.05] })).json();
    assert_eq!(found["warnings"][0]["code"], "miscalibrated", "{found:#}");
    assert_eq!(found["warnings"][0]["detail"].as_str(), Some(note.as_str()));
    let told = server.get("/models").json();
    assert_eq!(told["models"][0]["versions"][0]["calibration"]["uncertainty"]["within_chance"], json!(false));
    let schema = server.get("/openapi.json").text();
    assert!(schema.contains("It is not right within chance: the uncertainty differs"), "{schema}");
}

#[test]
fn invalid_rows_are_left_out_only_on_request_and_counted() {
    let models = proportions();
    let version = models.path().join("model/1");
    let data = rows(&models, 100, |claimed| claimed);
    let mut text = fs::read_to_string(&data).expect("a file");
    text += "{\"v\":[0.5,0.3],\"y\":\"x\"}\n{\"v\":[0.5,0.3,0.2],\"y\":null}\n{\"v\":[0.5,0.3,0.2],\"y\":\"w\"}\n";
    fs::write(&data, text).expect("written");
    let refused = calibrated(&version, &data, |_| {}).err().expect("refused").to_string();
    for part in
        ["line 101: the contract", "line 102: the target \"y\" has no value", "line 103: the target \"y\" holds"]
    {
        assert!(refused.contains(part), "{part}: {refused}");
    }
    assert!(refused.ends_with("3 of 103 rows cannot be used: correct them, or leave them out with --skip-invalid"));
    let made = calibrated(&version, &data, |wishes| wishes.skip_invalid = true).expect("a calibration");
    let note = made.notes.iter().find(|note| note.contains("left out")).expect("a note");
    assert!(note.starts_with("3 of 103 rows are left out because they cannot be used (\"v\" in 1, "), "{note}");
    let data: &Value = &written(&version)["data"];
    assert_eq!((&data["rows"], &data["skipped"]), (&json!(100), &json!(3)));
}

#[test]
fn check_measures_whether_a_calibration_still_holds() {
    let (models, tables) = (proportions(), tempfile::tempdir().expect("a directory"));
    let version = models.path().join("model/1");
    let data = rows(&tables, 1000, |claimed| claimed - 0.1);
    calibrated(&version, &data, |_| {}).expect("a calibration");
    let check = |data: &std::path::Path| {
        let output = candor(&["check", "--target", "y", "--data"]).args([data, &version]).output().expect("it ran");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let (code, told, _) = check(&rows_from(&tables, "later.jsonl", 1000..2000, |claimed| claimed - 0.1));
    assert!(
        code == Some(0) && told.contains("uncertainty  holds: ") && told.contains("coverage     holds: "),
        "{told}"
    );
    let (code, told, _) = check(&rows_from(&tables, "other.jsonl", 1000..2000, |claimed| claimed - 0.35));
    assert_eq!(code, Some(1), "{told}");
    assert!(told.contains("1000 rows of ") && told.contains("uncertainty  does not hold: "), "{told}");
    assert!(told.contains("coverage     does not hold: "), "{told}");
    let (code, _, error) = check(&data);
    assert!(code == Some(1) && error.contains("is the table that calibration.json was made from"), "{error}");
}
