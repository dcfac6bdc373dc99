//! Inputs of Shapley coalitions: some features from the instance, the others from the baseline.

use candor::domain::{contract::Contract, json::JsonValue};
use serde_json::{Value, json};

use super::{admitted, compiled, signature};

fn contract() -> Contract {
    let signature = signature(
        &["numbers float32[?, 2]", "word string[?, 1]", "flag bool[?]", "list int64[?, ?]"],
        &["value float32[?, 1]"],
    );
    let document = json!({
        "type": "object", "required": ["a", "word", "flag", "list"], "additionalProperties": false,
        "properties": {
            "a": { "type": "number" },
            "b": { "type": ["number", "null"], "x-missing": "nan" },
            "word": { "type": "string" },
            "flag": { "type": "boolean" },
            "list": { "type": "array", "items": { "type": "integer" } },
        },
        "x-inputs": [
            { "tensor": "numbers", "features": ["a", "b"] }, { "tensor": "word", "features": ["word"] },
            { "tensor": "flag", "features": ["flag"] }, { "tensor": "list", "features": ["list"] },
        ],
        "x-output": { "task": "regression", "value": { "tensor": "value" } },
    });
    compiled(&document, &signature)
}

fn body(features: &Value) -> String {
    json!({ "features": features }).to_string()
}

#[test]
fn each_feature_is_taken_from_the_one_or_the_other() {
    let contract = contract();
    let one = json!([1.5, null, "one", true, [1, 2, 3]]);
    let other = json!([2.5, 7.0, "other", false, [9]]);
    let (from, to) = (admitted(&contract, &body(&one)).inputs, admitted(&contract, &body(&other)).inputs);
    assert_eq!(contract.differing_features(&from, &to), [0, 1, 2, 3, 4]);
    for mask in 0..32_usize {
        let taken = |feature: &usize| mask >> feature & 1 == 1;
        let mixed: Vec<&Value> =
            (0..5).map(|feature| if taken(&feature) { &other[feature] } else { &one[feature] }).collect();
        let expected = admitted(&contract, &body(&json!(mixed))).inputs;
        let found = contract.with_features_from(&from, &to, (0..5).filter(taken));
        // Compared as text, in which NaN equals NaN.
        assert_eq!(format!("{found:?}"), format!("{expected:?}"), "{mask:05b}");
    }
}

#[test]
fn features_that_are_alike_are_no_players() {
    let contract = contract();
    let usual = json!([1.5, null, "one", true, [1, 2, 3]]);
    let cases = [
        (json!([1.5, null, "one", true, [1, 2, 3]]), vec![]),
        (json!([1.5, 0.0, "one", true, [1, 2, 3]]), vec![1]),
        (json!([1.5, null, "One", false, [1, 2, 3]]), vec![2, 3]),
        (json!([1.5, null, "one", true, [1, 2]]), vec![4]),
        (json!([1.5, null, "one", true, [1, 2, 4]]), vec![4]),
    ];
    let baseline = admitted(&contract, &body(&usual)).inputs;
    for (instance, expected) in cases {
        let inputs = admitted(&contract, &body(&instance)).inputs;
        assert_eq!(contract.differing_features(&baseline, &inputs), expected, "{instance}");
        assert_eq!(contract.differing_features(&inputs, &baseline), expected, "{instance}");
    }
}

#[test]
fn a_long_text_is_shown_cut_in_an_explanation() {
    let contract = contract();
    let word = contract.features.iter().find(|feature| feature.name == "word").expect("the feature");
    let shown = |text: &str| word.display_value(Some(&JsonValue::Text(text.to_owned())));
    assert_eq!(shown("short"), JsonValue::Text("short".into()));
    assert_eq!(shown(&"é".repeat(5_000_000)), JsonValue::Text("é".repeat(64) + "…"));
}
