//! `candor calibrate` as an operator runs it, on a bundled model; then the answers of a server with the new
//! calibration.

use std::fs;

use candor::{domain::uncertainty::Coverage, repository::Loader, runtime::OrtLibrary};
use serde_json::json;

use super::{calibrated, files, written};
use crate::{
    authoring::json,
    support::{
        packages::{ask, copy_models, edit},
        paths::root,
        process::candor,
        server::{Server, config},
    },
};

/// Rows that churn was trained on: enough to try the command, useless as a measurement.
const CHURN: &str = "tests/fixtures/churn/churn.csv";

#[test]
fn a_version_is_calibrated_and_serves_so() {
    let models = copy_models(&["churn"]);
    let version = models.path().join("churn/1");
    let _ = fs::remove_file(version.join("calibration.json"));
    edit(&version.join("version.json"), |version| version["files"]["calibration.json"] = json!("sha256:0"));
    let output = candor(&["calibrate", "--data", CHURN, "--target", "churned", "--method", "temperature", "--force"])
        .arg(&version)
        .env("SOURCE_DATE_EPOCH", "1795219200")
        .output()
        .expect("it ran");
    let told = String::from_utf8(output.stdout).expect("UTF-8");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(output.stderr, b"", "no progress output on a stderr that is not a terminal");
    for line in [
        "model     churn 1, temperature+lac",
        "rows      200 of churn.csv: stay (168), churn (32)",
        "          100 rows choose and fit the probabilities, the other 100 give the quantiles of the sets;",
        "uncertainty    before   after",
        "serves    at coverage 0.9, as set by repository.coverage; the contract or model.toml may set another",
    ] {
        assert!(told.lines().any(|told| told == line), "{line}\n{told}");
    }
    let level = told.lines().find(|line| line.ends_with("<- served")).expect("a level that is served");
    assert!(level.starts_with("0.9 "), "{level}");
    let wrote = told.lines().find(|line| line.starts_with("wrote")).expect("what was written");
    assert!(wrote.ends_with(": calibration.json, reliability.svg, coverage.svg, version.json"), "{wrote}");
    for plot in ["reliability.svg", "coverage.svg"] {
        let text = fs::read_to_string(version.join(plot)).expect("a plot");
        assert!(text.starts_with("<svg") && text.contains("churn 1"), "{plot}: {text:.200}");
    }
    assert!(!files(&version).iter().any(|name| name.starts_with('.')), "{:?}", files(&version));

    let made = written(&version);
    assert_eq!((&made["created"], &made["data"]["file"]), (&json!("2026-11-21T00:00:00Z"), &json!("churn.csv")));
    assert_eq!(made["data"]["rows"], 200);
    assert_eq!(made["model_sha256"], json(&version.join("version.json"))["files"]["model.onnx"]);

    let server = Server::over(models.path());
    let uncalibrated = candor(&["check"]).arg(models.path()).output().expect("it ran");
    assert!(uncalibrated.status.success(), "{}", String::from_utf8_lossy(&uncalibrated.stdout));
    let features = json!({ "tenure_months": 4, "monthly_charge": 79.5, "plan": "basic" });
    let found = ask(&server, "churn", &features).json();
    assert_eq!(found["uncertainty_method"], "temperature+lac", "{found:#}");
    assert_eq!(found["coverage"], json!(0.9));
    let set = found["prediction_set"].as_array().expect("a set");
    let quantile = made["rule"]["sets"]["quantiles"]["levels"][5]["quantile"].as_f64().expect("a bound");
    for (class, probability) in found["probabilities"].as_object().expect("probabilities") {
        let inside = 1.0 - probability.as_f64().expect("a number") <= quantile;
        assert_eq!(set.contains(&json!(class)), inside, "{class} by {quantile}: {found:#}");
    }
    let told = server.get("/models/churn/versions/1").json();
    assert_eq!(told["calibration"]["data"]["rows"], json!(200), "{:#}", told["calibration"]);
}

#[test]
fn the_bundled_models_serve_with_theirs() {
    let server = Server::shared();
    for (model, version, method, coverage) in [
        ("breast-cancer", "1", "uncalibrated+lac", json!(0.9)),
        ("churn", "1", "uncalibrated+lac", json!(0.9)),
        ("diabetes", "1", "mondrian-split-conformal", json!(0.9)),
        ("diabetes", "2", "cqr", json!(0.9)),
        ("digits", "1", "temperature+lac", json!(0.975)),
        ("wine", "1", "temperature", json!(null)),
        ("wine", "2", "temperature", json!(null)),
    ] {
        let path = format!("/models/{model}/versions/{version}");
        let about = server.get(&path).json();
        let found = server.post(&format!("{path}/predict"), &about["example"].to_string()).json();
        assert_eq!((&found["uncertainty_method"], &found["coverage"]), (&json!(method), &coverage), "{found:#}");
        assert_eq!(about["calibration"]["coverage"], coverage, "{model} {version}: {:#}", about["calibration"]);
    }
}

