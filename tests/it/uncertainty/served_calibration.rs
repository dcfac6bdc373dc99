//! What callers and operators see of a calibration: bundled models and fixtures, calibrated by the test on their own
//! answers and served over real sockets.

use std::{fs, path::Path};

use candor::domain::{
    calibration::{
        ClassificationOptions, ClassificationRows, MethodChoice, RegressionOptions, RegressionRows, RowGroups,
        ScaleSource, calibrate_classifier, calibrate_regressor,
    },
    json::JsonValue,
    uncertainty::{
        ApsRandomizer, CalibrationDocument, CalibrationRule, Coverage, Intervals, ProbabilityMap, Quantiles, Report,
        Scale, ScoreKind, Scores, SetMethod, aps_set, lac_set,
    },
};
use serde_json::{Value, json};

use super::calibration;
use crate::support::{
    loader::calibration_basis,
    packages::{ask, contract, copy_models, package, uncalibrated_models},
    server::Server,
};

/// A subscriber, different for each row.
fn subscriber(row: usize) -> Value {
    let plan = ["basic", "plus", "business"][row % 3];
    json!({ "tenure_months": (row * 37) % 120, "monthly_charge": 10.0 + ((row * 53) % 100) as f64, "plan": plan })
}

/// The model's own probabilities for some subscribers, and labels that follow them less surely.
pub(super) fn held_out(count: usize) -> (ClassificationRows, String) {
    let server = Server::shared();
    let mut rows = ClassificationRows {
        decision: candor::domain::contract::DecisionRule::Greatest,
        element: candor::domain::tensor::ElementType::F64,
        classes: vec!["stay".into(), "churn".into()],
        kind: ScoreKind::Probabilities,
        scores: Vec::new(),
        labels: Vec::new(),
        draws: Vec::new(),
        groups: None,
    };
    let digest = server.get("/models/churn/versions/1").json()["model_sha256"].as_str().expect("a digest").to_owned();
    let key = ApsRandomizer::new(&format!("sha256:{digest}"));
    for row in 0..count {
        let body = ask(server, "churn", &subscriber(row)).json();
        let p = float32(&body["probabilities"]["churn"]);
        rows.scores.extend([float32(&body["probabilities"]["stay"]), p]);
        let place = (row as f64 * 0.618_033_988_749_895).fract();
        rows.labels.push(usize::from(place < 0.25 + 0.5 * p));
        rows.draws.push(key.uniform(body["features_hash"].as_str().expect("a hash")));
    }
    (rows, format!("sha256:{digest}"))
}

/// A number of an answer as the float32 of the graph.
#[expect(clippy::cast_possible_truncation, reason = "it was a float32 before it was written")]
fn float32(value: &Value) -> f64 {
    f64::from(value.as_f64().expect("a number") as f32)
}

fn near(found: &Value, expected: f64) -> bool {
    found.as_f64().is_some_and(|found| (found - expected).abs() < 1e-6 * expected.abs().max(1.0))
}

/// Writes a calibration for a graph next to it.
pub(super) fn write(
    version: &Path,
    rule: CalibrationRule,
    report: Option<Report>,
    digest: &str,
) -> CalibrationDocument {
    let made = calibration(rule);
    let report = report.unwrap_or_else(|| made.report.clone());
    let made =
        CalibrationDocument { model_sha256: digest.to_owned(), contract: calibration_basis(version), report, ..made };
    fs::write(version.join("calibration.json"), serde_json::to_string_pretty(&made).expect("JSON")).expect("written");
    made
}

/// A server of churn with a calibration, and the rule that it serves.
fn churn(options: ClassificationOptions, change: impl FnOnce(&mut ClassificationRows)) -> (Server, CalibrationRule) {
    let (mut rows, digest) = held_out(60);
    change(&mut rows);
    let (rule, report) = calibrate_classifier(&rows, options).expect("a calibration");
    let models = copy_models(&["churn"]);
    write(&models.path().join("churn/1"), rule.clone(), Some(report), &digest);
    (Server::over(models.path()), rule)
}

fn parts(rule: &CalibrationRule) -> (&ProbabilityMap, &Quantiles) {
    let CalibrationRule::Classification { probabilities, sets: Some(sets), .. } = rule else { panic!("{rule:?}") };
    (probabilities, &sets.quantiles)
}

