//! What `calibrate` refuses and with which message; nothing is left behind.

use std::fs;

use candor::{
    authoring::{CalibrateOptions, CalibrationMethod, SetChoice},
    domain::calibration::MethodChoice,
};
use serde_json::{Value, json};

use super::{calibrated, files};
use crate::support::{
    packages::{contract, copy_models, package},
    paths::root,
    process::candor,
};

type Wish = fn(&mut CalibrateOptions);

/// A refusal: the table's file name, its text, the operator's options and the message, in which `{t}` is the table and
/// `{v}` the version's directory.
type Case = (&'static str, &'static str, Wish, &'static str);

fn plain(_: &mut CalibrateOptions) {}

/// Expects a refusal for each table, and checks that the version is unchanged.
fn refuses(graph: &str, document: &Value, cases: &[Case]) {
    let models = package(graph, &[("contract.json", &document.to_string())]);
    let version = models.path().join("model/1");
    fs::write(version.join("calibration.json"), "what was there").expect("written");
    let before = files(&version);
    for (name, text, wish, expected) in cases {
        let data = models.path().join(name);
        fs::write(&data, text).expect("written");
        let error = calibrated(&version, &data, wish).err().unwrap_or_else(|| panic!("{name} is refused")).to_string();
        let expected =
            expected.replace("{t}", &data.display().to_string()).replace("{v}", &version.display().to_string());
        assert!(error.contains(&expected), "{name}\n  expected {expected}\n  found    {error}");
        assert_eq!(files(&version), before, "{name}: nothing is left behind");
        let kept = fs::read_to_string(version.join("calibration.json")).expect("a file");
        assert_eq!(kept, "what was there", "{name}");
        fs::remove_file(data).expect("removed");
    }
}

fn number() -> Value {
    json!({ "type": "number" })
}

/// Some twenty rows of two classes.
const GOOD: &str =
    "a,b,y\n1,2,no\n2,1,yes\n0,1,no\n1,0,yes\n2,2,no\n3,1,yes\n0,2,no\n1,1,yes\n0,0,no\n1,3,no\n2,0,yes\n";

const CLASSIFIER: &[Case] = &[
    ("zero.csv", "", plain, "{t}: is empty: it has no columns and no rows"),
    ("header.csv", "a,b,y\n", plain, "{t}: has columns but no rows"),
    (
        "few.csv",
        GOOD,
        plain,
        "{t}: 11 rows are too few: fitting probabilities (which the method uncalibrated does not) needs at least 20",
    ),
    (
        "fewer.csv",
        "a,b,y\n1,2,no\n2,1,yes\n",
        |wishes| wishes.method = Some(CalibrationMethod::Classifier(MethodChoice::Uncalibrated)),
        "{t}: 2 rows are too few: the calibration of a classifier needs at least 5",
    ),
    (
        "one.csv",
        "a,b,y\n1,2,no\n2,1,no\n",
        plain,
        "{t}: every row has the class \"no\": rows of at least two classes are needed to calibrate a classifier",
    ),
    (
        "constant.csv",
        "a,b,y\n1,2,no\n1,2,yes\n1,2,no\n",
        plain,
        "{t}: the model returns the same output for all 3 rows: check that it is fed from the right columns",
    ),
    (
        "untold.csv",
        GOOD,
        |wishes| wishes.target = None,
        "{t}: --target is required: the column with the true values, one of: a, b, y",
    ),
    (
        "target.csv",
        GOOD,
        |wishes| wishes.target = Some("yy".into()),
        "{t}: --target: the table has no column \"yy\"; did you mean \"y\"?; it has: a, b, y",
    ),
    (
        "feature.csv",
        GOOD,
        |wishes| wishes.target = Some("a".into()),
        "{v}: --target: \"a\" is a feature of the contract, so it cannot be the target",
    ),
    (
        "empty.csv",
        "a,b,y\n1,2,no\n2,1,\n0,1,NaN\n",
        plain,
        "{t}, line 3: the target \"y\" has no value: a calibration needs rows with a known outcome (and in 1 more row: \
         line 4)\n{t}: 2 of 3 rows cannot be used: correct them, or leave them out with --skip-invalid",
    ),
    (
        "null.jsonl",
        "{\"a\":1,\"b\":2,\"y\":\"no\"}\n{\"a\":1,\"b\":2,\"y\":null}\n",
        plain,
        "{t}, line 2: the target \"y\" has no value: a calibration needs rows with a known outcome",
    ),
    (
        "unknown.csv",
        "a,b,y\n1,2,no\n2,1,maybe\n0,1,perhaps\n",
        plain,
        "{t}, line 3: the target \"y\" holds \"maybe\", which is not a class of the contract: expected one of no, yes, \
         or a class number from 0 to 1 (and in 1 more row: line 4)",
    ),
    (
        "third.csv",
        "a,b,y\n1,2,0\n2,1,1\n0,1,2\n",
        plain,
        "{t}, line 4: the target \"y\" holds \"2\", which is not a class",
    ),
    (
        "mixed.csv",
        "a,b,y\n1,2,no\n2,1,1\n",
        plain,
        "{t}: the target \"y\" mixes class names (\"no\" in line 2) and class numbers (\"1\" in line 3): use one or \
         the other; the classes are no, yes",
    ),
    ("columns.csv", "a,c,y\n1,2,no\n", plain, "{t}: has no column \"b\"; did you mean \"a\"?; it has: a, c, y"),
    (
        "type.csv",
        "a,b,y\n1,2,no\n1,low,no\n",
        plain,
        "{t}, line 3: column \"b\" holds \"low\"; the contract takes a number",
    ),
    ("gap.csv", "a,b,y\n1,2,no\n1,,no\n", plain, "{t}, line 3: column \"b\" has no value; the contract takes a number"),
    (
        "range.csv",
        "a,b,y\n1,2,no\n1,10,no\n1,11,\n",
        plain,
        "{t}, line 3: the contract rejects it: b must be at most 9; got 10 (and in 1 more row: line 4)\n{t}, line 4: the \
         target \"y\" has no value: a calibration needs rows with a known outcome\n{t}: 2 of 3 rows cannot be used",
    ),
    (
        "group.csv",
        GOOD,
        |wishes| wishes.group = Some("c".into()),
        "{v}: --group-by: groups are by \"c\", which is not a feature of the contract",
    ),
    (
        "many.csv",
        "a,b,y\n1,2,no\n2,1,yes\n0,1,no\n3,0,yes\n4,2,no\n5,2,no\n",
        |wishes| {
            wishes.method = Some(CalibrationMethod::Classifier(MethodChoice::Uncalibrated));
            wishes.group = Some("a".into());
        },
        "{t}: no value of \"a\" has the 9 rows that a quantile at coverage 0.9 needs: choose a feature with fewer \
         values",
    ),
    (
        "aps.csv",
        GOOD,
        |wishes| {
            wishes.sets = Some(SetChoice::Aps);
            wishes.group = Some("a".into());
        },
        "{v}: --group-by requires --prediction-sets lac; aps does not support it",
    ),
    (
        "unset.csv",
        GOOD,
        |wishes| {
            wishes.sets = Some(SetChoice::None);
            wishes.group = Some("a".into());
            wishes.method = Some(CalibrationMethod::SplitConformal);
        },
        "{v}: --method split-conformal is for a regression; this is a classification\n{v}: --group-by computes \
         quantiles per group, but --prediction-sets none computes no quantiles: remove one of them",
    ),
    (
        "nothing.csv",
        GOOD,
        |wishes| {
            wishes.sets = Some(SetChoice::None);
            wishes.method = Some(CalibrationMethod::Classifier(MethodChoice::Uncalibrated));
        },
        "{v}: --method uncalibrated with --prediction-sets none leaves nothing to calibrate",
    ),
];

#[test]
fn tables_that_make_no_calibration_of_a_classifier() {
    let output = json!({ "task": "classification", "classes": ["no", "yes"], "probabilities": { "tensor": "p" } });
    let document = contract("x", &json!({ "a": number(), "b": { "type": "number", "maximum": 9 } }), &output);
    refuses("binary_single", &document, CLASSIFIER);
}

#[test]
fn many_rows_that_the_contract_does_not_admit_are_counted() {
    let output = json!({ "task": "classification", "classes": ["no", "yes"], "probabilities": { "tensor": "p" } });
    let document = contract("x", &json!({ "a": number(), "b": { "type": "number", "maximum": 0 } }), &output);
    let counted = "{t}, line 2: the contract rejects it: b must be at most 0; got 2 (and in 7 more rows: line 3, line 4, \
                   line 6, line 7, line 8, line 9, line 11)\n{t}: 8 of 11 rows cannot be used: correct them, or leave \
                   them out with --skip-invalid";
    refuses("binary_single", &document, &[("counted.csv", GOOD, plain, counted)]);
}

#[test]
fn tables_that_make_no_calibration_of_a_regression() {
    let output = json!({ "task": "regression", "value": { "tensor": "value" } });
    let features = json!({ "x": { "type": "integer", "minimum": 0 } });
    let cases: &[Case] = &[
        (
            "few.csv",
            "x,y\n1,1\n2,2\n",
            plain,
            "{t}: 2 rows are too few: the calibration of a regression needs at least 5",
        ),
        (
            "text.csv",
            "x,y\n1,1\n2,high\n3,inf\n",
            plain,
            "{t}, line 3: the target \"y\" holds \"high\", which is not a finite number (and in 1 more row: \
             line 4)",
        ),
        ("nan.csv", "x,y\n1,1\n2,NaN\n", plain, "{t}, line 3: the target \"y\" has no value: a calibration needs rows"),
        (
            "none-left.csv",
            "x,y\n1,NaN\n",
            |wishes| wishes.skip_invalid = true,
            "{t}, line 2: the target \"y\" has no value: a calibration needs rows with a known outcome\n{t}: 1 of 1 rows \
             cannot be used: none is left",
        ),
        (
            "constant.csv",
            "x,y\n1,1\n1,2\n1,3\n1,4\n1,5\n",
            plain,
            "{t}: the model returns the same output for all 5 rows",
        ),
        ("fails.csv", "x,y\n1,1\n2,2\n10,3\n", plain, "{v}/model.onnx: fails on a row of the table: line 4: "),
        (
            "method.csv",
            "x,y\n1,1\n",
            |wishes| {
                wishes.method = Some(CalibrationMethod::Classifier(MethodChoice::Temperature));
                wishes.sets = Some(SetChoice::Lac);
            },
            "{v}: --method temperature is for a classification; this is a regression, whose intervals are determined \
             by its outputs (or, with split-conformal, by its value alone)\n{v}: --prediction-sets is for a \
             classification; a regression gets intervals",
        ),
    ];
    refuses("failing", &contract("index", &features, &output), cases);
    let features = json!({ "x": number() });
    let infinite = "x,y\n1,1\n2,2\n3,3\n0,4\n";
    let told = "{v}/model.onnx: fails on a row of the table: line 5: ";
    refuses("non_finite", &contract("x", &features, &output), &[("infinite.csv", infinite, plain, told)]);
}

#[test]
fn tasks_and_methods_that_do_not_go_together() {
    let ids = json!({ "ids": { "type": "array", "items": { "type": "integer" }, "minItems": 4, "maxItems": 4 } });
    let output = json!({ "task": "tensors" });
    let told = "{v}: its task is tensors: there are no true values to compare them with, so nothing can be calibrated";
    refuses("embedding", &contract("ids", &ids, &output), &[("ids.jsonl", "{\"ids\":[1,2,3,4]}\n", plain, told)]);

    let features = json!({ "v": { "type": "array", "items": { "type": "number" }, "minItems": 4, "maxItems": 4 } });
    let output = json!({ "task": "classification", "classes": ["x", "y", "z"], "logits": { "tensor": "logits" } });
    let rows = "{\"v\":[1,2,3,4],\"y\":\"x\"}\n";
    let cases: &[Case] = &[
        (
            "array.jsonl",
            rows,
            |wishes| wishes.group = Some("v".into()),
            "{v}: --group-by: \"v\" is an array and cannot define groups",
        ),
        (
            "three.jsonl",
            rows,
            |wishes| wishes.method = Some(CalibrationMethod::Classifier(MethodChoice::VennAbers)),
            "{v}: --method venn-abers is for two classes, the contract has 3; use top-label-venn-abers, temperature, or \
             auto",
        ),
    ];
    refuses("logits", &contract("x", &features, &output), cases);
}

#[test]
fn a_group_of_a_continuous_number_is_refused_by_its_name() {
    let features = json!({ "a": number(), "b": number() });
    let output = json!({ "task": "regression", "value": { "tensor": "value" } });
    let models = package("sigma", &[("contract.json", &contract("x", &features, &output).to_string())]);
    let data = models.path().join("t.csv");
    let rows: Vec<String> = (0..1100).map(|row| format!("{row}.5,1,{row}")).collect();
    fs::write(&data, format!("a,b,y\n{}\n", rows.join("\n"))).expect("written");
    let version = models.path().join("model/1");
    let refused = calibrated(&version, &data, |wishes| wishes.group = Some("a".into())).err().expect("refused");
    let expected = format!(
        "{}, line 1002: --group-by: \"a\" has more than 1000 values; 1000.5 is one too many. Choose a feature with few \
         values: a category, a boolean or a code",
        data.display()
    );
    assert_eq!(refused.to_string(), expected);
}

#[test]
fn what_names_no_version_is_refused() {
    let models = copy_models(&["wine", "diabetes"]);
    let place = models.path();
    fs::remove_file(place.join("diabetes/1/contract.json")).expect("removed");
    let data = root().join("tests/fixtures/churn/churn.csv");
    let graph = place.join("wine/1/model.onnx");
    let two = format!("wine: has 2 versions; choose one of {0}/wine/1, {0}/wine/2", place.display());
    for (path, expected) in [
        (place.join("wine"), two.as_str()),
        (place.to_path_buf(), "contains no model.onnx; expected the directory of a version, such as models/churn/1"),
        (place.join("beer"), "beer: is not a directory; expected the directory of a version, such as models/churn/1"),
        (graph, "model.onnx: is a file; expected the directory of a version"),
        (place.join("diabetes/1"), "1: has no contract.json; `candor init` creates a package from a model and a table"),
    ] {
        let error = calibrated(&path, &data, plain).err().expect("refused").to_string();
        assert!(error.contains(expected), "{error}\n{expected}");
    }
}

#[test]
fn the_program_says_so_and_fails() {
    let models = copy_models(&["churn"]);
    let version = models.path().join("churn/1");
    let before = files(&version);
    let data = "tests/fixtures/churn/churn.csv";
    for (arguments, epoch, expected) in [
        (
            vec!["--data", data],
            "0",
            "churn.csv: --target is required: the column with the true values, one of: tenure_months, ",
        ),
        (
            vec!["--data", "nothing.csv", "--target", "y"],
            "0",
            "candor: nothing.csv: there is no such file or directory",
        ),
        (
            vec!["--data", data, "--separator", "ab"],
            "0",
            "--separator expects one ASCII character or \"tab\", found \"ab\"",
        ),
        (
            vec!["--data", data, "--target", "churned"],
            "today",
            "SOURCE_DATE_EPOCH expects seconds since 1970, found \"today\"",
        ),
        (
            vec!["--data", data, "--target", "churned"],
            "9223372036854775807",
            "SOURCE_DATE_EPOCH expects seconds since 1970, found \"9223372036854775807\"",
        ),
    ] {
        let mut command = candor(&["calibrate"]);
        let output = command.arg(&version).args(&arguments).env("SOURCE_DATE_EPOCH", epoch).output().expect("it ran");
        let told = String::from_utf8(output.stderr).expect("UTF-8");
        assert_eq!(output.status.code(), Some(1), "{told}");
        assert!(told.starts_with("candor: ") && told.contains(expected), "{expected}\n{told}");
        assert_eq!((output.stdout.len(), files(&version)), (0, before.clone()));
    }
}

#[test]
fn a_directory_that_cannot_be_written_keeps_what_it_has() {
    let models = copy_models(&["churn"]);
    let version = models.path().join("churn/1");
    // A directory with the name of the file: the rename fails, as on a full or read-only disk.
    let _ = fs::remove_file(version.join("calibration.json"));
    fs::create_dir_all(version.join("calibration.json/inside")).expect("made");
    let before = files(&version);
    let data = root().join("tests/fixtures/churn/churn.csv");
    let error = calibrated(&version, &data, |wishes| wishes.target = Some("churned".to_owned())).err();
    let error = candor::telemetry::error_chain(&error.expect("refused"));
    assert!(error.contains("calibration.json: cannot be written: "), "{error}");
    assert_eq!(files(&version), before, "no staging directory is left behind");
}
