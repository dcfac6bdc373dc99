//! What `candor check` prints about a calibration and a profile: a table of packages with the expected lines.

use std::{collections::BTreeMap, fs, path::Path};

use candor::domain::{
    calibration::{
        ClassificationOptions, MethodChoice, RegressionOptions, RegressionRows, RowGroups, ScaleSource,
        calibrate_classifier, calibrate_regressor,
    },
    json::JsonValue,
    uncertainty::{CalibrationDocument, SetMethod},
};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{
    calibration,
    served_calibration::{held_out, write},
};
use crate::support::{
    matching::matches_pattern,
    packages::{edit, uncalibrated_models},
    process::candor,
};

/// A package, and the expected findings.
struct Case {
    name: &'static str,
    from: &'static str,
    /// The change to the version's directory.
    change: fn(&Path),
    /// The lines below the version's name, in order; `…` matches anything, `{v}` is the version's directory.
    told: &'static [&'static str],
}

const NO_CALIBRATION: &str = "note: there is no calibration.json: no coverage is claimed for the predictions; to \
                              calibrate: `candor calibrate --data <held-out table> --target <column> {v}`";
const PROFILE: &str = "profile.json: from 265 rows of diabetes-train.jsonl";

const CASES: &[Case] = &[
    Case {
        name: "good",
        from: "diabetes",
        change: |version| drop(intervals(version, 600, 1)),
        told: &["calibration.json: split-conformal at coverage 0.9, from 600 rows of held-out.csv", PROFILE],
    },
    Case { name: "none", from: "diabetes", change: |_| {}, told: &[PROFILE, NO_CALIBRATION] },
    Case {
        name: "few-rows",
        from: "diabetes",
        change: |version| drop(intervals(version, 8, 1)),
        told: &[
            "calibration.json: split-conformal at coverage 0.9, from 8 rows of held-out.csv",
            PROFILE,
            "warning: {v}/calibration.json: its quantiles come from 8 rows, but coverage 0.9 needs 9: no interval has \
             a bound; run `candor calibrate` with 9 rows or more, or serve a lower coverage",
        ],
    },
    Case {
        name: "few-for-the-level",
        from: "diabetes",
        change: |version| {
            intervals(version, 60, 1);
            serve_at(version, 0.99);
        },
        told: &[
            "calibration.json: split-conformal at coverage 0.99, from 60 rows of held-out.csv",
            PROFILE,
            "warning: {v}/calibration.json: its quantiles come from 60 rows, but coverage 0.99 needs 99: no interval \
             has a bound; run `candor calibrate` with 99 rows or more, or serve a lower coverage",
        ],
    },
    Case {
        name: "few-in-its-half",
        from: "churn",
        change: |version| {
            sets(version);
            serve_at(version, 0.99);
        },
        told: &[
            "calibration.json: temperature+lac at coverage 0.99, from 60 rows of held-out.csv",
            "profile.json: from 20000 rows of churn-train.jsonl",
            "warning: {v}/calibration.json: its quantiles come from 30 rows, but coverage 0.99 needs 99: every \
             prediction set holds all classes; run `candor calibrate` with 197 rows or more, of which one half fits \
             the probabilities and the other gives the 99, or serve a lower coverage",
        ],
    },
    Case {
        name: "other-model",
        from: "diabetes",
        change: |version| {
            intervals(version, 60, 1);
            edit(&version.join("calibration.json"), |made| made["model_sha256"] = json!("sha256:0"));
        },
        told: &[
            "{v}/calibration.json: was made for a model.onnx with digest sha256:0; this one has sha256:30fd…: run `candor \
             calibrate` again",
        ],
    },
    Case {
        name: "training-rows",
        from: "diabetes",
        change: |version| {
            intervals(version, 60, 1);
            let profile = read(&version.join("profile.json"));
            let digest = profile["source"]["sha256"].as_str().expect("a digest").to_owned();
            fs::remove_file(version.join("version.json")).expect("removed");
            edit(&version.join("calibration.json"), |made| made["data"]["sha256"] = json!(format!("sha256:{digest}")));
        },
        told: &[
            "calibration.json: …",
            PROFILE,
            "warning: {v}/calibration.json: was made from held-out.csv, the table that the model was trained on: the \
             model is less certain on new rows than this shows; run `candor calibrate` with held-out rows",
        ],
    },
    Case {
        name: "covers-too-little",
        from: "diabetes",
        change: |version| {
            intervals(version, 600, 1);
            report(version, |report| report["levels"][5]["later"]["covered"] = json!(245));
        },
        told: &[
            "calibration.json: …",
            PROFILE,
            "warning: {v}/calibration.json: at coverage 0.9, the first 300 rows of the table cover 0.817 of the last \
             300; in 99 of 100 cases it is 0.830 to 0.957. The rows change along the table: if it is sorted by time, \
             the coverage claimed does not hold for new rows; if it is sorted by anything else, shuffle it and run \
             `candor calibrate` again",
        ],
    },
    Case {
        name: "covers-too-much",
        from: "diabetes",
        change: |version| {
            intervals(version, 600, 1);
            report(version, |report| report["levels"][5]["later"]["covered"] = json!(300));
        },
        told: &[
            "calibration.json: …",
            PROFILE,
            "note: {v}/calibration.json: at coverage 0.9, the first 300 rows of the table cover 1.000 of the last 300; \
             in 99 of 100 cases it is 0.830 to 0.957. Either the rows change along the table, or many rows have equal \
             scores; the sets or intervals are then larger than necessary",
        ],
    },
    Case {
        name: "miscalibrated",
        from: "churn",
        change: |version| {
            sets(version);
            report(version, |report| report["after"]["ece"] = json!(0.4));
        },
        told: &[
            "calibration.json: …",
            "profile.json: from 20000 rows of churn-train.jsonl",
            "warning: {v}/calibration.json: the uncertainty differs from the observed share of errors by 0.400 on average \
             (top-label ECE, over 60 rows); with a perfect calibration it is at most … in 99 of 100 cases, and … on \
             average",
        ],
    },
    Case {
        name: "another-level-is-off",
        from: "diabetes",
        change: |version| {
            intervals(version, 600, 1);
            report(version, |report| report["levels"][4]["later"]["covered"] = json!(1));
        },
        told: &["calibration.json: …", PROFILE],
    },
    Case {
        name: "small-group",
        from: "diabetes",
        change: |version| {
            intervals(version, 606, 100);
        },
        told: &[
            "calibration.json: mondrian-split-conformal at coverage 0.9, from 606 rows of held-out.csv",
            PROFILE,
            "note: {v}/calibration.json: 1 of 2 values of sex have fewer than the 9 rows that coverage 0.9 needs, and \
             share the quantile of all rows: 2 (7)",
        ],
    },
    Case {
        name: "no-profile",
        from: "diabetes",
        change: |version| fs::remove_file(version.join("profile.json")).expect("removed"),
        told: &[
            NO_CALIBRATION,
            "note: there is no profile.json: requests are not explained, and not compared with the training data; to \
             create it: `candor profile --data <training table> {v}`",
        ],
    },
    Case {
        name: "narrow-contract",
        from: "diabetes",
        change: |version| {
            for name in ["version.json", "golden.jsonl"] {
                fs::remove_file(version.join(name)).expect("removed");
            }
            edit(&version.join("contract.json"), |contract| {
                contract["properties"]["age"]["maximum"] = json!(78);
                contract["properties"]["bmi"]["exclusiveMinimum"] = json!(18);
            });
        },
        told: &[
            PROFILE,
            "note: there is no golden.jsonl: predictions were not compared with expected values",
            NO_CALIBRATION,
            "note: {v}/profile.json: feature \"age\": the highest value in the training data is not shown, but by the \
             contract it must be at most 78: such requests are rejected",
            "note: {v}/profile.json: feature \"bmi\": the lowest value in the training data is 18, but by the contract \
             it must be above 18: such requests are rejected",
        ],
    },
    Case {
        name: "odd-background",
        from: "diabetes",
        change: |version| edit(&version.join("profile.json"), |profile| profile["background"][2][2] = json!("high")),
        told: &[
            PROFILE,
            "warning: {v}/profile.json: 1 of 32 background rows violate the contract; first: row 3: the contract \
             rejects it: bmi must be a number; got \"high\"; create the file again with `candor profile`, or widen \
             the contract",
            NO_CALIBRATION,
        ],
    },
    // Every stage reports its findings, even after one that refuses the version.
    Case {
        name: "everything",
        from: "diabetes",
        change: |version| {
            intervals(version, 8, 1);
            let golden = version.join("golden.jsonl");
            let cases = fs::read_to_string(&golden).expect("cases").replacen("216.34644083275944", "216.4", 1);
            fs::write(&golden, cases + "{}\n").expect("written");
            edit(&version.join("profile.json"), |profile| {
                profile["features"]["sex"]["categories"][0][0] = json!(3);
            });
        },
        told: &[
            "{v}/golden.jsonl: case 27: missing field `features` at line 1 column 2",
            "{v}/profile.json: feature \"sex\": lists the category 3, which the contract does not admit",
            "{v}/golden.jsonl: case 1: alone: prediction must be 216.4 within 0.000001; got 216.34644083275944",
            "{v}/golden.jsonl: case 1: in a batch: prediction must be 216.4 within 0.000001; got 216.34644083275944",
            "{v}/golden.jsonl: its digest is sha256:…, version.json lists sha256:…; if the change is intended, …",
            "warning: {v}/calibration.json: its quantiles come from 8 rows, …",
        ],
    },
];

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("a file")).expect("JSON")
}