#[test]
fn the_same_table_makes_the_same_bytes() {
    let models = copy_models(&["churn"]);
    let version = models.path().join("churn/1");
    let data = root().join(CHURN);
    let make = || {
        calibrated(&version, &data, |wishes| wishes.target = Some("churned".to_owned())).expect("a calibration");
        fs::read(version.join("calibration.json")).expect("a file")
    };
    let first = make();
    assert_eq!(first, make(), "replaces its own calibration");
    // The calibration of another model prevents serving, but not making the right one.
    edit(&version.join("calibration.json"), |made| made["model_sha256"] = json!("sha256:other"));
    assert_eq!(first, make());
    fs::write(version.join("calibration.json"), "{").expect("written");
    assert_eq!(first, make());
}

#[test]
fn a_dry_run_writes_nothing() {
    let models = copy_models(&["churn"]);
    let version = models.path().join("churn/1");
    let before = files(&version);
    let kept = fs::read(version.join("calibration.json")).ok();
    let output = candor(&["calibrate", "--dry-run", "--data", CHURN, "--target", "churned"]).arg(&version).output();
    let told = String::from_utf8(output.expect("it ran").stdout).expect("UTF-8");
    assert!(told.contains("log loss") && told.contains("wrote     nothing: this was a dry run"), "{told}");
    assert_eq!((files(&version), fs::read(version.join("calibration.json")).ok()), (before, kept));
}

#[test]
fn the_coverage_that_is_served_is_told() {
    let models = copy_models(&["churn/1"]);
    let version = models.path().join("churn/1");
    let data = root().join(CHURN);
    let churned = |wishes: &mut candor::authoring::CalibrateOptions| {
        wishes.target = Some("churned".to_owned());
        wishes.dry_run = true;
    };
    let settings = config().runtime;
    let library = OrtLibrary::load(&settings.library).expect("ONNX Runtime");
    let configured = Loader::new(library, settings).with_coverage(Coverage::GRID[3]);
    let mut wishes = candor::authoring::CalibrateOptions::default();
    churned(&mut wishes);
    let made = candor::authoring::calibrate(&configured, &version, &data, &wishes, &mut |_| {}).expect("made");
    assert_eq!((made.coverage, made.coverage_of), (Coverage::GRID[3], None));

    edit(&version.join("contract.json"), |contract| contract["x-output"]["coverage"] = json!(0.85));
    edit(&version.join("version.json"), |version| version["files"] = json!({}));
    let made = calibrated(&version, &data, churned).expect("made");
    assert_eq!((made.coverage, made.coverage_of), (Coverage::GRID[4], Some("contract.json")));

    fs::write(models.path().join("churn/model.toml"), "coverage = 0.99").expect("written");
    // The model's directory is accepted if it has one version.
    let made = calibrated(&models.path().join("churn"), &data, churned).expect("made");
    assert_eq!((made.coverage, made.coverage_of), (Coverage::GRID[8], Some("model.toml")));
    assert_eq!(made.directory, version);
}

#[test]
fn rows_of_the_training_are_taken_only_when_they_are_asked_for() {
    let models = copy_models(&["churn"]);
    let version = models.path().join("churn/1");
    let data = root().join(CHURN);
    let sha256 = candor::dataset::sha256(&fs::read(&data).expect("a file"));
    let refusal = |file: &str| {
        let told = calibrated(&version, &data, |wishes| wishes.target = Some("churned".to_owned()));
        let told = told.err().expect("refused").to_string();
        assert!(told.contains(&format!("churn.csv: is the table that {file} names")), "{told}");
        assert!(told.contains("--allow-training-data"), "{told}");
    };
    edit(&version.join("version.json"), |version| {
        version["training_data"]["sha256"] = json!(format!("sha256:{sha256}"));
    });
    refusal("version.json");
    edit(&version.join("version.json"), |version| version["files"] = json!({}));
    edit(&version.join("profile.json"), |profile| profile["source"]["sha256"] = json!(sha256));
    refusal("profile.json");
    let made = calibrated(&version, &data, |wishes| {
        wishes.target = Some("churned".to_owned());
        wishes.allow_training_data = true;
    });
    let notes = made.expect("a calibration").notes;
    assert!(notes[0].starts_with("profile.json names this table as the training data"), "{notes:?}");
}
