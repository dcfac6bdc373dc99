//! Compares the one-pass admit with the standard: it accepts and rejects generated instances of generated contracts as
//! the `jsonschema` crate does (draft 2020-12), and for the same properties.
//!
//! The generator leaves out what the contract rejects on purpose beyond the standard: numbers that the tensor cannot
//! hold (numbers go into doubles), ragged arrays, lengths that the graph fixes but the schema leaves open, strings
//! without a code in `x-codes`, features without a `type`, duplicate keys, and the positional form, which JSON Schema
//! does not have.

mod rule;
mod strategy;

use std::{
    cell::Cell,
    collections::{BTreeSet, HashMap},
};

use candor::domain::{
    contract::{AdmitError, Admitted, Contract, InputHasher, schema::compile},
    float::Float,
    json::JsonValue,
    violation::MAX_LISTED,
};
use half::f16;
use jsonschema::{Validator, error::ValidationErrorKind};
use proptest::{
    prelude::*,
    test_runner::{FileFailurePersistence, TestCaseError, TestError, TestRunner},
};
use serde_json::Value;
use strategy::{Case, Edits};

/// Instances per contract.
const INSTANCES: usize = 32;

/// The number of contracts. With the instances this is some 75,000 pairs, less those that need full validation.
const CONTRACTS: u32 = 2_500;

fn config(cases: u32) -> ProptestConfig {
    let regressions = FileFailurePersistence::Direct("tests/it/proptest-regressions/differential.txt");
    ProptestConfig {
        cases,
        max_shrink_iters: 20_000,
        failure_persistence: Some(Box::new(regressions)),
        source_file: Some(file!()),
        ..ProptestConfig::default()
    }
}

/// Runs a test over generated contracts; a failure is reported after shrinking.
fn for_each_case(cases: u32, test: impl Fn(&Case, &[Edits]) -> Result<(), TestCaseError>) {
    let strategy = (strategy::case(), proptest::collection::vec(strategy::edits(), INSTANCES));
    match TestRunner::new(config(cases)).run(&strategy, |(case, edits)| test(&case, &edits)) {
        Ok(()) => {}
        Err(TestError::Fail(reason, (case, _))) => panic!("{reason}\ncontract: {}", case.document),
        Err(error) => panic!("{error}"),
    }
}

fn compiled(case: &Case) -> Contract {
    let document: JsonValue = serde_json::from_str(&case.document).expect("the generator writes JSON");
    compile(&document, &case.signature).unwrap_or_else(|problems| panic!("{problems:#?}\n{}", case.document))
}

fn admit(contract: &Contract, features: &str) -> Result<Admitted, AdmitError<serde_json::Error>> {
    let body = format!("{{\"features\": {features}}}");
    let mut deserializer = serde_json::Deserializer::from_str(&body);
    contract.admit(&mut deserializer)
}

/// The first component of a JSON Pointer, which here is a property's name.
fn first_step(pointer: &str) -> String {
    let steps = pointer.strip_prefix('/').expect("every violation here is in a property");
    steps.split('/').next().unwrap_or_default().replace("~1", "/").replace("~0", "~")
}

/// The properties that the one-pass plan rejects, and whether the list is complete.
fn by_plan(contract: &Contract, features: &str) -> (BTreeSet<String>, bool) {
    let violations = match admit(contract, features) {
        Ok(_) => return (BTreeSet::new(), true),
        Err(AdmitError::Violations(violations)) => violations,
        Err(AdmitError::Malformed(error)) => panic!("{error}: {features}"),
    };
    let faults = violations.first_n().iter().map(|violation| {
        first_step(violation.pointer.strip_prefix("/features").expect("all violations are in features"))
    });
    (faults.collect(), violations.total() <= MAX_LISTED)
}

/// The properties that JSON Schema rejects.
fn by_schema(validator: &Validator, features: &Value) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    for error in validator.iter_errors(features) {
        match error.kind() {
            ValidationErrorKind::AdditionalProperties { unexpected } => names.extend(unexpected.iter().cloned()),
            ValidationErrorKind::Required { property } => {
                names.insert(property.as_str().expect("a name is a string").to_owned());
            }
            _ => {
                names.insert(first_step(error.instance_path().as_str()));
            }
        }
    }
    names
}

