//! Which changes of a contract break callers: a table.

use candor::domain::{
    comparison::{ContractSource, contract_changes},
    contract::compile,
    json::JsonValue,
    signature::{OutputSpec, Signature, TensorSpec},
    tensor::ElementType,
};
use serde_json::{Value, json};

/// A contract with numbers in one tensor and a text in another.
fn base() -> Value {
    json!({
        "type": "object",
        "properties": {
            "age": { "type": ["integer", "null"], "minimum": 0, "maximum": 130, "x-missing": "nan" },
            "charge": { "type": "number", "exclusiveMinimum": 0, "x-unit": "EUR" },
            "months": { "type": "integer", "enum": [1, 12, 24], "default": 1 },
            "plan": { "type": "string", "enum": ["basic", "plus"] },
        },
        "required": ["charge", "plan"],
        "additionalProperties": false,
        "x-inputs": [
            { "tensor": "x", "features": ["age", "charge", "months"] },
            { "tensor": "plan", "features": ["plan"] },
        ],
        "x-output": { "task": "classification", "classes": ["stay", "churn"], "probabilities": { "tensor": "p" } },
    })
}

/// The signature of a graph that the contract fits.
fn signature(contract: &Value) -> Signature {
    let inputs = contract["x-inputs"].as_array().expect("inputs").iter().map(|input| {
        let name = input["tensor"].as_str().expect("a name");
        let element = if name == "x" { ElementType::F32 } else { ElementType::Text };
        TensorSpec { name: name.into(), element, shape: vec![None, input["features"].as_array().map(Vec::len)] }
    });
    let output = |name: &str, width: Option<usize>| {
        OutputSpec::Tensor(TensorSpec { name: name.into(), element: ElementType::F32, shape: vec![None, width] })
    };
    let classes = contract["x-output"]["classes"].as_array().map_or(2, Vec::len);
    Signature { inputs: inputs.collect(), outputs: vec![output("p", Some(classes)), output("y", Some(1))] }
}

/// The changes as lines: `!` for breaking, then the subject and what changed.
fn changes(old: &Value, new: &Value) -> Vec<String> {
    let compiled = |contract: &Value| {
        let document: JsonValue = serde_json::from_value(contract.clone()).expect("JSON");
        let compiled = compile(&document, &signature(contract)).unwrap_or_else(|problems| panic!("{problems:?}"));
        (compiled, document)
    };
    let (old, new) = (compiled(old), compiled(new));
    let found = contract_changes(
        ContractSource { contract: &old.0, document: &old.1 },
        ContractSource { contract: &new.0, document: &new.1 },
    );
    let line = |breaking: bool| if breaking { "!" } else { " " };
    found.iter().map(|change| format!("{}{}: {}", line(change.breaking), change.subject, change.detail)).collect()
}

type Edit = fn(&mut Value);