#[test]
fn a_classification_answers_calibrated() {
    let options = ClassificationOptions {
        method: MethodChoice::Temperature,
        sets: Some(SetMethod::Lac),
        ..ClassificationOptions::default()
    };
    let (server, rule) = churn(options, |_| {});
    let (map, quantiles) = parts(&rule);
    let quantile = quantiles.at(Coverage::DEFAULT).expect("on the grid");
    let names = ["stay", "churn"];
    for row in 100..110 {
        let own = ask(Server::shared(), "churn", &subscriber(row)).json();
        let values = names.map(|name| float32(&own["probabilities"][name]));
        let (expected, _) = map.apply(Scores { kind: ScoreKind::Probabilities, values: &values });
        let found = ask(&server, "churn", &subscriber(row)).json();
        for (name, expected) in names.iter().zip(&expected) {
            assert!(near(&found["probabilities"][name], *expected), "{found}: {expected}");
        }
        let class = usize::from(expected[1] > expected[0]);
        assert_eq!(found["prediction"], names[class]);
        assert!(near(&found["uncertainty"], 1.0 - expected[class]), "{found}");
        let set: Vec<&str> = lac_set(&expected, quantile).into_iter().map(|class| names[class]).collect();
        assert_eq!(found["prediction_set"], json!(set), "{found}");
        assert_eq!((&found["uncertainty_method"], &found["coverage"]), (&json!("temperature+lac"), &json!(0.9)));
        assert_eq!(found["probability_interval"], Value::Null);
    }
    let version = server.get("/models/churn/versions/1").json();
    assert_eq!(version["uncertainty_method"], "temperature+lac");
    let told = &version["calibration"];
    assert_eq!((&told["coverage"], &told["data"]["file"]), (&json!(0.9), &json!("rows.csv")));
    assert_eq!(told["report"]["conformal_rows"], 30);
    assert_eq!((&told["method"], &told["rows"]), (&json!("temperature+lac"), &told["data"]["rows"]));
    assert_eq!(version["profile"]["rows"], 20_000);
    let brief = server.get("/models").json()["models"][0]["versions"][0].clone();
    for member in ["method", "probabilities_method", "coverage", "real_coverage", "uncertainty", "rows"] {
        assert_eq!(brief["calibration"][member], told[member], "{member}");
    }
    assert_eq!((&brief["state"], &brief["profile"]["rows"]), (&json!("ready"), &json!(20_000)));
    let good = &told["uncertainty"];
    assert_eq!((&good["within_chance"], &good["ece"]), (&json!(true), &told["report"]["after"]["ece"]));
    // 30 rows give the quantiles: Beta(28, 3).
    assert!(near(&told["real_coverage"]["mean"], 28.0 / 31.0), "{told:#}");
    let metrics = server.get("/metrics").text();
    assert!(metrics.contains("uncertainty_method=\"temperature+lac\""), "{metrics}");
    let schema = server.get("/openapi.json").text();
    assert!(schema.contains("at least a share of 0.9 of these contain the true value"), "{schema}");
}

#[test]
fn venn_abers_answers_with_its_bounds() {
    let options =
        ClassificationOptions { method: MethodChoice::VennAbers, sets: None, ..ClassificationOptions::default() };
    let (server, _) = churn(options, |_| {});
    let mut classes = std::collections::BTreeSet::new();
    for row in 0..20 {
        let found = ask(&server, "churn", &subscriber(row)).json();
        let bound = |index: usize| found["probability_interval"][index].as_f64().expect("a bound");
        let own = found["probabilities"][found["prediction"].as_str().expect("a class")].as_f64().expect("a number");
        assert!(
            bound(0) <= own && own <= bound(1) && bound(0) < bound(1),
            "the interval is that of the predicted class: {found}"
        );
        assert_eq!(found["uncertainty_method"], "venn-abers");
        assert_eq!((&found["coverage"], &found["prediction_set"]), (&Value::Null, &Value::Null));
        assert_eq!(server.get("/models/churn").json()["versions"][0]["calibration"]["coverage"], Value::Null);
        classes.insert(found["prediction"].to_string());
    }
    assert_eq!(classes.len(), 2, "both classes were predicted");
}

#[test]
fn aps_gives_a_replay_the_same_set() {
    let options = ClassificationOptions {
        method: MethodChoice::Uncalibrated,
        sets: Some(SetMethod::Aps),
        ..ClassificationOptions::default()
    };
    let (server, rule) = churn(options, |_| {});
    let quantile = parts(&rule).1.at(Coverage::DEFAULT).expect("on the grid");
    let (again, digest) = held_out(20);
    let key = ApsRandomizer::new(&digest);
    for row in 0..20 {
        let first = ask(&server, "churn", &subscriber(row)).json();
        let second = ask(&server, "churn", &subscriber(row)).json();
        assert_eq!(first["prediction_set"], second["prediction_set"]);
        assert_eq!(first["uncertainty_method"], "uncalibrated+aps");
        let draw = key.uniform(first["features_hash"].as_str().expect("a hash"));
        let set = aps_set(again.scores(row).values, draw, quantile);
        let set: Vec<&str> = set.into_iter().map(|class| ["stay", "churn"][class]).collect();
        assert_eq!(first["prediction_set"], json!(set));
    }
}