/// Checks that both sides reject the same properties of an instance; returns how many.
fn compare(contract: &Contract, validator: &Validator, features: &str) -> Result<usize, String> {
    let value: Value = serde_json::from_str(features).map_err(|error| format!("{error}: {features}"))?;
    let (plan, whole) = by_plan(contract, features);
    let schema = by_schema(validator, &value);
    let agree = if whole { plan == schema } else { plan.is_subset(&schema) };
    if agree { Ok(schema.len()) } else { Err(format!("the plan refuses {plan:?}, JSON Schema {schema:?}: {features}")) }
}

fn validator(document: &str) -> Validator {
    let schema: Value = serde_json::from_str(document).expect("the generator writes JSON");
    jsonschema::draft202012::new(&schema).unwrap_or_else(|error| panic!("{error}: {document}"))
}

#[test]
fn the_one_pass_plan_agrees_with_json_schema() {
    let started = std::time::Instant::now();
    let (pairs, refused, deferred) = (Cell::new(0_usize), Cell::new(0_usize), Cell::new(0_u32));
    for_each_case(CONTRACTS, |case, edits| {
        let contract = compiled(case);
        if !contract.full_validation_keywords.is_empty() {
            deferred.set(deferred.get() + 1);
            return Ok(());
        }
        let validator = validator(&case.document);
        for edit in edits {
            let faults = compare(&contract, &validator, &case.instance(edit)).map_err(TestCaseError::fail)?;
            pairs.set(pairs.get() + 1);
            refused.set(refused.get() + usize::from(faults > 0));
        }
        Ok(())
    });
    let (pairs, refused, deferred) = (pairs.get(), refused.get(), deferred.get());
    println!("{pairs} pairs, {refused} rejected; {deferred} contracts need full validation; {:?}", started.elapsed());
    assert!(pairs >= 20_000, "only {pairs} pairs were compared");
    assert!(refused > pairs / 5 && refused < pairs * 4 / 5, "{refused} of {pairs} rejected: the test is unbalanced");
    assert!(deferred < CONTRACTS / 8, "{deferred} of {CONTRACTS} contracts need full validation");
}

