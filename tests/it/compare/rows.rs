//! Which rows are compared: those that both versions admit, with or without a true outcome; and what is said of the others.

use std::fs;

use serde_json::{Value, json};

use super::{CHURN, compare_json, text};
use crate::support::{packages::copy_models, paths::root};

const VERSIONS: [&str; 2] = ["models/churn/1", "models/churn/2"];

#[test]
fn rows_that_a_version_refuses_are_counted_by_reason() {
    let place = tempfile::tempdir().expect("a directory");
    let table = place.path().join("rows.csv");
    let rows = [
        "tenure_months,monthly_charge,support_calls,contract_months,age,plan,payment_method,autopay,churned",
        "11,71.15,3,24,18,plus,card,true,stay",
        "8,72.07,0,24,,business,direct_debit,true,",
        "1000,72.07,0,24,,business,card,true,stay",
        "2000,72.07,0,24,,business,card,true,stay",
        "many,72.07,0,24,,business,card,true,stay",
        "8,72.07,0,24,,family,card,true,churn",
        "9,72.07,,1,40,basic,,,churn",
    ];
    fs::write(&table, rows.join("\n") + "\n").expect("written");
    let table = table.display().to_string();
    let arguments = [&VERSIONS[..], &["--data", &table, "--target", "churned", "--slice", "age"]].concat();
    let found = compare_json(&arguments, 0);
    assert_eq!(found["rows"], json!({ "file": "rows.csv", "read": 7, "unlabelled": 1 }));
    let whole = &found["comparison"]["whole"];
    assert_eq!((&whole["rows"], &whole["labelled"]), (&json!(3), &json!(2)));
    let refused: Vec<(&str, &str, u64, &str)> = found["comparison"]["uncomparable"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|rows| {
            let member = |name: &str| rows[name].as_str().expect("a text");
            (member("by"), member("reason"), rows["rows"].as_u64().expect("a count"), member("first"))
        })
        .collect();
    let expected = [
        ("both", "tenure_months: above_maximum", 2, "line 4"),
        ("both", "tenure_months: wrong_type", 1, "line 6"),
        ("both", "plan: not_in_enum", 1, "line 7"),
    ];
    assert_eq!(refused, expected);
    // Numbers are sliced at the quartiles of the training data; a missing value is a slice of its own, the last.
    let slices: Vec<&Value> =
        found["comparison"]["slices"].as_array().expect("slices").iter().map(|slice| &slice["value"]).collect();
    assert_eq!(slices, [&json!("≤ 33"), &json!("> 33, ≤ 43"), &Value::Null]);
}

#[test]
fn a_table_that_a_version_was_made_from_is_named() {
    let models = copy_models(&["churn"]);
    let table = root().join(CHURN);
    let sha256 = candor::dataset::Table::open(&table, &candor::dataset::ReadOptions::default())
        .and_then(|table| table.sha256())
        .expect("a table");
    let version = |name: &str| models.path().join("churn").join(name);
    crate::support::packages::edit(&version("1/version.json"), |file| {
        file["training_data"]["sha256"] = json!(sha256);
        file["files"] = json!({});
    });
    crate::support::packages::edit(&version("2/version.json"), |file| file["files"] = json!({}));
    crate::support::packages::edit(&version("2/calibration.json"), |file| {
        file["data"]["sha256"] = json!(format!("sha256:{sha256}"));
    });
    let (old, new) = (version("1").display().to_string(), version("2").display().to_string());
    let told = text(&super::compare(&[&old, &new, "--data", CHURN]));
    for note in [
        "check     version.json of version 1 names this table as training data: on new rows the version is worse than here",
        "check     version 2 was calibrated on this table: on new rows its uncertainty and coverage may be worse than here",
    ] {
        assert!(told.contains(note), "{told}");
    }
}

#[test]
fn the_calibration_decides_the_slices_unless_a_flag_does() {
    let versions = ["models/diabetes/1", "models/diabetes/2"];
    let features = |flags: &[&str]| -> Vec<String> {
        let found = compare_json(&[&versions[..], flags].concat(), 0);
        let slices = found["comparison"]["slices"].as_array().expect("slices").clone();
        slices.iter().map(|slice| format!("{} {}", slice["feature"], slice["value"])).collect()
    };
    assert_eq!(features(&[]), ["\"sex\" 1", "\"sex\" 2"]);
    assert_eq!(features(&["--slice", "bmi"]).len(), 4);
}
