//! Everything that makes a contract invalid: one row per problem, with its location and a phrase of the message.

use candor::domain::signature::Signature;
use serde_json::{Value, json};

use super::{problems, signature, single};

/// In an edit: remove the member.
pub(super) const REMOVED: &str = "(removed)";

pub(super) fn base() -> (Value, Signature) {
    let signature = signature(
        &["numeric float32[?, 2]", "plan string[?, 1]", "count int64[?]"],
        &[
            "probabilities float32[?, 2]",
            "label int64[?]",
            "image float32[?, 3, 3]",
            "score float32[?, 1]",
            "words string[?, 2]",
        ],
    );
    let document = json!({
        "type": "object",
        "properties": {
            "age": {"type": "number"}, "charge": {"type": "number", "minimum": 0},
            "plan": {"type": "string"}, "calls": {"type": "integer"},
        },
        "required": ["age", "charge", "plan", "calls"],
        "x-inputs": [
            {"tensor": "numeric", "features": ["age", "charge"]},
            {"tensor": "plan", "features": ["plan"]},
            {"tensor": "count", "features": ["calls"]},
        ],
        "x-output": {"task": "classification", "classes": ["stay", "churn"], "probabilities": {"tensor": "probabilities"}},
    });
    (document, signature)
}

/// Sets or removes the member at a JSON Pointer.
pub(super) fn edit(document: &mut Value, pointer: &str, value: Value) {
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer");
    match document.pointer_mut(parent).expect("the parent is there") {
        Value::Object(members) if value == REMOVED => drop(members.shift_remove(key)),
        Value::Object(members) => drop(members.insert(key.to_owned(), value)),
        Value::Array(items) => match key.parse::<usize>() {
            Ok(index) if value == REMOVED => drop(items.remove(index)),
            Ok(index) => items[index] = value,
            Err(_) => items.push(value),
        },
        other => panic!("{other} has no members"),
    }
}