/// The edit, and what it changes; the other direction is the second list.
const CASES: &[(Edit, &[&str], &[&str])] = &[
    (|_| {}, &[], &[]),
    (|c| c["title"] = json!("another"), &[], &[]),
    (|c| c["properties"]["age"]["description"] = json!("in years"), &[], &[]),
    (
        |c| c["properties"]["age"]["maximum"] = json!(120),
        &["!age: range narrowed to ≥ 0, ≤ 120, was ≥ 0, ≤ 130"],
        &[" age: range widened to ≥ 0, ≤ 130, was ≥ 0, ≤ 120"],
    ),
    (
        |c| c["properties"]["charge"] = json!({ "type": "number", "minimum": 0, "x-unit": "EUR" }),
        &[" charge: range widened to ≥ 0, was > 0"],
        &["!charge: range narrowed to > 0, was ≥ 0"],
    ),
    (
        |c| {
            c["properties"]["age"] = json!({ "type": "integer", "minimum": -1, "maximum": 120 });
            c["required"] = json!(["age", "charge", "plan"]);
        },
        &[
            "!age: integer, was integer or null",
            "!age: range narrowed to ≥ -1, ≤ 120, was ≥ 0, ≤ 130",
            "!age: required, was optional: a request without it is refused",
        ],
        &[
            " age: integer or null, was integer",
            "!age: range narrowed to ≥ 0, ≤ 130, was ≥ -1, ≤ 120",
            " age: optional, was required",
        ],
    ),
    (
        |c| c["properties"]["age"]["type"] = json!(["number", "null"]),
        &[" age: number or null, was integer or null"],
        &["!age: integer or null, was number or null"],
    ),
    (
        |c| c["properties"]["plan"]["enum"] = json!(["basic", "family"]),
        &["!plan: no longer accepts plus; also accepts family"],
        &["!plan: no longer accepts family; also accepts plus"],
    ),
    (
        |c| c["properties"]["plan"]["enum"] = json!(["plus", "basic", "family"]),
        &[" plan: also accepts family"],
        &["!plan: no longer accepts family"],
    ),
    (
        |c| c["properties"]["plan"] = json!({ "type": "string" }),
        &[" plan: any value is accepted, was one of basic, plus"],
        &["!plan: must be one of basic, plus; any value was accepted"],
    ),
    (
        |c| {
            c["required"] = json!(["plan"]);
            c["properties"]["charge"]["default"] = json!(1.5);
        },
        &[" charge: optional, was required", " charge: default 1.5, was none"],
        &["!charge: required, was optional: a request without it is refused", " charge: default none, was 1.5"],
    ),
    (
        |c| c["properties"]["months"]["default"] = json!(12),
        &[" months: default 12, was 1"],
        &[" months: default 1, was 12"],
    ),
    (
        |c| c["properties"]["charge"]["x-unit"] = json!("USD"),
        &["!charge: unit USD, was EUR: a value means something else"],
        &["!charge: unit EUR, was USD: a value means something else"],
    ),
    (
        |c| c["properties"]["age"]["x-unit"] = json!("year"),
        &[" age: unit year, it had none"],
        &["!age: unit none, was year: a value means something else"],
    ),
    (
        |c| c["properties"]["age"]["x-expected"] = json!({ "minimum": 18, "maximum": 95 }),
        &[" age: expected from 18 to 95, was any value: other values cause a warning"],
        &[" age: expected any value, was from 18 to 95: other values cause a warning"],
    ),
    (
        |c| c["properties"]["age"]["x-sensitive"] = json!(true),
        &[" age: its values are no longer shown"],
        &[" age: its values may be shown"],
    ),
    (
        |c| c["additionalProperties"] = json!(true),
        &[" contract: features that it does not have are ignored; they were refused"],
        &["!contract: features that it does not have are refused; they were ignored"],
    ),
    (
        |c| {
            c["properties"]["region"] = json!({ "type": "integer", "default": 0 });
            c["x-inputs"][0]["features"] = json!(["age", "charge", "months", "region"]);
        },
        &[" region: added, optional, an integer; callers that send features by position must add it"],
        &["!region: removed: a request that has it is refused"],
    ),
    (
        |c| {
            c["properties"]["region"] = json!({ "type": "integer" });
            c["required"] = json!(["charge", "plan", "region"]);
            c["x-inputs"][0]["features"] = json!(["age", "charge", "months", "region"]);
        },
        &["!region: added, required, an integer: a request without it is refused"],
        &["!region: removed: a request that has it is refused"],
    ),
    (
        |c| {
            c["properties"]["plan"] =
                json!({ "type": "string", "enum": ["basic", "plus"], "maxLength": 5, "pattern": "^[a-z]+$" });
        },
        &["!plan: 0 to 5 characters, was 0 to any number", "!plan: pattern ^[a-z]+$, was none"],
        &[" plan: 0 to any number characters, was 0 to 5", " plan: pattern none, was ^[a-z]+$"],
    ),
    (
        |c| c["properties"]["age"]["multipleOf"] = json!(5),
        &["!age: multiple of 5, was any"],
        &[" age: multiple of any, was 5"],
    ),
    (
        |c| c["properties"]["age"]["not"] = json!({ "const": 99 }),
        &["!contract: /properties/age/not added: what it refuses cannot be compared"],
        &[" contract: /properties/age/not removed"],
    ),
    (
        |c| c["x-output"]["classes"] = json!(["churn", "stay"]),
        &[" output: classes in another order: churn, stay"],
        &[" output: classes in another order: stay, churn"],
    ),
    (
        |c| c["x-output"]["classes"] = json!(["stay", "churn", "pause"]),
        &["!output: may answer pause"],
        &["!output: never answers pause"],
    ),
    (
        |c| c["x-output"] = json!({ "task": "regression", "value": { "tensor": "y" }, "unit": "EUR" }),
        &["!output: task regression, was classification"],
        &["!output: task classification, was regression"],
    ),
];

#[test]
fn each_change_breaks_callers_or_does_not() {
    for (edit, forth, back) in CASES {
        let mut edited = base();
        edit(&mut edited);
        assert_eq!(changes(&base(), &edited), *forth);
        assert_eq!(changes(&edited, &base()), *back);
    }
}

#[test]
fn features_that_change_places_break_callers_by_position() {
    let mut moved = base();
    moved["x-inputs"][0]["features"] = json!(["age", "months", "charge"]);
    let found = changes(&base(), &moved);
    let expected =
        "!contract: the order by position changed from months on: a request by position feeds the wrong features";
    assert_eq!(found, [expected]);
}

#[test]
fn units_and_thresholds_of_the_output() {
    let output = |of: Value| {
        let mut contract = base();
        contract["x-output"] = of;
        contract
    };
    let value = |unit: Value| output(json!({ "task": "regression", "value": { "tensor": "y" }, "unit": unit }));
    assert_eq!(changes(&value(json!("EUR")), &value(json!("USD"))), ["!output: unit USD, was EUR"]);
    let mut threshold = base();
    threshold["x-output"]["positive"] = json!("churn");
    threshold["x-output"]["threshold"] = json!(0.3);
    let expected = " output: predicts \"churn\" from a probability of 0.3, was the most likely class";
    assert_eq!(changes(&base(), &threshold), [expected]);
}
