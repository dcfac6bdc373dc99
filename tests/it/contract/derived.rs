//! Contracts derived from a raw graph, and the example of every contract, which must satisfy its own contract.

use std::path::Path;

use candor::domain::{
    contract::{self, Contract, DerivedContract, ObservedOutputs, schema::compile},
    json::JsonValue,
    signature::Signature,
    tensor::{Buffer, Tensor},
};
use serde_json::{Value, json};

use super::{admit, compiled, signature, single};

/// A contract derived from the signature alone.
fn derive(title: &str, signature: &Signature) -> DerivedContract {
    contract::derive(title, signature, ObservedOutputs::NOTHING)
}

/// The example of a contract, sent as a request.
fn example_is_admitted(contract: &Contract, name: &str) {
    let features = serde_json::to_string(&contract.example()).expect("an example is JSON");
    let admitted = admit(contract, format!("{{\"features\": {features}}}").as_bytes());
    assert!(admitted.is_ok(), "{name}: {features}: {admitted:?}");
}

/// A row: inputs, outputs, the expected features with types and nesting, and the task.
type Row = (&'static [&'static str], &'static [&'static str], &'static str, &'static str);

const CLASSES: &[&str] = &["label int64[?]", "probabilities float32[?, 3]"];

#[test]
fn every_shape_of_a_bare_graph_is_derived() {
    let rows: &[Row] = &[
        (&["x float32[?, 4]"], CLASSES, "x_0 number, x_1 number, x_2 number, x_3 number", "classification"),
        (&["x float32[?, 2]"], &["label string[?]", "p zipmap[no, yes]"], "x_0 number, x_1 number", "classification"),
        (&["x float32[?, 1]"], &["p float32[?, 3]", "label int64[?, 1]"], "x number", "classification"),
        (&["x float64[?]"], &["y float32[?]"], "x number", "regression"),
        (&["x float32[?, 2]"], &["y float64[?, 1]"], "x_0 number, x_1 number", "regression"),
        (&["x int64[?, 2]"], &["y int64[?, 1]"], "x_0 integer, x_1 integer", "tensors"),
        (
            &["a float32[?, 1]", "b string[?, 1]", "c bool[?]", "d int32[?]"],
            CLASSES,
            "a number, b string, c boolean, d integer",
            "classification",
        ),
        (&["image float32[?, 2, 3]"], CLASSES, "image [2][3] number", "classification"),
        (&["image uint8[1, 2, 2, 3]"], &["e float32[1, 8]"], "image [2][2][3] integer", "tensors"),
        (&["tokens int64[?, ?]"], &["logits float32[?, ?, 9]"], "tokens [] integer", "tensors"),
        (&["rows float32[?, ?, 3]"], &["y float32[?, 1]"], "rows [][3] number", "regression"),
        (&["x float32[3]"], &["y float32[3]"], "x_0 number, x_1 number, x_2 number", "tensors"),
        (&["x float32[2, 2]"], &["y float32[1]"], "x [2][2] number", "regression"),
        (&["x float32[]"], &["y float32[1]", "z float32[1]"], "x number", "tensors"),
        (&["x float16[1, 2]"], &["label int64[1]", "p float16[1, 2]"], "x_0 number, x_1 number", "classification"),
        (&["x float32[?, 2]"], &["label int64[?]", "p zipmap[]"], "x_0 number, x_1 number", "tensors"),
    ];
    for (inputs, outputs, features, task) in rows {
        let signature = signature(inputs, outputs);
        let derived = derive("bare", &signature);
        let contract =
            compile(&derived.document, &signature).unwrap_or_else(|problems| panic!("{inputs:?}: {problems:#?}"));
        assert_eq!(described(&derived.document), *features, "{inputs:?}");
        assert_eq!(contract.output.task().as_str(), *task, "{inputs:?} {outputs:?}: {:?}", derived.notes);
        assert_eq!((contract.title.as_deref(), contract.full_validation_keywords.len()), (Some("bare"), 0));
        example_is_admitted(&contract, &format!("{inputs:?}"));
    }
}

