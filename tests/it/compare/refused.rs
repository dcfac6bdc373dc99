//! What cannot be compared: each refusal says what was found and what would be right.

use std::fs;

use serde_json::json;

use super::{DIABETES, WINE, compare};
use crate::support::packages::{contract, package};

#[test]
fn refusals_say_what_is_wrong_and_what_would_be_right() {
    let place = tempfile::tempdir().expect("a directory");
    let path = |name: &str| place.path().join(name).display().to_string();
    fs::write(place.path().join("empty.csv"), "alcohol\n").expect("written");
    let header = fs::read_to_string(crate::support::paths::root().join(WINE)).expect("a table");
    let header = header.lines().next().expect("a header").to_owned();
    fs::write(place.path().join("header.csv"), format!("{header}\n")).expect("written");
    let row = "14.23,1.71,2.43,15.6,127.0,2.8,3.06,0.28,2.29,5.64,1.04,3.92,1065.0";
    fs::write(place.path().join("label.csv"), format!("{header}\n{row},merlot\n")).expect("written");
    let features =
        json!({ "v": { "type": "array", "items": { "type": "number", "minimum": 0 }, "minItems": 3, "maxItems": 3 } });
    let classes = json!({ "task": "classification", "classes": ["x", "y", "z"], "probabilities": { "tensor": "p" } });
    let bare = package("proportions", &[("contract.json", &contract("v", &features, &classes).to_string())]);
    let tensors = json!({ "task": "tensors" });
    let raw = package("proportions", &[("contract.json", &contract("v", &features, &tensors).to_string())]);
    let (bare, raw) = (bare.path().join("model/1"), raw.path().join("model/1"));
    let (bare, raw) = (bare.display().to_string(), raw.display().to_string());
    let (old, new) = ("models/wine/1", "models/wine/2");
    let (empty, only_header, label) = (path("empty.csv"), path("header.csv"), path("label.csv"));
    let missing = path("nothing.csv");
    let cases: Vec<(Vec<&str>, &str)> = vec![
        (vec!["models/wine/1", "models/wine/9"], "models/wine/9: there is no such file or directory"),
        (
            vec!["models/wine", "models/wine/2"],
            "models/wine: has 2 versions; choose one of models/wine/1, models/wine/2",
        ),
        (vec!["models/wine/1/model.onnx", new], "is a file; expected the directory of a version"),
        (
            vec!["models/wine/1", "models/churn/2"],
            "models/wine/1 is a version of wine, and models/churn/2 one of churn: compare two versions of one model",
        ),
        (vec![&bare, &raw], "the task of the old version is classification, that of the new one is tensors"),
        (
            vec![&bare, &bare],
            "there are no rows to compare: neither version has golden cases or a profile; give a table",
        ),
        (vec![old, new, "--data", &missing], "nothing.csv: there is no such file or directory"),
        (vec![old, new, "--data", &empty], "has no column \"malic_acid\", \"ash\""),
        (vec![old, new, "--data", &only_header], "header.csv: has columns but no rows"),
        (
            vec![old, new, "--data", WINE, "--target", "targe"],
            "the table has no column \"targe\"; did you mean \"target\"",
        ),
        (
            vec![old, new, "--data", &label, "--target", "target"],
            "holds \"merlot\"; expected one of class_0, class_1, class_2",
        ),
        (vec![old, new, "--data", DIABETES], "has no column \"alcohol\""),
        (
            vec![old, new, "--slice", "alcohole"],
            "--slice: \"alcohole\" is not a feature of either version; did you mean \"alcohol\"",
        ),
        (
            vec![&bare, &bare, "--slice", "v"],
            "--slice: \"v\" is an array; slices are by a category, a boolean or a number",
        ),
    ];
    for (arguments, expected) in cases {
        let output = compare(&arguments);
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {told}");
        assert!(told.contains(expected) && told.starts_with("candor: "), "{arguments:?}: {told}");
        assert!(output.stdout.is_empty(), "{arguments:?}");
    }
    let output = compare(&[old, new, "--target", "target"]);
    assert_eq!(output.status.code(), Some(2), "--target needs --data");
}