fn report(version: &Path, change: fn(&mut Value)) {
    edit(&version.join("calibration.json"), |made| change(&mut made["report"]));
}

fn serve_at(version: &Path, coverage: f64) {
    let settings = version.with_file_name("model.toml");
    fs::write(settings, format!("coverage = {coverage}")).expect("written");
}

/// Writes intervals from `count` rows for the graph in this directory; every `rare`-th row belongs to the second group.
fn intervals(version: &Path, count: usize, rare: usize) -> CalibrationDocument {
    let value = |row: usize| row as f64;
    let error = |row: usize| ((row as f64 * 0.618_033_988_749_895).fract() - 0.5) * 10.0;
    let rows = RegressionRows {
        values: (0..count).map(value).collect(),
        targets: (0..count).map(|row| value(row) + error(row)).collect(),
        spread: ScaleSource::None,
        groups: (rare > 1).then(|| RowGroups {
            feature: "sex".into(),
            values: [1_i64, 2].map(|value| JsonValue::Number(value.into())).to_vec(),
            of_row: (0..count).map(|row| usize::from(row % rare == 0)).collect(),
        }),
    };
    let (rule, report) = calibrate_regressor(&rows, RegressionOptions::default()).expect("a calibration");
    finish(version, CalibrationDocument { report, ..calibration(rule) }, count)
}