#[test]
fn groups_answer_by_their_own_quantile_and_say_when_not() {
    let options = ClassificationOptions {
        method: MethodChoice::Uncalibrated,
        sets: Some(SetMethod::Lac),
        ..ClassificationOptions::default()
    };
    let (server, _) = churn(options, |rows| {
        // 20 rows of each plan; only four of business are left for its own group.
        let values = ["basic", "plus", "business"].map(|plan| JsonValue::Text(plan.into())).to_vec();
        let of_row = (0..60).map(|row| if row % 3 == 2 && row > 12 { 0 } else { row % 3 }).collect();
        rows.groups = Some(RowGroups { feature: "plan".into(), values, of_row });
    });
    for (plan, method, warned) in [
        ("basic", "uncalibrated+mondrian-lac", false),
        ("plus", "uncalibrated+mondrian-lac", false),
        ("business", "uncalibrated+lac", true),
    ] {
        let mut features = subscriber(1);
        features["plan"] = json!(plan);
        let found = ask(&server, "churn", &features).json();
        assert_eq!(found["uncertainty_method"], method, "{found}");
        let warnings: Vec<&Value> = found["warnings"].as_array().expect("a list").iter().collect();
        let pooled =
            warnings.iter().any(|warning| warning["code"] == "pooled_group" && warning["pointer"] == "/features/plan");
        assert_eq!(pooled, warned, "{found}");
    }
    let version = server.get("/models/churn/versions/1").json();
    assert_eq!(version["uncertainty_method"], "uncalibrated+mondrian-lac");
    assert_eq!(version["calibration"]["groups"]["feature"], "plan");
}

#[test]
fn an_empty_set_is_shown_as_empty() {
    let options = ClassificationOptions {
        method: MethodChoice::Uncalibrated,
        sets: Some(SetMethod::Lac),
        ..ClassificationOptions::default()
    };
    // From a model that was always right with certainty: any less certain instance gets an empty set.
    let (server, _) = churn(options, |rows| {
        rows.scores.chunks_mut(2).zip(&rows.labels).enumerate().for_each(|(row, (scores, label))| {
            scores[*label] = 0.999_99 - 1e-8 * row as f64;
            scores[1 - *label] = 1.0 - scores[*label];
        });
    });
    let found = ask(&server, "churn", &subscriber(5)).json();
    assert_eq!((&found["prediction_set"], found["prediction"].is_string()), (&json!([]), true), "{found}");
    let warnings = found["warnings"].as_array().expect("a list");
    assert!(warnings.iter().any(|warning| warning["code"] == "empty_set" && warning["pointer"] == ""), "{found}");
}

/// A fixture with a regression contract, its digest, and its answers to some inputs.
pub(super) fn fixture_model(graph: &str, output: &Value) -> (tempfile::TempDir, String) {
    let number = json!({ "type": "number" });
    let document = contract("x", &json!({ "a": number, "b": number }), output);
    let models = package(graph, &[("contract.json", &document.to_string())]);
    let server = Server::over(models.path());
    let digest = server.get("/models/model/versions/1").json()["model_sha256"].as_str().map(str::to_owned);
    (models, format!("sha256:{}", digest.expect("a digest")))
}

/// Quantiles of scores 1 to n, in hundredths.
pub(super) fn hundredths(rows: u32) -> Quantiles {
    Quantiles::of((1..=rows).map(|score| f64::from(score) / 100.0).collect())
}

#[test]
fn regressions_answer_with_intervals_of_every_kind() {
    let number = json!({ "tensor": "value" });
    let cases = [
        ("sigma", json!({ "task": "regression", "value": number }), Intervals::SplitConformal, "split-conformal"),
        (
            "sigma",
            json!({ "task": "regression", "value": number, "sigma": { "tensor": "sigma" } }),
            Intervals::NormalizedConformal { scale: Scale::Sigma },
            "normalized-conformal",
        ),
        (
            "members",
            json!({ "task": "regression", "members": { "tensor": "m" } }),
            Intervals::NormalizedConformal { scale: Scale::Members },
            "normalized-conformal",
        ),
        (
            "quantiles",
            json!({ "task": "regression", "quantiles": { "tensor": "q", "levels": [0.05, 0.5, 0.95] } }),
            Intervals::Cqr { lower: 0.05, upper: 0.95 },
            "cqr",
        ),
    ];
    for (graph, output, intervals, method) in cases {
        let (models, digest) = fixture_model(graph, &output);
        let rule = CalibrationRule::Regression { intervals, quantiles: hundredths(99), groups: None };
        write(&models.path().join("model/1"), rule, None, &digest);
        let server = Server::over(models.path());
        let found = ask(&server, "model", &json!({ "a": 0.5, "b": -1.5 })).json();
        assert_eq!((&found["uncertainty_method"], &found["coverage"]), (&json!(method), &json!(0.9)), "{found}");
        let end = |index: usize| found["interval"][index].as_f64().expect("an end");
        assert!(near(&found["uncertainty"], (end(1) - end(0)) / 2.0), "{found}");
        if method != "cqr" {
            assert!(near(&found["prediction"], f64::midpoint(end(0), end(1))), "the middle is the value: {found}");
        }
        if method == "split-conformal" {
            assert!(near(&found["uncertainty"], 0.9), "the 90th of 99 hundredths: {found}");
        }
        assert_eq!(found["warnings"], json!([]));
    }
}

