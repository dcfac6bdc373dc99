//! profile.json of a version with a contract: rebuilt, checked against the contract, and refused if it does not fit.

use std::fs;

use candor::{authoring::rebuild_profile, dataset::ReadOptions};
use serde_json::json;

use super::{json, loader};
use crate::support::{
    packages::{contract, copy_models, edit, package},
    paths::root,
    process::candor,
    server::Server,
};

#[test]
fn a_profile_is_made_anew_and_listed() {
    let models = copy_models(&["churn"]);
    let version = models.path().join("churn/1");
    edit(&version.join("version.json"), |version| version["files"]["profile.json"] = json!("sha256:0"));
    fs::remove_file(version.join("profile.json")).expect("removed");
    let data = root().join("tests/fixtures/churn/churn.csv");
    let made = rebuild_profile(loader(), &version, &data, &ReadOptions::default()).expect("a profile");
    assert_eq!((made.profile.rows, made.notes.len()), (200, 0), "{:?}", made.notes);
    let profile = json(&version.join("profile.json"));
    assert_eq!(profile["features"]["contract_months"]["kind"], "category", "numbers of an enum are categories");
    let ages: Vec<_> = profile["background"].as_array().expect("rows").iter().map(|row| row[4].clone()).collect();
    assert!(ages.iter().all(|age| *age == ages[0]), "the profile has no values of a sensitive feature: {ages:?}");
    let check = candor(&["check"]).arg(models.path()).output().expect("it ran");
    let told = String::from_utf8(check.stdout).expect("UTF-8");
    // The digest of the new file is listed in place of the wrong one.
    assert!(check.status.success() && told.contains("profile.json: from 200 rows of churn.csv"), "{told}");
}

/// A version with two numbers whose contract, in the full validation, rejects instances with `a` less than 5.
fn with_full_validation() -> tempfile::TempDir {
    let number = json!({ "type": "number" });
    let output = json!({ "task": "regression", "members": { "tensor": "m" } });
    let mut contract = contract("x", &json!({ "a": number, "b": number }), &output);
    contract["not"] = json!({ "properties": { "a": { "exclusiveMaximum": 5 } } });
    package("members", &[("contract.json", &contract.to_string())])
}

#[test]
fn rows_that_only_full_validation_rejects_are_reported() {
    let models = with_full_validation();
    let data = models.path().join("rows.csv");
    fs::write(&data, "a,b\n1,1\n2,1\n9,1\n").expect("written");
    let made =
        rebuild_profile(loader(), &models.path().join("model/1"), &data, &ReadOptions::default()).expect("a profile");
    assert_eq!(made.notes.len(), 1, "{:?}", made.notes);
    let note = &made.notes[0];
    assert!(note.starts_with("2 of 3 sampled rows would be rejected: ") && note.contains("not"), "{note}");
}

#[test]
fn a_baseline_passes_full_validation_too() {
    // The median of `a` is 2, which the full validation rejects. No background row can replace it, because that
    // violation names no feature.
    let models = with_full_validation();
    let data = models.path().join("rows.csv");
    fs::write(&data, "a,b\n1,1\n2,1\n9,1\n").expect("written");
    rebuild_profile(loader(), &models.path().join("model/1"), &data, &ReadOptions::default()).expect("a profile");
    fs::remove_file(&data).expect("removed");
    let server = Server::over(models.path());
    let reply = server.post("/predict", r#"{"features":{"a":9,"b":1},"explain":true}"#);
    let answer = reply.json();
    assert_eq!((reply.status, &answer["explanation"]), (200, &json!(null)), "{answer:#}");
    assert_eq!(answer["warnings"][0]["code"], "explanation_unavailable", "{answer:#}");
}

#[test]
fn a_profile_that_does_not_fit_its_contract_is_refused_in_words() {
    type Change = fn(&mut serde_json::Value);
    let cases: [(Change, &str); 5] = [
        (
            |profile| {
                let features = profile["features"].as_object_mut().expect("features");
                let age = features.remove("age").expect("age");
                features.insert("years".to_owned(), age);
            },
            "describes the feature \"years\", which the contract does not have",
        ),
        (
            |profile| profile["features"]["plan"] = profile["features"]["monthly_charge"].clone(),
            "feature \"plan\": is described as a number, but the contract takes a string",
        ),
        (
            |profile| profile["features"]["plan"]["categories"][0][0] = json!("gold"),
            "feature \"plan\": lists the category gold, which the contract does not admit",
        ),
        (|profile| profile["rows"] = json!(3), "feature \"tenure_months\": has 20000 values, but the table has 3 rows"),
        (|profile| profile["feature"] = json!(3), "unknown field `feature`, expected one of"),
    ];
    for (change, expected) in cases {
        let models = copy_models(&["churn"]);
        edit(&models.path().join("churn/1/profile.json"), change);
        let check = candor(&["check"]).arg(models.path()).output().expect("it ran");
        let told = String::from_utf8(check.stdout).expect("UTF-8");
        assert!(!check.status.success() && told.contains(expected), "{expected}\n{told}");
        assert!(told.contains("churn/1/profile.json: "), "{told}");
    }
}
