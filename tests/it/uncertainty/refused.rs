//! Which coverage is served, and which calibrations are refused: made for another model, or impossible.

use std::fs;

use candor::domain::{
    calibration::{ClassificationOptions, MethodChoice, calibrate_classifier},
    uncertainty::{CalibrationDocument, CalibrationRule, Coverage, Intervals, QuantileAt, ScoreKind, SetMethod},
};
use serde_json::json;

use super::{
    numbered,
    served_calibration::{fixture_model, held_out, hundredths, write},
};
use crate::support::{
    packages::{ask, copy_models, edit},
    server::Server,
};

#[test]
fn the_nearest_to_the_model_chooses_the_coverage() {
    let (models, digest) = fixture_model("sigma", &json!({ "task": "regression", "value": { "tensor": "value" } }));
    let version = models.path().join("model/1");
    let rule =
        CalibrationRule::Regression { intervals: Intervals::SplitConformal, quantiles: hundredths(99), groups: None };
    write(&version, rule, None, &digest);
    let coverage = |server: &Server| ask(server, "model", &json!({ "a": 0.5, "b": -1.5 })).json()["coverage"].clone();
    let configured = Server::start(|config| {
        config.repository.models = models.path().to_path_buf();
        config.repository.default_model = String::new();
        config.repository.coverage = Coverage::GRID[3];
    });
    assert_eq!(coverage(&configured), json!(0.8));
    edit(&version.join("contract.json"), |contract| contract["x-output"]["coverage"] = json!(0.85));
    assert_eq!(coverage(&Server::over(models.path())), json!(0.85));
    fs::write(models.path().join("model/model.toml"), "coverage = 0.95").expect("written");
    assert_eq!(coverage(&Server::over(models.path())), json!(0.95));
    edit(&version.join("contract.json"), |contract| contract["x-output"]["coverage"] = json!(0.42));
    let refused = Server::over(models.path()).get("/models/model").json();
    let reason = refused["versions"][0]["reasons"][0].as_str().expect("a reason");
    assert!(reason.contains("coverage must be one of 0.5, 0.6") && reason.contains("found 0.42"), "{reason}");
}

type Change = fn(&mut CalibrationDocument);

/// What makes a calibration stale or wrong, and what the reason says.
const CASES: [(Change, &str); 9] = [
    (
        |made| made.model_sha256 = "sha256:other".into(),
        "was made for a model.onnx with digest sha256:other; this one has",
    ),
    (|made| made.format = 1, "format must be 2; found 1: run `candor calibrate` again"),
    (
        |made| drop(made.contract.insert("decision".into(), "\"churn\" from a probability of 0.3".into())),
        "it was made with decision: \"churn\" from a probability of 0.3; the contract has the most likely class",
    ),
    (
        |made| drop(made.contract.insert("input plan".into(), "payment_method".into())),
        "it was made with input plan: payment_method; the contract has plan",
    ),
    (
        |made| {
            if let CalibrationRule::Classification { classes, .. } = &mut made.rule {
                classes.reverse();
            }
        },
        "it is for the classes churn, stay; the contract has stay, churn",
    ),
    (
        |made| {
            if let CalibrationRule::Classification { scores, .. } = &mut made.rule {
                *scores = ScoreKind::Logits;
            }
        },
        "it is for logits; the contract has probabilities",
    ),
    (
        |made| {
            made.rule = CalibrationRule::Regression {
                intervals: Intervals::SplitConformal,
                quantiles: hundredths(9),
                groups: Some(numbered(&[vec![1.0]])),
            };
        },
        "it is for a regression; the contract's task is classification",
    ),
    (
        |made| {
            if let CalibrationRule::Classification { sets: Some(sets), .. } = &mut made.rule {
                sets.groups = Some(numbered(&[vec![1.0]]));
            }
        },
        "groups are by \"group\", which is not a feature of the contract",
    ),
    (
        |made| {
            if let CalibrationRule::Classification { sets: Some(sets), .. } = &mut made.rule {
                sets.quantiles.levels = vec![QuantileAt { coverage: Coverage::DEFAULT, quantile: None }];
            }
        },
        "quantiles must have the levels 0.5, 0.6",
    ),
];

#[test]
fn a_calibration_for_something_else_is_refused() {
    let (rows, digest) = held_out(30);
    let options = ClassificationOptions {
        method: MethodChoice::Uncalibrated,
        sets: Some(SetMethod::Lac),
        ..ClassificationOptions::default()
    };
    let (rule, _) = calibrate_classifier(&rows, options).expect("a calibration");
    for (change, expected) in CASES {
        let models = copy_models(&["churn"]);
        let version = models.path().join("churn/1");
        let mut made = write(&version, rule.clone(), None, &digest);
        change(&mut made);
        let path = version.join("calibration.json");
        fs::write(&path, serde_json::to_string(&made).expect("JSON")).expect("written");
        let found = Server::over(models.path()).get("/models/churn").json();
        let reason = found["versions"][0]["reasons"][0].as_str().unwrap_or_default().to_owned();
        assert!(reason.contains(expected) && reason.contains("calibration.json"), "{reason:?} for {expected:?}");
    }
}