/// The properties of a derived contract as text.
fn described(document: &JsonValue) -> String {
    let Some(JsonValue::Object(properties)) = document.get("properties") else { panic!("no properties") };
    let describe = |(name, schema): &(String, JsonValue)| {
        let (mut words, mut schema) = (format!("{name} "), schema);
        while let Some(items) = schema.get("items") {
            words += &schema.get("minItems").map_or_else(|| "[]".to_owned(), |size| format!("[{size}]"));
            schema = items;
        }
        let separator = if words.ends_with(']') { " " } else { "" };
        format!("{words}{separator}{}", schema.get("type").map_or_else(String::new, ToString::to_string))
    };
    properties.iter().map(describe).collect::<Vec<_>>().join(", ")
}

#[test]
fn the_notes_say_what_was_recognised() {
    let zipmap = signature(&["x float32[?, 2]"], &["label string[?]", "p zipmap[no, yes]"]);
    let notes = derive("bare", &zipmap).notes;
    assert!(notes[0].contains("ZipMap") && notes[0].contains("classes no, yes"), "{notes:?}");
    let contract = compile(&derive("bare", &zipmap).document, &zipmap).expect("it fits its own graph");
    assert_eq!(contract.output.classes(), ["no", "yes"]);
    let other = derive("bare", &signature(&["x float32[?, 2]"], &["e float32[?, 8, 8]"])).notes;
    assert!(other[0].contains("passed on as they are: e float32[?, 8, 8]"), "{other:?}");
}

/// Answers to four instances: one label and three scores each.
fn answers(labels: [&str; 4], scores: [[f32; 3]; 4]) -> Vec<Vec<Tensor>> {
    let row = |(label, scores): (&str, [f32; 3])| {
        vec![
            Tensor { shape: vec![1], buffer: Buffer::Text(vec![label.to_owned()]) },
            Tensor { shape: vec![1, 3], buffer: Buffer::F32(scores.to_vec()) },
        ]
    };
    labels.into_iter().zip(scores).map(row).collect()
}

#[test]
fn what_a_graph_answered_decides_what_its_outputs_mean() {
    const LISTS: fn() -> Vec<Vec<String>> = || {
        let list = |names: [&str; 3]| names.map(str::to_owned).to_vec();
        vec![list(["x", "y", "z"]), list(["a", "b", "c"])]
    };
    let signature = signature(&["x float32[?, 2]"], &["label string[?]", "probabilities float32[?, 3]"]);
    let likely = |class: usize| std::array::from_fn(|index| if index == class { 0.8 } else { 0.1 });
    let sound = [likely(0), likely(1), likely(1), likely(0)];
    let shifted = [[0.9, 0.2, 0.1], likely(1), likely(1), likely(0)];
    let cases = [
        ("listed", answers(["a", "b", "b", "a"], sound), Ok(["a", "b", "c"]), ""),
        ("not listed", answers(["p", "q", "q", "p"], sound), Ok(["p", "q", "2"]), "unknown names are replaced"),
        ("one astray", answers(["a", "b", "b", "b"], sound), Ok(["a", "b", "c"]), "in 1 of 4 instances"),
        ("a constant", answers(["a", "a", "a", "a"], sound), Err(()), "differs from the most likely class in"),
        ("no sum of 1", answers(["a", "b", "b", "a"], shifted), Err(()), "rows that sum to 1 to 1.2"),
        (
            "distances",
            answers(["b", "a", "a", "b"], [[2.0, 0.1, 5.0], [0.1, 2.0, 5.0], [0.2, 3.0, 4.0], [3.0, 0.2, 4.0]]),
            Err(()),
            "these are distances",
        ),
    ];
    for (name, rows, expected, note) in cases {
        let derived = contract::derive(
            "bare",
            &signature,
            ObservedOutputs { rows: &rows, class_lists: &LISTS, open_vectors: false },
        );
        let contract = compile(&derived.document, &signature).expect("it fits its own graph");
        let classes: Vec<&str> = contract.output.classes().iter().map(String::as_str).collect();
        assert_eq!(classes, expected.map_or(Vec::new(), |names| names.to_vec()), "{name}: {:?}", derived.notes);
        assert!(derived.notes.iter().any(|said| said.contains(note)), "{name}: {:?}", derived.notes);
    }
}

