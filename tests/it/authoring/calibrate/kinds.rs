//! Every method, every kind of set and interval, every table format, and the notes about them.

use std::{
    collections::BTreeSet,
    fs,
    io::{BufWriter, Write as _},
    path::Path,
};

use candor::{
    authoring::{CalibrationMethod, SetChoice},
    domain::calibration::MethodChoice,
};
use serde_json::{Value, json};

use super::{calibrated, spread_out, table, written};
use crate::{
    authoring::{iris, make},
    support::{
        external_tools::peak_kib,
        packages::{ask, contract, copy_models, package},
        paths::root,
        server::Server,
    },
};

/// Two features.
fn features() -> Value {
    json!({ "a": { "type": "number" }, "b": { "type": "number" } })
}

/// A model of two classes: the probability of the second is the logistic function of `a - 2 b + 0.5`.
fn two_classes() -> tempfile::TempDir {
    let output = json!({ "task": "classification", "classes": ["no", "yes"], "probabilities": { "tensor": "p" } });
    package("binary_single", &[("contract.json", &contract("x", &features(), &output).to_string())])
}

/// The truth for an overconfident model: its logit is twice as large as it should be.
fn meek(a: f64, b: f64, draw: f64) -> String {
    let p = 1.0 / (1.0 + (-0.5 * (a - 2.0 * b + 0.5)).exp());
    if draw < p { "yes" } else { "no" }.to_owned()
}

#[test]
fn every_method_and_every_set_serves_by_its_name() {
    let models = two_classes();
    let version = models.path().join("model/1");
    let data = table(&models, "held-out.csv", 400, meek);
    let cases = [
        (MethodChoice::Temperature, None, "temperature+lac"),
        (MethodChoice::Temperature, Some(SetChoice::Aps), "temperature+aps"),
        (MethodChoice::Isotonic, Some(SetChoice::Lac), "isotonic+lac"),
        (MethodChoice::VennAbers, Some(SetChoice::None), "venn-abers"),
        (MethodChoice::Uncalibrated, Some(SetChoice::Aps), "uncalibrated+aps"),
        (MethodChoice::Auto, None, "temperature+lac"),
    ];
    for (method, sets, name) in cases {
        let made = calibrated(&version, &data, |wishes| {
            wishes.method = Some(CalibrationMethod::Classifier(method));
            wishes.sets = sets;
        });
        let made = made.expect("a calibration");
        assert_eq!(made.method, name);
        let plots: Vec<bool> = ["reliability.svg", "coverage.svg"].map(|plot| version.join(plot).is_file()).to_vec();
        assert_eq!(plots, [true, sets != Some(SetChoice::None)], "{name}: plots of an earlier calibration are removed");
        let report = &made.calibration.report;
        let (before, after) = (report.before.as_ref().expect("before"), report.after.as_ref().expect("after"));
        if method != MethodChoice::Uncalibrated {
            assert!(after.brier < before.brier, "{name}: {} {}", before.brier, after.brier);
        }
        let server = Server::over(models.path());
        let found = ask(&server, "model", &json!({ "a": 0.5, "b": -0.25 })).json();
        assert_eq!(found["uncertainty_method"], name, "{found:#}");
        let covered = if sets == Some(SetChoice::None) { Value::Null } else { json!(0.9) };
        assert_eq!(found["coverage"], covered);
        assert_eq!(found["prediction_set"].is_array(), !covered.is_null());
        assert_eq!(found["probability_interval"].is_array(), method == MethodChoice::VennAbers, "{found:#}");
        if name == "temperature+lac" {
            let temperature = written(&version)["rule"]["probabilities"]["temperature"].as_f64().expect("a number");
            assert!((1.5..2.6).contains(&temperature), "the logits were doubled: {temperature}");
        }
    }
}

#[test]
fn a_target_may_hold_the_numbers_of_classes_or_truth_values() {
    let models = two_classes();
    let version = models.path().join("model/1");
    let rule = |name: &str, no: &str, yes: &str| {
        let data = table(&models, name, 100, |a, b, draw| if meek(a, b, draw) == "yes" { yes } else { no }.to_owned());
        let made = calibrated(&version, &data, |_| {}).expect("a calibration");
        (made.calibration.rule, made.notes)
    };
    let (named, notes) = rule("named.csv", "no", "yes");
    assert!(!notes.iter().any(|note| note.contains("class numbers")), "{notes:?}");
    for (no, yes) in [("0", "1"), ("0.0", "1.0"), ("false", "TRUE")] {
        let (numbered, notes) = rule("numbered.csv", no, yes);
        assert_eq!(named, numbered, "{no} {yes}");
        let kind =
            if no == "false" { "true and false: false is no, true is yes" } else { "class numbers: 0 is no, 1 is yes" };
        assert_eq!(notes[0], format!("the target \"y\" holds {kind}"));
    }
    let (_, notes) = rule("turned.csv", "yes", "no");
    assert!(notes.iter().any(|note| note.contains("check the order of the features and of the classes")), "{notes:?}");
}

