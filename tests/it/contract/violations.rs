//! Every code in `errors`, with pointer and message; which values are quoted, how much of them, and which never are.

use std::collections::BTreeSet;

use candor::domain::{
    contract::Contract,
    violation::{MAX_LISTED, ViolationCode},
};
use serde_json::json;

use super::{admitted, compiled, listed, refused, signature, single};

fn contract() -> Contract {
    let signature = signature(
        &[
            "numeric float32[?, 5]",
            "plan string[?]",
            "code string[?, 1]",
            "image float32[?, 2, 2]",
            "autopay bool[?, 1]",
            "secret string[?]",
        ],
        &["probabilities float32[?, 2]", "label int64[?]"],
    );
    let pixel = json!({"type": "number", "minimum": 0, "maximum": 16});
    let row = json!({"type": "array", "items": pixel, "minItems": 2, "maxItems": 2});
    let document = json!({
        "type": "object",
        "properties": {
            "tenure_months": {"type": "integer", "minimum": 0, "maximum": 720, "x-unit": "month", "x-expected": {"minimum": 0, "maximum": 240}},
            "monthly_charge": {"type": "number", "exclusiveMinimum": 0, "x-unit": "EUR"},
            "contract_months": {"type": "integer", "enum": [1, 12, 24], "default": 1, "x-unit": "month"},
            "step": {"type": "number", "multipleOf": 5, "default": 0, "exclusiveMaximum": 100},
            "age": {"type": ["number", "null"], "minimum": 0, "maximum": 130, "x-unit": "year", "x-missing": "nan", "x-sensitive": true, "x-expected": {"maximum": 95}},
            "plan": {"type": "string", "enum": ["basic", "plus", "business"]},
            "code": {"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^[A-Z]+$", "default": "AB"},
            "image": {"type": "array", "items": row, "minItems": 2, "maxItems": 2, "default": [[0, 0], [0, 0]]},
            "autopay": {"type": "boolean", "default": false},
            "secret": {"type": "string", "maxLength": 4, "default": "", "x-sensitive": true},
        },
        "required": ["tenure_months", "monthly_charge", "plan"],
        "additionalProperties": false,
        "x-inputs": [
            {"tensor": "numeric", "features": ["tenure_months", "monthly_charge", "contract_months", "step", "age"]},
            {"tensor": "plan", "features": ["plan"]},
            {"tensor": "code", "features": ["code"]},
            {"tensor": "image", "features": ["image"]},
            {"tensor": "autopay", "features": ["autopay"]},
            {"tensor": "secret", "features": ["secret"]},
        ],
        "x-output": {"task": "classification", "classes": ["stay", "churn"], "probabilities": {"tensor": "probabilities"}, "label": {"tensor": "label"}},
    });
    compiled(&document, &signature)
}

/// The violations of several bodies, one per line; their codes are added to `codes`.
fn lines(bodies: &[&str], codes: &mut BTreeSet<&'static str>) -> String {
    let contract = contract();
    let texts = bodies.iter().map(|body| {
        let violations = refused(&contract, body);
        codes.extend(violations.first_n().iter().map(|violation| violation.code.as_str()));
        listed(&violations)
    });
    texts.collect::<Vec<_>>().join("\n\n")
}

const GOOD: &str = r#""tenure_months": 4, "monthly_charge": 79.5, "plan": "basic""#;

fn with(features: &str) -> String {
    format!("{{\"features\": {{{GOOD}, {features}}}}}")
}

