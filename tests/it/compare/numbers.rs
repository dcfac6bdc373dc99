//! The numbers of a comparison equal those of an independent computation (tests/vectors/comparison).

use std::fs;

use serde_json::Value;

use super::{CHURN, DIABETES, WINE, compare_json};
use crate::support::paths::root;

fn vectors() -> Value {
    let text = fs::read_to_string(root().join("tests/vectors/comparison/vectors.json")).expect("vectors");
    serde_json::from_str(&text).expect("JSON")
}

/// Responses hold probabilities as float32; numpy computed in float64.
const TOLERANCE: f64 = 2e-6;

fn near(found: &Value, expected: &Value, place: &str) {
    match (found, expected) {
        (found, Value::Object(members)) => {
            for (name, expected) in members {
                near(&found[name], expected, &format!("{place}/{name}"));
            }
        }
        (Value::Number(found), Value::Number(expected)) => {
            let (found, expected) = (found.as_f64().expect("finite"), expected.as_f64().expect("finite"));
            assert!(
                (found - expected).abs() <= TOLERANCE * expected.abs().max(1.0),
                "{place}: {found}, not {expected}"
            );
        }
        (found, expected) => assert_eq!(found, expected, "{place}"),
    }
}

/// Compares statistics with a vector. A mean that neither version has is left out.
fn check(statistics: &Value, expected: &Value, place: &str) {
    for (name, expected) in expected.as_object().expect("an object") {
        let place = format!("{place}/{name}");
        match name.as_str() {
            "classes" => {
                for found in statistics["classes"].as_array().expect("classes") {
                    let class = found["class"].as_str().expect("a class");
                    near(&found["difference"], &expected[class], &format!("{place}/{class}"));
                }
            }
            _ if expected["old"].is_null() && expected.is_object() && expected.get("old").is_some() => {
                assert!(statistics.get(name).is_none(), "{place}");
            }
            _ => near(&statistics[name], expected, &place),
        }
    }
}

#[test]
fn the_numbers_are_those_of_numpy() {
    let vectors = vectors();
    for (model, data, target) in
        [("wine", WINE, "target"), ("diabetes", DIABETES, "target"), ("churn", CHURN, "churned")]
    {
        let (old, new) = (format!("models/{model}/1"), format!("models/{model}/2"));
        let found = compare_json(&[&old, &new, "--data", data, "--target", target], 0);
        check(&found["comparison"]["whole"], &vectors[model], model);
    }
    let arguments = ["models/churn/1", "models/churn/2", "--data", CHURN, "--target", "churned", "--slice", "plan"];
    let found = compare_json(&arguments, 0);
    let slices = found["comparison"]["slices"].as_array().expect("slices");
    assert_eq!(slices.len(), 3);
    for slice in slices {
        let plan = slice["value"].as_str().expect("a plan");
        check(&slice["statistics"], &vectors["churn by plan"][plan], plan);
    }
}

#[test]
fn swapped_versions_swap_the_numbers() {
    let with = |old: &str, new: &str| {
        let arguments = [old, new, "--data", WINE, "--target", "target"];
        compare_json(&arguments, 0)["comparison"]["whole"].clone()
    };
    let (forth, back) = (with("models/wine/1", "models/wine/2"), with("models/wine/2", "models/wine/1"));
    for name in ["accuracy", "log_loss", "uncertainty"] {
        assert_eq!((&forth[name]["old"], &forth[name]["new"]), (&back[name]["new"], &back[name]["old"]), "{name}");
    }
    assert_eq!((&forth["right_only_new"], &forth["classes"]), (&back["right_only_old"], &back["classes"]));
    let same = with("models/wine/1", "models/wine/1");
    assert_eq!((&same["disagreements"], &same["right_only_new"]), (&Value::from(0), &Value::from(0)));
}