#[test]
fn a_regression_gets_the_intervals_that_its_outputs_allow() {
    let value = json!({ "tensor": "value" });
    let cases = [
        ("sigma", json!({ "task": "regression", "value": value, "unit": "m" }), false, "split-conformal"),
        (
            "sigma",
            json!({ "task": "regression", "value": value, "sigma": { "tensor": "sigma" } }),
            false,
            "normalized-conformal",
        ),
        (
            "sigma",
            json!({ "task": "regression", "value": value, "sigma": { "tensor": "sigma" } }),
            true,
            "split-conformal",
        ),
        ("members", json!({ "task": "regression", "members": { "tensor": "m" } }), false, "normalized-conformal"),
        (
            "quantiles",
            json!({ "task": "regression", "quantiles": { "tensor": "q", "levels": [0.05, 0.5, 0.95] } }),
            false,
            "cqr",
        ),
    ];
    for (graph, output, plain, method) in cases {
        let models = package(graph, &[("contract.json", &contract("x", &features(), &output).to_string())]);
        let version = models.path().join("model/1");
        // Within 1 of the graph's value: 2 a - b + 3.
        let truth = |a: f64, b: f64, draw: f64| (2.0 * a - b + 3.0 + 2.0 * draw - 1.0).to_string();
        let data = table(&models, "held-out.csv", 200, truth);
        let made =
            calibrated(&version, &data, |wishes| wishes.method = plain.then_some(CalibrationMethod::SplitConformal));
        let made = made.expect("a calibration");
        assert_eq!((made.method, made.calibration.report.conformal_rows), (method, 200));
        let server = Server::over(models.path());
        let found = ask(&server, "model", &json!({ "a": 0.5, "b": -0.5 })).json();
        assert_eq!((&found["uncertainty_method"], &found["coverage"]), (&json!(method), &json!(0.9)), "{found:#}");
        let width = 2.0 * found["uncertainty"].as_f64().expect("a half-width");
        assert!((1.5..2.5).contains(&width) || method == "normalized-conformal", "{method}: {width}");
        let end = |index: usize| found["interval"][index].as_f64().expect("an end");
        assert!(end(0) < 4.5 && 4.5 < end(1), "{found:#}");
    }
}

#[test]
fn groups_get_quantiles_of_their_own() {
    let models = copy_models(&["churn"]);
    let version = models.path().join("churn/1");
    let data = root().join("tests/fixtures/churn/churn.csv");
    let made = calibrated(&version, &data, |wishes| {
        wishes.target = Some("churned".to_owned());
        wishes.group = Some("contract_months".to_owned());
        wishes.method = Some(CalibrationMethod::Classifier(MethodChoice::Uncalibrated));
    });
    let made = made.expect("a calibration");
    assert_eq!(made.method, "uncalibrated+mondrian-lac");
    let groups = &written(&version)["rule"]["sets"]["groups"];
    let values: Vec<&Value> =
        groups["groups"].as_array().expect("groups").iter().map(|group| &group["value"]).collect();
    assert_eq!(values, [&json!(1), &json!(12), &json!(24)], "by size, in any order of the rows");
    let rows: u64 =
        groups["groups"].as_array().into_iter().flatten().filter_map(|g| g["quantiles"]["rows"].as_u64()).sum();
    assert_eq!(rows, 200);
    let server = Server::over(models.path());
    let features = json!({ "tenure_months": 4, "monthly_charge": 79.5, "plan": "basic", "contract_months": 12 });
    let found = ask(&server, "churn", &features).json();
    assert_eq!(found["uncertainty_method"], "uncalibrated+mondrian-lac", "{found:#}");

    // A missing value is a group too; a group with few rows says that it uses the quantile of all rows.
    let made = calibrated(&version, &data, |wishes| {
        wishes.target = Some("churned".to_owned());
        wishes.group = Some("support_calls".to_owned());
    });
    let made = made.expect("a calibration");
    let values: BTreeSet<String> = made.calibration.report.groups.iter().map(|group| group.value.to_string()).collect();
    assert!(values.contains("null") && values.contains("0"), "{values:?}");
    let pooled = "fewer than the 9 rows that coverage 0.9 needs, and share the quantile of all rows";
    assert!(made.notes.iter().any(|note| note.contains(pooled)), "{:?}", made.notes);
}