pub(super) type Row = (&'static str, Value, &'static str, &'static str);

/// Each row changes one place of a valid contract: the pointer, the new value, and the expected problem.
pub(super) fn check(rows: Vec<Row>) {
    for (place, value, pointer, phrase) in rows {
        let (mut document, signature) = base();
        edit(&mut document, place, value.clone());
        let found = problems(&document, &signature);
        assert!(
            found.iter().any(|problem| problem.pointer == pointer && problem.detail.contains(phrase)),
            "{place} = {value}: expected {pointer:?} with {phrase:?}, found {found:#?}"
        );
    }
}

#[test]
fn the_base_is_good() {
    let (document, signature) = base();
    assert_eq!(problems(&document, &signature), []);
}

#[test]
fn keywords_and_types() {
    let items = |items: Value| json!({"type": "array", "items": items});
    check(vec![
        ("/requird", json!([]), "/requird", "did you mean \"required\"?"),
        (
            "/properties/age/minimun",
            json!(0),
            "/properties/age/minimun",
            "unknown keyword \"minimun\"; did you mean \"minimum\"?",
        ),
        ("/properties/age/x-colour", json!("red"), "/properties/age/x-colour", "unknown keyword"),
        ("/type", json!("array"), "/type", "must be \"object\""),
        ("/type", json!(REMOVED), "/type", "must be \"object\""),
        ("/properties", json!([]), "/properties", "must be an object, found an array"),
        ("/properties/age/type", json!("float"), "/properties/age/type", "\"float\" is not a type of a feature"),
        ("/properties/age/type", json!(7), "/properties/age/type", "must be a type or a list of types, found a number"),
        ("/properties/age/type", json!([1]), "/properties/age/type/0", "must be a string"),
        ("/properties/age/type", json!("null"), "/properties/age", "must allow values other than null"),
        ("/properties/age/minimum", json!("0"), "/properties/age/minimum", "must be a number, found a string: 0"),
        ("/properties/plan/minLength", json!(-1), "/properties/plan/minLength", "must be a non-negative integer"),
        ("/properties/plan/minLength", json!(1.5), "/properties/plan/minLength", "must be a non-negative integer"),
        ("/properties/plan/pattern", json!(1), "/properties/plan/pattern", "must be a string"),
        ("/properties/plan/enum", json!("a"), "/properties/plan/enum", "must be an array"),
        ("/properties/plan/enum", json!([]), "/properties/plan", "enum and const have no value in common"),
        ("/properties/plan/x-sensitive", json!("yes"), "/properties/plan/x-sensitive", "must be true or false"),
        ("/properties/age/multipleOf", json!(0), "/properties/age/multipleOf", "must be above zero, found 0"),
        ("/properties/age/multipleOf", json!(-0.5), "/properties/age/multipleOf", "must be above zero"),
        ("/properties/age/x-missing", json!("NaN"), "/properties/age/x-missing", "must be \"nan\", found \"NaN\""),
        ("/properties/age/x-expected", json!({"min": 1}), "/properties/age/x-expected/min", "unknown member"),
        (
            "/properties/age/x-expected",
            json!({"minimum": "1"}),
            "/properties/age/x-expected/minimum",
            "must be a number",
        ),
        (
            "/properties/age",
            items(json!({"type": "number", "minimun": 0})),
            "/properties/age/items/minimun",
            "did you mean",
        ),
        ("/properties/age", json!({"type": "array"}), "/properties/age", "an array needs items"),
        (
            "/properties/age",
            items(json!({"type": "number", "x-unit": "m"})),
            "/properties/age/items/x-unit",
            "belongs to the feature",
        ),
        (
            "/properties/age",
            json!({"type": ["array", "number"], "items": {"type": "number"}}),
            "/properties/age",
            "either arrays or scalars",
        ),
        (
            "/properties/age",
            items(json!({"type": ["array", "null"], "items": {"type": "number"}})),
            "/properties/age/items",
            "either arrays or scalars",
        ),
    ]);
}

#[test]
fn inputs_and_features() {
    check(vec![
        ("/x-inputs", json!(REMOVED), "", "x-inputs is missing"),
        ("/x-inputs/0/tensor", json!("numerics"), "/x-inputs/0", "no input \"numerics\"; did you mean \"numeric\"?"),
        ("/x-inputs/0/tensor", json!(3), "/x-inputs/0/tensor", "must be a string"),
        ("/x-inputs/0/columns", json!([]), "/x-inputs/0/columns", "unknown member"),
        ("/x-inputs/-", json!({"tensor": "plan", "features": ["plan"]}), "/x-inputs/3", "\"plan\" is fed twice"),
        ("/x-inputs/2", json!(REMOVED), "/x-inputs", "nothing feeds the graph's input count int64[?]"),
        (
            "/x-inputs/0/features/1",
            json!("chrge"),
            "/x-inputs/0",
            "\"chrge\" is not in properties; did you mean \"charge\"?",
        ),
        ("/x-inputs/0/features/1", json!("age"), "/x-inputs/0", "the feature \"age\" is used twice"),
        ("/properties/spare", json!({"type": "number"}), "/properties/spare", "feeds no tensor"),
        (
            "/x-inputs/0/features/1",
            json!(REMOVED),
            "/x-inputs/0",
            "takes 2 scalar features, but x-inputs gives it 1 scalar feature",
        ),
        ("/x-inputs/0/features", json!(REMOVED), "/x-inputs/0", "gives it 0 scalar features"),
        (
            "/properties/age",
            json!({"type": "array", "items": {"type": "number"}}),
            "/x-inputs/0",
            "either scalar features only, or a single array feature",
        ),
    ]);
}

#[test]
fn values_and_tensors() {
    check(vec![
        (
            "/properties/plan/type",
            json!("number"),
            "/properties/plan",
            "a number cannot feed the tensor \"plan\" of string",
        ),
        (
            "/properties/age/type",
            json!("string"),
            "/properties/age",
            "a string cannot feed the tensor \"numeric\" of float32; x-codes",
        ),
        (
            "/properties/age/type",
            json!(["number", "null"]),
            "/properties/age",
            "its tensor value is not defined: give a default, or \"x-missing\"",
        ),
        (
            "/properties/calls",
            json!({"type": ["integer", "null"], "x-missing": "nan"}),
            "/properties/calls",
            "not a floating-point one, so it cannot be NaN",
        ),
        ("/properties/age/default", json!("old"), "/properties/age/default", "must be a number"),
        ("/properties/charge/default", json!(-1), "/properties/charge/default", "own rule: must be at least 0"),
        ("/properties/charge/default", json!(1e39), "/properties/charge/default", "does not fit a tensor of float32"),
        ("/properties/charge/default", json!([1, 2]), "/properties/charge/default", "does not have the shape"),
        ("/required/-", json!("agee"), "/required", "\"agee\" is not a feature; did you mean \"age\"?"),
        ("/required/0", json!(REMOVED), "/required", "\"age\" must be listed here, have a default, or allow null"),
        (
            "/properties/age",
            json!({"type": "string", "x-codes": {"old": "1"}}),
            "/properties/age/x-codes/old",
            "a code must be a number",
        ),
        (
            "/properties/age",
            json!({"type": "string", "x-codes": {"old": 1e39}}),
            "/properties/age/x-codes/old",
            "does not fit a tensor of float32",
        ),
        (
            "/properties/plan",
            json!({"type": "string", "x-codes": {"old": 1}}),
            "/properties/plan/x-codes/old",
            "does not fit a tensor of string",
        ),
        (
            "/properties/age",
            json!({"type": "string", "enum": ["old", "new"], "x-codes": {"old": 1}}),
            "/properties/age",
            "no code for new",
        ),
    ]);
}

#[test]
fn arrays_against_the_tensor() {
    let numbers = json!({"type": "array", "items": {"type": "number"}});
    let exactly = |least: usize, most: usize| json!({"type": "array", "items": {"type": "number"}, "minItems": least, "maxItems": most});
    let deep = |levels: usize| {
        (0..levels).fold(json!({"type": "number"}), |items, _| json!({"type": "array", "items": items}))
    };
    let shape = |levels: usize| format!("t float32[?{}]", ", 1".repeat(levels));
    let rows = [
        (
            numbers.clone(),
            "t float32[?, 2, 2]".to_owned(),
            "/properties/x",
            "an array of 1 levels does not fit the tensor t float32[?, 2, 2], which needs 2",
        ),
        (
            exactly(1, 3),
            "t float32[?, 4]".to_owned(),
            "/properties/x",
            "level 0 allows 1 to 3 elements, but the tensor t float32[?, 4] needs exactly 4",
        ),
        (exactly(5, 9), "t float32[?, 4]".to_owned(), "/properties/x", "needs exactly 4"),
        (
            json!({"type": "number"}),
            "t float32[?, 2, 2]".to_owned(),
            "/x-inputs/0",
            "takes one array feature of its shape or 4 scalar features, but x-inputs gives it 1 scalar feature",
        ),
        (
            json!({"type": "array", "items": {"type": ["number", "null"]}}),
            "t float32[?, 2]".to_owned(),
            "/properties/x",
            "items allow null",
        ),
        (
            json!({"type": "array", "items": {"type": "number"}, "default": [1]}),
            "t float32[?, 2]".to_owned(),
            "/properties/x/default",
            "does not have the shape",
        ),
        (
            json!({"type": "array", "items": deep(1), "default": [[1], [1, 2]]}),
            "t float32[?, ?, ?]".to_owned(),
            "/properties/x/default",
            "does not have the shape",
        ),
        (
            json!({"type": "array", "items": {"type": "number"}, "default": [1, null]}),
            "t float32[?, 2]".to_owned(),
            "/properties/x/default",
            "cannot be null",
        ),
        (deep(9), shape(9), "/properties/x/items/items/items/items/items/items/items/items", "at most 8 levels deep"),
    ];
    for (schema, input, pointer, phrase) in rows {
        let (document, signature) = single(&schema, &input);
        let found = problems(&document, &signature);
        assert!(
            found.iter().any(|problem| problem.pointer == pointer && problem.detail.contains(phrase)),
            "{schema} into {input}: {found:#?}"
        );
    }
    for (schema, input) in
        [(deep(8), shape(8)), (numbers, "t float32[?, ?]".to_owned()), (exactly(4, 4), "t float32[1, 4]".to_owned())]
    {
        let (document, signature) = single(&schema, &input);
        assert_eq!(problems(&document, &signature), [], "{schema} into {input}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let (mut document, signature) = base();
    edit(&mut document, "/properties/age/minimun", json!(0));
    edit(&mut document, "/x-inputs/2", json!(REMOVED));
    edit(&mut document, "/required/1", json!("chrge"));
    edit(&mut document, "/x-output/task", json!("ranking"));
    let found: Vec<String> = problems(&document, &signature).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(found.join("\n"), @r#"
    /properties/age/minimun: unknown keyword "minimun"; did you mean "minimum"?
    /x-inputs: nothing feeds the graph's input count int64[?]
    /properties/calls: the feature "calls" feeds no tensor: name it in x-inputs, or remove it
    /required: "chrge" is not a feature; did you mean "charge"?
    /required: "charge" must be listed here, have a default, or allow null: otherwise it has no value when it is missing
    /x-output: task must be "classification", "regression" or "tensors", found "ranking"
    "#);
    insta::assert_snapshot!(problems(&json!([1]), &signature)[0], @"/: a contract is a JSON object, found an array");
}

#[test]
fn whole_arrays_are_compared_by_full_validation() {
    let schema =
        json!({"type": "array", "items": {"type": "number"}, "minItems": 2, "maxItems": 2, "enum": [[1, 2], [3, 4]]});
    let (document, signature) = single(&schema, "t float32[?, 2]");
    assert_eq!(super::compiled(&document, &signature).full_validation_keywords, ["enum"]);
}

#[test]
fn scalars_do_not_fill_an_array_of_open_shape() {
    let (document, signature) = single(&json!({"type": "number"}), "t float32[?, ?, 2]");
    assert_eq!(
        problems(&document, &signature)[0].detail,
        "the tensor t float32[?, ?, 2] takes one array feature of its shape, but x-inputs gives it 1 scalar feature"
    );
}