/// Writes sets from 60 rows for churn, half of which fitted a temperature.
fn sets(version: &Path) -> CalibrationDocument {
    let (rows, _) = held_out(60);
    let options = ClassificationOptions {
        method: MethodChoice::Temperature,
        sets: Some(SetMethod::Lac),
        ..ClassificationOptions::default()
    };
    let (rule, report) = calibrate_classifier(&rows, options).expect("a calibration");
    finish(version, CalibrationDocument { report, ..calibration(rule) }, 60)
}

fn finish(version: &Path, made: CalibrationDocument, rows: usize) -> CalibrationDocument {
    let listed = read(&version.join("version.json"))["files"]["model.onnx"].as_str().expect("a digest").to_owned();
    let made = write(version, made.rule, Some(made.report), &listed);
    edit(&version.join("calibration.json"), |made| {
        made["data"]["rows"] = json!(rows);
        made["data"]["file"] = json!("held-out.csv");
    });
    made
}

/// One model per case.
fn repository() -> TempDir {
    let repository = tempfile::tempdir().expect("a directory");
    for case in CASES {
        let copy = uncalibrated_models(&[&format!("{}/1", case.from)]);
        let model = repository.path().join(case.name);
        fs::create_dir(&model).expect("a directory");
        let version = model.join("1");
        fs::create_dir(&version).expect("a directory");
        for file in fs::read_dir(copy.path().join(case.from).join("1")).expect("a version").flatten() {
            fs::copy(file.path(), version.join(file.file_name())).expect("copied");
        }
        (case.change)(&version);
    }
    repository
}

#[test]
fn check_judges_calibration_and_profile() {
    let repository = repository();
    let output = candor(&["check"]).arg(repository.path()).output().expect("it ran");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    let mut found: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut name = "";
    for line in text.lines().filter(|line| !line.is_empty()) {
        match line.strip_prefix("        ") {
            Some(told) => found.entry(name).or_default().push(told),
            None => name = line.split_whitespace().nth(1).unwrap_or_default(),
        }
    }
    for case in CASES {
        let place = repository.path().join(case.name).join("1").display().to_string();
        let expected: Vec<String> = case.told.iter().map(|line| line.replace("{v}", &place)).collect();
        let told = found.get(case.name).cloned().unwrap_or_default();
        let same =
            told.len() == expected.len() && told.iter().zip(&expected).all(|(told, line)| matches_pattern(told, line));
        assert!(same, "{}: {expected:#?}\n{told:#?}", case.name);
    }
    assert_eq!(output.status.code(), Some(1), "{text}");
    assert!(text.ends_with("\n14 ok, 2 failed, 8 warnings\n"), "{text}");
}

#[test]
fn warnings_refuse_nothing_unless_one_is_strict() {
    let repository = uncalibrated_models(&["diabetes/1"]);
    let version = repository.path().join("diabetes/1");
    for (rows, strict, code, ending) in [
        (60, false, 0, "\n1 ok, 0 failed\n"),
        (60, true, 0, "\n1 ok, 0 failed\n"),
        (8, false, 0, "\n1 ok, 0 failed, 1 warning\n"),
        (8, true, 1, "\n1 ok, 0 failed, 1 warning\n"),
    ] {
        intervals(&version, rows, 1);
        let mut command = candor(&["check"]);
        command.arg(repository.path()).args(strict.then_some("--strict"));
        let output = command.output().expect("it ran");
        let text = String::from_utf8_lossy(&output.stdout);
        assert_eq!(output.status.code(), Some(code), "{rows} {strict}: {text}");
        assert!(text.ends_with(ending), "{rows} {strict}: {text}");
    }
}