/// Violations next to the features, and in the positional form.
fn around(codes: &mut BTreeSet<&'static str>) {
    let found = lines(
        &[
            "[1]",
            "7",
            "{}",
            r#"{"features": "basic", "entity_id": 1.5, "explain": 1, "feature": 1}"#,
            r#"{"features": [4], "features": {}, "entity_id": [], "explain": null, "a/b": {}}"#,
            r#"{"tenure_months": 4}"#,
            r#"{"features": [4, 79.5, 2, 0, null, "basic", "AB", [[1, 2], [3, true]], false, "", 11]}"#,
        ],
        codes,
    );
    insta::assert_snapshot!(found, @r#"
     | wrong_type | the body must be an object with the member "features"; got an array

     | wrong_type | the body must be an object with the member "features"; got a number

    /features | missing | features is required

    /features | wrong_type | features must be an object by name, or an array by position; got a string
    /entity_id | wrong_type | entity_id must be an integer, or a string of at most 256 characters; got a number that is not an integer
    /explain | wrong_type | explain must be true or false; got a number
    /feature | unknown_feature | the body has no member "feature"; did you mean "features"?

    /features | wrong_length | features by position must have 10 elements, one per feature; got 1
    /features | duplicate | features appears twice
    /entity_id | wrong_type | entity_id must be an integer, or a string of at most 256 characters; got an array
    /explain | wrong_type | explain must be true or false; got null
    /a~1b | unknown_feature | the body has no member "a/b"

    /tenure_months | unknown_feature | the body has no member "tenure_months"; it belongs inside "features"
    /features | missing | features is required

    /features/2 | not_in_enum | contract_months must be one of 1, 12, 24 (month); got 2
    /features/7/1/1 | wrong_type | image must be a number; got true
    /features | wrong_length | features by position must have 10 elements, one per feature; got 11
    "#);
}

/// Arrays of open length can be ragged; arrays of fixed length cannot without a wrong length.
fn ragged(codes: &mut BTreeSet<&'static str>) {
    let rows = json!({"type": "array", "items": {"type": "array", "items": {"type": "number"}}});
    let (document, signature) = single(&rows, "t float32[?, ?, ?]");
    let ragged = refused(&compiled(&document, &signature), r#"{"features": {"x": [[1, 2], [3], [4, 5]]}}"#);
    codes.extend(ragged.first_n().iter().map(|violation| violation.code.as_str()));
    insta::assert_snapshot!(listed(&ragged), @"/features/x/1 | wrong_shape | x must be rectangular: 2 elements before, 1 here");
}

#[test]
fn every_code_has_its_words() {
    let mut codes = BTreeSet::new();
    let scalars = lines(
        &[
            r#"{"features": {"plan": "pro", "tenure_months": -1, "autopay": "yes", "nobody": 1, "paln": "x"}}"#,
            r#"{"features": {"plan": null, "tenure_months": 721.5, "monthly_charge": 0, "contract_months": 3, "step": 101}}"#,
            r#"{"features": {"plan": "basic", "plan": "plus", "tenure_months": 800, "monthly_charge": 1e39, "code": "a"}}"#,
            &with(r#""code": "ABCDEFG", "step": [1], "contract_months": {"a": [1]}"#),
        ],
        &mut codes,
    );
    insta::assert_snapshot!(scalars, @r#"
    /features/plan | not_in_enum | plan must be one of basic, plus, business; got "pro"
    /features/tenure_months | below_minimum | tenure_months must be at least 0 (month); got -1
    /features/autopay | wrong_type | autopay must be a boolean; got "yes"
    /features/nobody | unknown_feature | the contract has no feature "nobody"
    /features/paln | unknown_feature | the contract has no feature "paln"; did you mean "plan"?
    /features/monthly_charge | missing | monthly_charge is required

    /features/plan | null_not_allowed | plan cannot be null; it must be one of basic, plus, business; got null
    /features/tenure_months | wrong_type | tenure_months must be an integer (month); got 721.5
    /features/monthly_charge | below_minimum | monthly_charge must be above 0 (EUR); got 0
    /features/contract_months | not_in_enum | contract_months must be one of 1, 12, 24 (month); got 3
    /features/step | above_maximum | step must be below 100; got 101
    /features/step | not_multiple | step must be a multiple of 5; got 101

    /features/plan | duplicate | plan appears twice
    /features/tenure_months | above_maximum | tenure_months must be at most 720 (month); got 800
    /features/monthly_charge | not_representable | monthly_charge must fit the model's tensor of float32 (EUR); got 1e39
    /features/code | too_short | code must have at least 2 characters; got "a"
    /features/code | pattern_mismatch | code must match the pattern ^[A-Z]+$; got "a"

    /features/code | too_long | code must have at most 4 characters; got "ABCDEFG"
    /features/step | wrong_type | step must be a number; got an array
    /features/contract_months | wrong_type | contract_months must be one of 1, 12, 24; got an object
    "#);
    let arrays = lines(
        &[
            &with(r#""image": [[1, 2, 3], [4]]"#),
            &with(r#""image": [[1, 17], ["a", null]]"#),
            &with(r#""image": [1, [[2], {}]]"#),
            &with(r#""image": 7"#),
            &with(r#""image": null"#),
            &with(r#""image": {"0": [1, 2]}"#),
        ],
        &mut codes,
    );
    insta::assert_snapshot!(arrays, @r#"
    /features/image/0 | wrong_length | image must have 2 elements here; got 3
    /features/image/1 | wrong_length | image must have 2 elements here; got 1

    /features/image/0/1 | above_maximum | image must be at most 16; got 17
    /features/image/1/0 | wrong_type | image must be a number; got "a"
    /features/image/1/1 | null_not_allowed | image cannot be null; it must be a number; got null

    /features/image/0 | wrong_shape | image must be nested 2 levels deep; got 1 here
    /features/image/1/0 | wrong_shape | image must be nested only 2 levels deep; got an array here
    /features/image/1/1 | wrong_type | image must not contain objects

    /features/image | wrong_type | image must be an array; got 7

    /features/image | null_not_allowed | image cannot be null; it must be an array

    /features/image | wrong_type | image must be an array; got an object
    "#);
    around(&mut codes);
    ragged(&mut codes);
    let all: BTreeSet<&str> =
        ViolationCode::ALL.iter().map(|code| code.as_str()).filter(|code| *code != "schema_violation").collect();
    assert_eq!(codes, all, "only the full validation reports `schema_violation`");
}

#[test]
fn sensitive_values_are_never_quoted() {
    let bodies = [
        with(r#""age": 130.77"#),
        with(r#""age": "seventy77""#),
        with(r#""secret": "hush77hush""#),
        with(r#""secret": ["hush77"]"#),
        with(r#""secret": {"hush77": 1}"#),
        with(r#""secret": 77"#),
    ];
    let mut all = String::new();
    for body in &bodies {
        all += &listed(&refused(&contract(), body));
        all.push('\n');
    }
    assert!(!all.contains("77"), "{all}");
    insta::assert_snapshot!(all, @"
    /features/age | above_maximum | age must be at most 130 (year); got a value that is not shown
    /features/age | wrong_type | age must be a number or null; got a value that is not shown
    /features/secret | too_long | secret must have at most 4 characters; got a value that is not shown
    /features/secret | wrong_type | secret must be a string; got an array
    /features/secret | wrong_type | secret must be a string; got an object
    /features/secret | wrong_type | secret must be a string; got a value that is not shown
    ");
    let warned = admitted(&contract(), &with(r#""age": 97.77, "secret": "77""#));
    assert!(!format!("{:?}", warned.warnings).contains("77"), "{:?}", warned.warnings);
    let twice = super::admit(&contract(), with(r#""secret": {"hush77": 1, "hush77": 2}"#).as_bytes());
    assert!(!format!("{twice:?}").contains("77"), "{twice:?}");
}

#[test]
fn long_values_are_cut() {
    let long = "é".repeat(100_000);
    let violations =
        refused(&contract(), &format!("{{\"features\": {{\"plan\": \"{long}\", \"{long}\": 1, {GOOD}}}}}"));
    let quoted = "é".repeat(64) + "…";
    for violation in violations.first_n().iter().filter(|violation| violation.detail.contains('é')) {
        assert!(violation.detail.contains(&quoted) && violation.detail.len() < 300, "{}", violation.detail);
    }
    assert_eq!(violations.total(), 3);
    let control = refused(&contract(), &with(r#""code": "\u0000\u001b[31m\n\u202e""#));
    insta::assert_snapshot!(listed(&control), @r#"
    /features/code | too_long | code must have at most 4 characters; got "\0\u{1b}[31m\n\u{202e}"
    /features/code | pattern_mismatch | code must match the pattern ^[A-Z]+$; got "\0\u{1b}[31m\n\u{202e}"
    "#);
}

#[test]
fn violations_beyond_the_list_are_counted() {
    let strangers: Vec<String> = (0..1_000).map(|index| format!("\"stranger {index}\": {index}")).collect();
    let violations = refused(&contract(), &with(&strangers.join(", ")));
    assert_eq!((violations.first_n().len(), violations.total()), (MAX_LISTED, 1_000));
    let (document, signature) = single(
        &json!({"type": "array", "items": {"type": "number"}, "minItems": 50, "maxItems": 50}),
        "t float32[?, 50]",
    );
    let body = format!("{{\"features\": {{\"x\": {}}}}}", json!(vec!["a"; 50]));
    let violations = refused(&compiled(&document, &signature), &body);
    assert_eq!((violations.first_n().len(), violations.total()), (MAX_LISTED, 50));
}

#[test]
fn warnings_do_not_refuse() {
    let warnings =
        admitted(&contract(), &with(r#""age": 96.5"#).replace("\"tenure_months\": 4", "\"tenure_months\": 241"))
            .warnings;
    let lines: Vec<String> = warnings
        .iter()
        .map(|warning| {
            let sent = serde_json::to_value(warning).expect("JSON");
            ["pointer", "code", "detail"].map(|member| sent[member].as_str().expect("a text").to_owned()).join(" | ")
        })
        .collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    /features/tenure_months | outside_expected | tenure_months is usually at most 240; got 241
    /features/age | outside_expected | age is usually at most 95; got a value that is not shown
    ");
    let (mut document, signature) = single(&json!({"type": "number"}), "t float32[?]");
    document["additionalProperties"] = json!(true);
    let open = compiled(&document, &signature);
    let strangers: Vec<String> = (0..1_000).map(|index| format!("\"stranger {index}\": {index}")).collect();
    let warnings =
        admitted(&open, &format!("{{\"features\": {{\"x\": 1, \"X\": 2, {}}}}}", strangers.join(", "))).warnings;
    assert_eq!(warnings.len(), MAX_LISTED);
    insta::assert_snapshot!(warnings[0].detail, @r#""X" is not a feature of the contract and was ignored; did you mean "x"?"#);
}