#[test]
fn a_bare_list_of_numbers_just_works() {
    let signature = signature(&["x float32[?, 4]"], CLASSES);
    let contract = compile(&derive("bare", &signature).document, &signature).expect("it fits its own graph");
    let admitted = super::admitted(&contract, r#"{"features": [0.5, 1.2, -0.3, 0.8]}"#);
    assert_eq!(format!("{:?}", admitted.inputs.tensors[0].buffer), "F32([0.5, 1.2, -0.3, 0.8])");
}

/// The graphs of the bundled models, as models/README.md describes them.
fn bundled() -> Vec<(&'static str, Signature)> {
    let graph = |name, inputs: &[&str], outputs: &[&str]| (name, signature(inputs, outputs));
    let churn = &["numeric float32[?, 5]", "plan string[?, 1]", "payment_method string[?, 1]", "autopay bool[?, 1]"];
    vec![
        graph("churn/1", churn, &["label int64[?]", "probabilities float32[?, 2]"]),
        graph("breast-cancer/1", &["measurements float32[?, 30]"], &["label int64[?]", "probabilities float32[?, 2]"]),
        graph("diabetes/1", &["measurements float64[?, 10]"], &["variable float64[?, 1]"]),
        graph("digits/1", &["image float32[?, 8, 8]"], &["label int64[?]", "probabilities float32[?, 10]"]),
        graph(
            "wine/1",
            &["measurements float32[?, 13]"],
            &["output_label string[?]", "output_probability zipmap[class_0, class_1, class_2]"],
        ),
        graph("wine/2", &["measurements float32[?, 13]"], &["label string[?]", "probabilities float32[?, 3]"]),
    ]
}

#[test]
fn the_bundled_contracts_admit_their_examples_and_golden_cases() {
    for (name, signature) in bundled() {
        let folder = Path::new("models").join(name);
        let read = |file: &str| std::fs::read_to_string(folder.join(file)).expect("a bundled file");
        let document: Value = serde_json::from_str(&read("contract.json")).expect("a contract is JSON");
        let contract = compiled(&document, &signature);
        assert_eq!(contract.full_validation_keywords, Vec::<String>::new(), "{name}");
        example_is_admitted(&contract, name);
        for example in document["examples"].as_array().into_iter().flatten() {
            let admitted = admit(&contract, json!({"features": example}).to_string().as_bytes());
            assert!(admitted.is_ok_and(|admitted| admitted.warnings.is_empty()), "{name}: {example}");
        }
        for line in read("golden.jsonl").lines() {
            let case: Value = serde_json::from_str(line).expect("a golden case is JSON");
            let admitted = admit(&contract, json!({"features": case["features"]}).to_string().as_bytes());
            assert!(admitted.is_ok(), "{name}: {line}: {admitted:?}");
        }
    }
}

#[test]
fn examples_keep_the_rules_that_they_can() {
    let cases = [
        (json!({"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.5}), "t float32[?]"),
        (json!({"type": "integer", "minimum": -9, "maximum": -3, "multipleOf": 4}), "t int64[?]"),
        (json!({"type": "integer", "multipleOf": 4, "x-expected": {"minimum": 1, "maximum": 2}}), "t int64[?]"),
        (json!({"type": "integer", "minimum": 3, "enum": [1, 2, 3, 4]}), "t int64[?]"),
        (json!({"type": "number", "enum": ["a", null, 2.5]}), "t float32[?]"),
        (json!({"type": "boolean", "const": true}), "t bool[?]"),
        (json!({"type": "string", "minLength": 9}), "t string[?]"),
        (json!({"type": "string", "maxLength": 2}), "t string[?]"),
        (json!({"type": "string", "minLength": 2, "enum": ["a", "bc"]}), "t string[?]"),
        (json!({"type": "string", "x-codes": {"a": 1}}), "t float32[?]"),
        (json!({"type": ["number", "null"], "x-missing": "nan", "minimum": 2.5}), "t float32[?]"),
        (json!({"type": "array", "items": {"type": "number", "minimum": 1}, "minItems": 6}), "t float32[?, ?]"),
        (json!({"type": "array", "items": {"type": "integer"}, "maxItems": 2}), "t int64[?, ?]"),
        (json!({"type": "array", "items": {"type": "string"}, "default": ["a", "b"]}), "t string[?, 2]"),
    ];
    for (schema, input) in cases {
        let (document, signature) = single(&schema, input);
        example_is_admitted(&compiled(&document, &signature), &schema.to_string());
    }
}