#[test]
fn every_format_of_table_makes_the_same_calibration() {
    let place = tempfile::tempdir().expect("a directory");
    let version = place.path().join("iris/1");
    make(&iris("iris.onnx"), &iris("iris.csv"), &version, |wishes| wishes.target = Some("species".to_owned()))
        .expect("a package");
    let [csv, jsonl, parquet] = ["csv", "jsonl", "parquet"].map(|format| {
        let made = calibrated(&version, &iris(&format!("iris.{format}")), |wishes| {
            wishes.target = Some("species".to_owned());
            wishes.allow_training_data = true;
            wishes.sets = Some(SetChoice::Aps);
        });
        let made = made.expect("a calibration").calibration;
        (made.rule, made.report)
    });
    assert_eq!(csv, jsonl);
    assert_eq!(csv, parquet);
}

#[test]
fn few_rows_are_used_as_far_as_they_go() {
    let models = two_classes();
    let version = models.path().join("model/1");
    let data = table(&models, "few.csv", 7, |_, b, _| if b < 0.0 { "yes" } else { "no" }.to_owned());
    let made = calibrated(&version, &data, |wishes| {
        wishes.method = Some(CalibrationMethod::Classifier(MethodChoice::Uncalibrated));
    });
    let made = made.expect("a calibration");
    let told = "its quantiles come from 7 rows, but coverage 0.9 needs 9: every prediction set holds all classes";
    assert!(made.notes.iter().any(|note| note.starts_with(told)), "{:?}", made.notes);
    let found = ask(&Server::over(models.path()), "model", &json!({ "a": 0.5, "b": -0.5 })).json();
    assert_eq!(found["prediction_set"], json!(["no", "yes"]), "{found:#}");
}

#[test]
fn copies_of_rows_are_told() {
    let models = two_classes();
    let version = models.path().join("model/1");
    let data = table(&models, "once.csv", 60, meek);
    let told = |made: candor::authoring::CalibrationReport| made.notes.iter().any(|note| note.contains("earlier row"));
    assert!(!told(calibrated(&version, &data, |_| {}).expect("a calibration")));
    let text = fs::read_to_string(&data).expect("a file");
    let rows: Vec<&str> = text.lines().skip(1).collect();
    fs::write(&data, format!("{text}{}\n", rows[..10].join("\n"))).expect("written");
    let made = calibrated(&version, &data, |_| {}).expect("a calibration");
    assert!(made.notes.iter().any(|note| note.starts_with("10 of 70 rows have the same features")), "{:?}", made.notes);
}

#[test]
fn rows_are_run_alone_where_a_graph_has_no_batch() {
    let output = json!({ "task": "regression", "value": { "tensor": "y" } });
    let number = json!({ "type": "number" });
    let steps = json!({ "type": "integer", "minimum": 1, "maximum": 9 });
    let mut document = contract("x", &json!({ "x": number, "steps": steps }), &output);
    document["x-inputs"] = json!([{ "tensor": "x", "features": ["x"] }, { "tensor": "steps", "features": ["steps"] }]);
    let models = package("slow_loop", &[("contract.json", &document.to_string())]);
    let data = models.path().join("held-out.jsonl");
    let row = |row: u32| {
        let (x, steps) = (f64::from(row) / 10.0, 1 + row % 3);
        let y = 2.0 + (x - 2.0) * 0.5_f64.powi(steps.try_into().unwrap_or(0)) + f64::from(row % 5) / 10.0;
        format!("{}\n", json!({ "features": { "x": x, "steps": steps }, "y": y }))
    };
    fs::write(&data, (0..40).map(row).collect::<String>()).expect("written");
    let made = calibrated(&models.path().join("model/1"), &data, |_| {}).expect("a calibration");
    let error = made.calibration.report.error.expect("a regression");
    assert!((error.mean_absolute - 0.2).abs() < 1e-6, "{error:?}");
}

fn peak(version: &Path, data: &Path) -> u64 {
    let [data, version] = [data, version].map(|path| path.display().to_string());
    peak_kib(&["calibrate", "--dry-run", "--target", "y", "--data", &data, &version])
}

#[test]
fn a_table_larger_than_memory_streams() {
    const ROWS: usize = 3_000;
    let models = two_classes();
    let version = models.path().join("model/1");
    let long = |name: &str, rows: usize| {
        let data = models.path().join(name);
        let note = "a long note, ".repeat(800);
        let mut file = BufWriter::new(fs::File::create(&data).expect("a file"));
        writeln!(file, "a,b,note,y").expect("written");
        for row in 0..rows {
            let (a, b) = (4.0 * spread_out(row, 0) - 2.0, 4.0 * spread_out(row, 1) - 2.0);
            writeln!(file, "{a:.3},{b:.3},\"{note}\",{}", meek(a, b, spread_out(row, 2))).expect("written");
        }
        file.flush().expect("written");
        data
    };
    let (few, many) = (long("few.csv", ROWS / 100), long("many.csv", ROWS));
    let size = fs::metadata(&many).expect("a file").len() / 1024;
    let grown = peak(&version, &many).saturating_sub(peak(&version, &few));
    assert!(size > 30_000 && grown < 10_000, "{grown} KiB for a table of {size} KiB");
}