#[test]
fn members_without_a_calibration_are_an_ensemble() {
    let (models, _) = fixture_model("members", &json!({ "task": "regression", "members": { "tensor": "m" } }));
    let server = Server::over(models.path());
    let found = ask(&server, "model", &json!({ "a": 0.5, "b": -1.5 })).json();
    assert_eq!((&found["uncertainty_method"], &found["coverage"]), (&json!("ensemble"), &Value::Null), "{found}");
    let (value, spread) = (found["prediction"].as_f64().expect("a value"), found["uncertainty"].as_f64());
    let spread = spread.expect("a spread");
    assert!(near(&found["interval"][0], value - spread) && near(&found["interval"][1], value + spread), "{found}");
    assert_eq!(server.get("/models/model").json()["versions"][0]["uncertainty_method"], "ensemble");
}

#[test]
fn an_interval_without_a_bound_is_null_and_says_so() {
    let (models, digest) = fixture_model("sigma", &json!({ "task": "regression", "value": { "tensor": "value" } }));
    let rule =
        CalibrationRule::Regression { intervals: Intervals::SplitConformal, quantiles: hundredths(5), groups: None };
    write(&models.path().join("model/1"), rule, None, &digest);
    let server = Server::over(models.path());
    let found = ask(&server, "model", &json!({ "a": 0.5, "b": -1.5 })).json();
    assert_eq!((&found["interval"], &found["uncertainty"]), (&Value::Null, &Value::Null), "{found}");
    assert_eq!(found["uncertainty_method"], "split-conformal");
    assert_eq!(found["warnings"][0]["code"], "unbounded_interval", "{found}");
}

#[test]
fn without_a_calibration_the_server_says_which_command_makes_one() {
    let notes = Server::uncalibrated().get("/models/diabetes/versions/1").json()["notes"].to_string();
    assert!(notes.contains("candor calibrate --data") && notes.contains("diabetes/1"), "{notes}");
}

#[test]
fn a_regression_is_calibrated_on_its_own_answers() {
    let models = uncalibrated_models(&["diabetes/1"]);
    let server = Server::over(models.path());
    let version = server.get("/models/diabetes/versions/1").json();
    let example = version["example"]["features"].clone();
    let mut rows = RegressionRows { values: Vec::new(), targets: Vec::new(), spread: ScaleSource::None, groups: None };
    for row in 0..40 {
        let mut features = example.clone();
        let first = features.as_object_mut().and_then(|members| members.values_mut().find(|value| value.is_f64()));
        let first = first.expect("a number");
        *first = json!(first.as_f64().expect("a number") * (1.0 + 0.01 * f64::from(row)));
        let value = ask(&server, "diabetes", &features).json()["prediction"].as_f64().expect("a value");
        rows.values.push(value);
        rows.targets.push(value + f64::from(row) - 20.0);
    }
    let Ok((rule, report)) = calibrate_regressor(&rows, RegressionOptions::default()) else { panic!("no calibration") };
    let digest = format!("sha256:{}", version["model_sha256"].as_str().expect("a digest"));
    write(&models.path().join("diabetes/1"), rule, Some(report), &digest);
    let server = Server::over(models.path());
    let found = ask(&server, "diabetes", &example).json();
    assert!((17.0..=20.0).contains(&found["uncertainty"].as_f64().expect("a half-width")), "{found}");
    let metrics = server.get("/metrics").text();
    assert!(metrics.contains("candor_uncertainty_bucket{model=\"diabetes\""), "the half-widths are counted: {metrics}");
    let least = rows.values.iter().copied().fold(f64::INFINITY, f64::min);
    let bound = format!("{least:.2e}").parse::<f64>().expect("a number");
    let series = format!("candor_prediction_value_bucket{{model=\"diabetes\",version=\"1\",le=\"{bound}\"}}");
    assert!(metrics.contains(&series), "values are counted around those that the calibration saw: {series}\n{metrics}");
}
