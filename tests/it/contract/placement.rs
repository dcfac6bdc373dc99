//! From values to tensors: the exact contents of the tensors for scalars, missing values, codes and arrays.

use candor::domain::{
    contract::EntityId,
    tensor::{Buffer, Inputs},
};
use serde_json::{Value, json};

use super::{admitted, compiled, refused, signature, single};

/// The tensors as text: shape and elements, in the graph's order.
fn words(inputs: &Inputs) -> String {
    let tensors = inputs.tensors.iter().map(|tensor| format!("{:?} {:?}", tensor.shape, tensor.buffer));
    tensors.collect::<Vec<_>>().join("; ")
}

/// Admits each value of the feature `x` alone and compares the resulting tensor; `-` means no value.
fn check(schema: &Value, input: &str, rows: &[(&str, &str)]) {
    let (mut document, signature) = single(schema, input);
    if schema.get("default").is_some() || schema["type"][1] == "null" {
        document["required"] = json!([]);
    }
    let contract = compiled(&document, &signature);
    for (value, expected) in rows {
        let body = if *value == "-" {
            r#"{"features": {}}"#.to_owned()
        } else {
            format!("{{\"features\": {{\"x\": {value}}}}}")
        };
        assert_eq!(words(&admitted(&contract, &body).inputs), *expected, "{value} by {schema} into {input}");
    }
}

