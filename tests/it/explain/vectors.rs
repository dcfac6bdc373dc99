//! Comparison with the `shap` package on bundled models: see `tests/vectors/explanation/make_vectors.py`.

use std::fs;

use serde_json::Value;

use super::{contributions, explainable, explained, number, profile, sum};
use crate::support::paths::root;

/// The allowed difference of two estimates, in combined standard errors. There are fewer than a hundred contributions,
/// and fixed seeds make them the same in every run.
const ERRORS_APART: f64 = 4.5;

/// An effect that occurs in few orders may be missing from the sampled ones: this share of the range may go unseen.
const RARE: f64 = 5e-4;

fn cases() -> Vec<Value> {
    let text = fs::read_to_string(root().join("tests/vectors/explanation/vectors.json")).expect("the vectors");
    let vectors: Value = serde_json::from_str(&text).expect("JSON");
    vectors["cases"].as_array().expect("cases").clone()
}

fn check(model: &str, method: &str) {
    let cases: Vec<Value> = cases().into_iter().filter(|case| case["model"] == model).collect();
    assert!(cases.len() >= 2, "{model}");
    for case in &cases {
        let root = explainable(model, Some(&profile(&case["baseline"])), "max_explain_rows = 16000\n");
        let answer = explained(root.path(), &case["features"]);
        assert_eq!(answer["warnings"], serde_json::json!([]), "{model}");
        let explanation = &answer["explanation"];
        assert_eq!((explanation["method"].as_str(), &explanation["complete"]), (Some(method), &Value::Bool(true)));
        let near = |found: f64, expected: f64, error: f64| {
            (found - expected).abs() <= number(&case["tolerance"]) * expected.abs().max(1.0) + ERRORS_APART * error
        };
        assert!(near(number(&explanation["base_value"]), number(&case["base_value"]), 0.0), "{model}: {explanation}");
        let expected = case["contributions"].as_object().expect("contributions");
        assert_eq!(contributions(explanation).len(), expected.len());
        for entry in contributions(explanation) {
            let feature = entry["feature"].as_str().expect("a name");
            let (own, theirs) = (number(&entry["standard_error"]), number(&case["standard_errors"][feature]));
            let (found, expected) = (number(&entry["contribution"]), number(&expected[feature]));
            let rare = if method == "shapley-exact" { 0.0 } else { RARE / ERRORS_APART };
            assert!(
                near(found, expected, own.hypot(theirs) + rare),
                "{model}: {feature}: {found} ± {own}, not {expected}"
            );
        }
        let explained = match answer["prediction"].as_str() {
            Some(class) => number(&answer["probabilities"][class]),
            None => number(&answer["prediction"]),
        };
        let total = number(&explanation["base_value"]) + sum(explanation);
        assert!((total - explained).abs() <= 1e-6 * explained.abs().max(1.0), "{model}: {total}, not {explained}");
    }
}

#[test]
fn ten_numbers_exactly() {
    check("diabetes/1", "shapley-exact");
}

#[test]
fn texts_defaults_and_missing_values_exactly() {
    check("churn/1", "shapley-exact");
}

#[test]
fn thirteen_features_by_sampling_are_near_the_exact_values() {
    check("wine/2", "shapley-permutation");
}

#[test]
fn thirty_features_by_sampling_are_near_another_sample() {
    check("breast-cancer/1", "shapley-permutation");
}