/// Edges that a change broke once or easily could: the feature's schema, the values, and how many of them are rejected.
const EDGES: &[(&str, &str, &[&str], usize)] = &[
    (
        "a bound beyond 2^53 is exact",
        r#"{"type": "integer", "maximum": 9007199254740992}"#,
        &["9007199254740993", "9007199254740992", "9007199254740993.0"],
        1,
    ),
    (
        "a bound beyond 64 bits",
        r#"{"type": "number", "maximum": 18446744073709551616}"#,
        &["18446744073709551615", "1.8446744073709552e19", "1.8446744073709556e19"],
        1,
    ),
    (
        "whole is what has no fraction",
        r#"{"type": "integer"}"#,
        &["1.0", "1e3", "1e300", "-0.0", "-0", "1.5", "5e-324"],
        2,
    ),
    (
        "numbers are equal however written",
        r#"{"type": "number", "enum": [1.0, 100, -0.0]}"#,
        &["1", "1e2", "0", "100.0", "2"],
        1,
    ),
    ("true is not 1", r#"{"type": ["number", "boolean"], "enum": [1, false]}"#, &["1", "false", "true", "0"], 2),
    ("null must be listed too", r#"{"type": ["number", "null"], "x-missing": "nan", "enum": [1]}"#, &["1", "null"], 1),
    ("enum and const together", r#"{"type": "number", "enum": [1, 2, 3], "const": 2}"#, &["1", "2", "2.0", "3"], 2),
    (
        "a multiple of a large whole number",
        r#"{"type": "number", "multipleOf": 3}"#,
        &["9007199254740993", "9007199254740992", "-3.0", "1e300", "0.5"],
        2,
    ),
    (
        "bounds speak of numbers only",
        r#"{"type": ["number", "boolean"], "minimum": 5, "minLength": 9, "pattern": "x"}"#,
        &["true", "5", "4"],
        1,
    ),
    (
        "null in an array",
        r#"{"type": "array", "items": {"type": ["number", "null"], "minimum": 0}, "x-missing": "nan"}"#,
        &["[null]", "[0, null, -1]", "[]"],
        1,
    ),
    (
        "an item of an array beyond the longest",
        r#"{"type": "array", "items": {"type": "number"}, "maxItems": 2}"#,
        &["[1, 2]", "[1, 2, 3]", "[1, 2, \"a\"]"],
        2,
    ),
];

#[test]
fn named_edges_agree_too() {
    for (name, schema, values, expected) in EDGES {
        let document = format!(
            r#"{{"type": "object", "properties": {{"x": {schema}}}, "required": ["x"], "x-inputs": [{{"tensor": "t", "features": ["x"]}}],
            "x-output": {{"task": "tensors"}}}}"#
        );
        let case = strategy::Case::plain(document, if schema.contains("\"array\"") { 2 } else { 1 });
        let (contract, validator) = (compiled(&case), validator(&case.document));
        assert_eq!(contract.full_validation_keywords, Vec::<String>::new(), "{name}");
        let refused = values.iter().map(|value| compare(&contract, &validator, &format!("{{\"x\": {value}}}")));
        let refused: Vec<usize> = refused.collect::<Result<_, _>>().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(refused.iter().sum::<usize>(), *expected, "{name}: {refused:?}");
    }
}

/// What admit returned, in a form in which NaN equals NaN.
fn outcome(contract: &Contract, features: &str) -> Result<(String, String), usize> {
    match admit(contract, features) {
        Ok(admitted) => {
            Ok((format!("{:?}", admitted.inputs), InputHasher::new(contract, "sha256:generated").of(&admitted.inputs)))
        }
        Err(AdmitError::Violations(violations)) => Err(violations.total()),
        Err(AdmitError::Malformed(error)) => panic!("{error}: {features}"),
    }
}

#[test]
fn position_and_order_change_nothing() {
    let admitted = Cell::new(0_usize);
    for_each_case(100, |case, edits| {
        let contract = compiled(case);
        for edit in edits {
            let edit = edit.without_gaps();
            let named = outcome(&contract, &case.instance(&edit));
            let order: Vec<&str> = contract.features.iter().map(|feature| feature.name.as_str()).collect();
            let positional = outcome(&contract, &case.positional(&edit, &order));
            prop_assert_eq!(&positional, &named, "by position: {}", case.instance(&edit));
            let reversed = outcome(&contract, &case.instance(&edit.reversed()));
            prop_assert_eq!(&reversed, &named, "in reverse order: {}", case.instance(&edit));
            admitted.set(admitted.get() + usize::from(named.is_ok()));
        }
        Ok(())
    });
    assert!(admitted.get() > 500, "only {} instances were admitted", admitted.get());
}

#[test]
fn the_hash_is_equal_for_equal_inputs_only() {
    for_each_case(100, |case, edits| {
        let contract = compiled(case);
        let mut hashes = HashMap::new();
        let mut inputs = HashMap::new();
        for (tensors, hash) in edits.iter().filter_map(|edit| outcome(&contract, &case.instance(edit)).ok()) {
            prop_assert_eq!(hashes.entry(tensors.clone()).or_insert_with(|| hash.clone()), &hash, "{}", tensors);
            prop_assert_eq!(inputs.entry(hash).or_insert_with(|| tensors.clone()), &tensors);
        }
        Ok(())
    });
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn floats_read_back_to_the_same_bits(single in any::<u32>(), double in any::<u64>(), half in any::<u16>()) {
        let (single, double, half) = (f32::from_bits(single), f64::from_bits(double), f16::from_bits(half));
        if single.is_finite() {
            let text = serde_json::to_string(&Float::F32(single))?;
            prop_assert_eq!(serde_json::from_str::<f32>(&text)?.to_bits(), single.to_bits(), "{}", text);
        }
        if double.is_finite() {
            let text = serde_json::to_string(&Float::F64(double))?;
            prop_assert_eq!(serde_json::from_str::<f64>(&text)?.to_bits(), double.to_bits(), "{}", text);
        }
        if half.is_finite() {
            let text = serde_json::to_string(&Float::F16(half))?;
            prop_assert_eq!(f16::from_f64(serde_json::from_str(&text)?).to_bits(), half.to_bits(), "{}", text);
        }
    }
}