#[test]
fn scalars() {
    let number = json!({"type": "number"});
    check(
        &number,
        "t float32[?]",
        &[
            ("0.1", "[1] F32([0.1])"),
            ("1", "[1] F32([1.0])"),
            ("-0.0", "[1] F32([-0.0])"),
            ("3.4e38", "[1] F32([3.4e38])"),
            ("16777217", "[1] F32([16777216.0])"),
        ],
    );
    check(&number, "t float64[?, 1]", &[("0.1", "[1, 1] F64([0.1])"), ("1e308", "[1, 1] F64([1e308])")]);
    check(&number, "t float16[1]", &[("65504", "[1] F16([65504.0])")]);
    check(
        &json!({"type": "integer"}),
        "t int64[?]",
        &[
            ("9007199254740993", "[1] I64([9007199254740993])"),
            ("1e3", "[1] I64([1000])"),
            ("-9223372036854775808", "[1] I64([-9223372036854775808])"),
        ],
    );
    check(&json!({"type": "integer"}), "t int32[?]", &[("2.0", "[1] I32([2])")]);
    check(&json!({"type": "boolean"}), "t bool[?]", &[("true", "[1] Bool([true])"), ("false", "[1] Bool([false])")]);
    check(&json!({"type": "boolean"}), "t float32[?]", &[("true", "[1] F32([1.0])"), ("false", "[1] F32([0.0])")]);
    check(&json!({"type": ["boolean", "number"]}), "t uint8[?]", &[("true", "[1] U8([1])"), ("255", "[1] U8([255])")]);
    check(&json!({"type": "string"}), "t string[?, 1]", &[(r#""a\u0001\ud835\udcb3""#, "[1, 1] Text([\"a\\u{1}𝒳\"])")]);
}

#[test]
fn missing_values() {
    let nan = json!({"type": ["number", "null"], "x-missing": "nan"});
    check(&nan, "t float32[?]", &[("null", "[1] F32([NaN])"), ("-", "[1] F32([NaN])"), ("2", "[1] F32([2.0])")]);
    let both = json!({"type": ["number", "null"], "x-missing": "nan", "default": 5});
    check(&both, "t float64[?]", &[("null", "[1] F64([NaN])"), ("-", "[1] F64([5.0])")]);
    let default = json!({"type": ["integer", "null"], "default": 5});
    check(&default, "t int64[?]", &[("null", "[1] I64([5])"), ("-", "[1] I64([5])"), ("0", "[1] I64([0])")]);
    check(
        &json!({"type": "string", "default": "a"}),
        "t string[?]",
        &[("-", "[1] Text([\"a\"])"), ("\"\"", "[1] Text([\"\"])")],
    );
    check(
        &json!({"type": "boolean", "default": true}),
        "t float32[?]",
        &[("-", "[1] F32([1.0])"), ("false", "[1] F32([0.0])")],
    );
}

#[test]
fn codes() {
    let plain = json!({"type": "string", "x-codes": {"plus": 1, "basic": 0, "pro": 2.5}});
    check(&plain, "t float32[?]", &[("\"basic\"", "[1] F32([0.0])"), ("\"pro\"", "[1] F32([2.5])")]);
    let null = json!({"type": ["string", "null"], "x-codes": {"a": 7}, "default": "a"});
    check(&null, "t int64[?]", &[("null", "[1] I64([7])"), ("-", "[1] I64([7])"), ("\"a\"", "[1] I64([7])")]);
    let list = json!({"type": "array", "items": {"type": "string"}, "x-codes": {"a": 1, "b": 2}});
    check(&list, "t float32[?, 2]", &[("[\"b\", \"a\"]", "[1, 2] F32([2.0, 1.0])")]);
    let (document, signature) = single(&plain, "t float32[?]");
    let violations = refused(&compiled(&document, &signature), r#"{"features": {"x": "gold"}}"#);
    assert_eq!(
        super::listed(&violations),
        "/features/x | not_in_enum | x must be one of basic, plus, pro; got \"gold\""
    );
}

#[test]
fn arrays() {
    let numbers = json!({"type": "array", "items": {"type": "number"}});
    let nested = json!({"type": "array", "items": numbers});
    check(&numbers, "t float32[?, 3]", &[("[1, 2, 3]", "[1, 3] F32([1.0, 2.0, 3.0])")]);
    check(&numbers, "t float32[1, 2]", &[("[1, 2]", "[1, 2] F32([1.0, 2.0])")]);
    check(&numbers, "t float32[2]", &[("[1, 2]", "[2] F32([1.0, 2.0])")]);
    check(&nested, "t float64[?, 2, 2]", &[("[[1, 2], [3, 4]]", "[1, 2, 2] F64([1.0, 2.0, 3.0, 4.0])")]);
    check(&nested, "t float32[2, 2]", &[("[[1, 2], [3, 4]]", "[2, 2] F32([1.0, 2.0, 3.0, 4.0])")]);
    let nan = json!({"type": "array", "items": {"type": ["number", "null"]}, "x-missing": "nan"});
    check(&nan, "t float32[?, 2]", &[("[null, 1]", "[1, 2] F32([NaN, 1.0])")]);
    let texts = json!({"type": "array", "items": {"type": "string"}});
    check(&texts, "t string[?, 2]", &[(r#"["a", "b"]"#, "[1, 2] Text([\"a\", \"b\"])")]);
}

#[test]
fn arrays_of_open_length() {
    let numbers = json!({"type": "array", "items": {"type": "number"}});
    check(
        &numbers,
        "t float32[?, ?]",
        &[("[]", "[1, 0] F32([])"), ("[1]", "[1, 1] F32([1.0])"), ("[1, 2, 3]", "[1, 3] F32([1.0, 2.0, 3.0])")],
    );
    let rows = json!({"type": "array", "items": numbers});
    check(
        &rows,
        "t float32[?, ?, ?]",
        &[("[]", "[1, 0, 0] F32([])"), ("[[], []]", "[1, 2, 0] F32([])"), ("[[1, 2]]", "[1, 1, 2] F32([1.0, 2.0])")],
    );
    // Below an empty level the fixed size is kept: the graph would reject a zero there.
    check(
        &rows,
        "t float32[?, ?, 3]",
        &[("[]", "[1, 0, 3] F32([])"), ("[[1, 2, 3]]", "[1, 1, 3] F32([1.0, 2.0, 3.0])")],
    );
    let default = json!({"type": ["array", "null"], "items": {"type": "number"}, "default": [7, 8, 9]});
    check(
        &default,
        "t float32[?, ?]",
        &[
            ("-", "[1, 3] F32([7.0, 8.0, 9.0])"),
            ("null", "[1, 3] F32([7.0, 8.0, 9.0])"),
            ("[1]", "[1, 1] F32([1.0])"),
            ("[1, 2, 3, 4]", "[1, 4] F32([1.0, 2.0, 3.0, 4.0])"),
            ("[]", "[1, 0] F32([])"),
        ],
    );
    let limited = json!({"type": "array", "items": {"type": "number"}, "minItems": 1, "maxItems": 2});
    let (document, signature) = single(&limited, "t float32[?, ?]");
    let contract = compiled(&document, &signature);
    for (value, wanted) in [("[]", "1 to 2 elements here; got 0"), ("[1, 2, 3]", "1 to 2 elements here; got 3")] {
        let violations = refused(&contract, &format!("{{\"features\": {{\"x\": {value}}}}}"));
        assert_eq!(violations.first_n()[0].detail, format!("x must have {wanted}"));
    }
}

#[test]
fn scalars_fill_an_array_row_by_row() {
    for (input, shape) in [
        ("t float32[?, 2, 3]", "[1, 2, 3]"),
        ("t float32[1, 3, 2]", "[1, 3, 2]"),
        ("t float32[?, 6, 1]", "[1, 6, 1]"),
        ("t float32[2, 3]", "[2, 3]"),
    ] {
        let names = ["a", "b", "c", "d", "e", "f"];
        let properties: serde_json::Map<String, Value> =
            names.iter().map(|name| ((*name).to_owned(), json!({"type": "number"}))).collect();
        let document = json!({
            "type": "object", "properties": properties, "required": names,
            "x-inputs": [{"tensor": "t", "features": names}],
            "x-output": {"task": "regression", "value": {"tensor": "y"}},
        });
        let contract = compiled(&document, &signature(&[input], &["y float32[?, 1]"]));
        let inputs = admitted(&contract, r#"{"features": {"f": 6, "e": 5, "d": 4, "c": 3, "b": 2, "a": 1}}"#).inputs;
        assert_eq!(words(&inputs), format!("{shape} F32([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])"), "{input}");
    }
}

#[test]
fn numbers_that_do_not_fit_are_refused() {
    let cases = [
        ("number", "t float32[?]", "1e39"),
        ("number", "t float16[?]", "65520"),
        ("integer", "t int32[?]", "2147483648"),
        ("integer", "t uint8[?]", "-1"),
        ("number", "t int64[?]", "0.5"),
        ("integer", "t int64[?]", "9223372036854775808"),
        ("integer", "t int64[?]", "9007199254740994.0"),
    ];
    for (kind, input, value) in cases {
        let (document, signature) = single(&json!({"type": kind}), input);
        let violations = refused(&compiled(&document, &signature), &format!("{{\"features\": {{\"x\": {value}}}}}"));
        assert_eq!(
            (violations.first_n()[0].code.as_str(), violations.total()),
            ("not_representable", 1),
            "{value} into {input}"
        );
    }
}

#[test]
fn features_go_to_the_tensors_that_name_them() {
    let signature = signature(&["b int64[?, 1]", "a float32[?, 3]"], &["y float32[?, 1]"]);
    let document = json!({
        "type": "object",
        "properties": {"p": {"type": "number"}, "q": {"type": "number"}, "r": {"type": "integer"}, "s": {"type": "boolean"}},
        "required": ["p", "q", "r", "s"],
        "x-inputs": [{"tensor": "a", "features": ["s", "q", "p"]}, {"tensor": "b", "features": ["r"]}],
        "x-output": {"task": "regression", "value": {"tensor": "y"}},
    });
    let contract = compiled(&document, &signature);
    let order: Vec<&str> = contract.features.iter().map(|feature| feature.name.as_str()).collect();
    assert_eq!(order, ["s", "q", "p", "r"], "the positional form has the order of x-inputs");
    let named =
        admitted(&contract, r#"{"entity_id": "e", "features": {"r": 4, "p": 3, "q": 2, "s": true}, "explain": false}"#);
    let positional = admitted(&contract, r#"{"features": [true, 2, 3, 4], "entity_id": -5}"#);
    assert_eq!(words(&named.inputs), "[1, 1] I64([4]); [1, 3] F32([1.0, 2.0, 3.0])");
    assert_eq!(named.inputs, positional.inputs);
    assert_eq!((named.entity_id, positional.entity_id), (Some(EntityId::Text("e".into())), Some(EntityId::Number(-5))));
    assert_eq!(named.inputs.rows, 1);
    assert!(matches!(named.inputs.tensors[0].buffer, Buffer::I64(_)));
}
