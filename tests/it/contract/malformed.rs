//! Bodies that are not JSON as this API accepts it: nesting, duplicate keys, tokens, encodings, at every position.

use candor::domain::contract::{AdmitError, Contract};
use serde_json::json;

use super::{admit, compiled, single};

fn contract(schema: &serde_json::Value, input: &str) -> Contract {
    let (document, signature) = single(schema, input);
    compiled(&document, &signature)
}

/// Whether a body is rejected as malformed, rather than for a violation of the contract.
fn is_malformed(contract: &Contract, body: &[u8]) -> bool {
    matches!(admit(contract, body), Err(AdmitError::Malformed(_)))
}

fn lists(depth: usize) -> String {
    "[".repeat(depth) + &"]".repeat(depth)
}

fn objects(depth: usize) -> String {
    "{\"a\":".repeat(depth - 1) + "{}" + &"}".repeat(depth - 1)
}

#[test]
fn nesting_ends_at_32() {
    let number = contract(&json!({"type": "number"}), "t float32[?]");
    let array = contract(&json!({"type": "array", "items": {"type": "number"}}), "t float32[?, ?]");
    // The text around the nested value, and how many levels that adds.
    let around = [
        ("", "", 0),
        ("{\"x\": ", "}", 1),
        ("{\"entity_id\": ", "}", 1),
        ("{\"explain\": ", "}", 1),
        ("{\"features\": [1, ", "]}", 2),
        ("{\"features\": {\"x\": ", "}}", 2),
        ("{\"features\": {\"unknown\": ", "}}", 2),
        ("{\"features\": {\"x\": [1, ", "]}}", 3),
        ("{\"features\": {\"x\": [[1, ", "]]}}", 4),
        ("{\"features\": {\"x\": [{\"a\": ", "}]}}", 4),
        ("{\"features\": {\"x\": 1, \"x\": ", "}}", 2),
        ("{\"features\": {\"x\": 1}, \"features\": ", "}", 1),
    ];
    for contract in [&number, &array] {
        for (before, after, levels) in around {
            for nested in [lists, objects] {
                let body = |depth: usize| format!("{before}{}{after}", nested(depth - levels)).into_bytes();
                assert!(!is_malformed(contract, &body(32)), "32 levels are allowed: {before}");
                assert!(is_malformed(contract, &body(33)), "33 levels are too many: {before}");
            }
        }
    }
    assert!(is_malformed(&array, "[".repeat(1_000_000).as_bytes()), "a million levels do not overflow the stack");
    assert!(is_malformed(&array, "{\"a\":".repeat(200_000).as_bytes()));
}

#[test]
fn duplicate_keys_are_refused_at_every_level() {
    let open = contract(&json!({"type": "number"}), "t float32[?]");
    let cases = [
        (r#"{"features": {"x": 1}, "features": {"x": 1}}"#, "/features"),
        (r#"{"features": {"x": 1}, "entity_id": 1, "entity_id": 1}"#, "/entity_id"),
        (r#"{"features": {"x": 1, "x": 1}}"#, "/features/x"),
        (r#"{"features": {"x": 1, "\u0078": 1}}"#, "/features/x"),
        (r#"{"features": {"x": 1, "y": 1, "y": 1}}"#, "/features/y"),
    ];
    for (body, pointer) in cases {
        let Err(AdmitError::Violations(violations)) = admit(&open, body.as_bytes()) else {
            panic!("{body} was not refused")
        };
        let duplicate = violations.first_n().iter().find(|violation| violation.code.as_str() == "duplicate");
        assert_eq!(duplicate.map(|violation| violation.pointer.as_str()), Some(pointer), "{body}");
    }
    for body in [
        r#"{"features": {"x": {"a": 1, "a": 2}}}"#,
        r#"{"features": {"x": 1, "y": [{"a": 1, "a": 2}]}}"#,
        r#"{"features": {"x": 1}, "other": {"a": 1, "b": {"c": 1, "c": 1}}}"#,
        r#"[{"a": 1, "a": 2}]"#,
    ] {
        assert!(is_malformed(&open, body.as_bytes()), "{body}");
    }
}

/// Texts that are not JSON values.
const FAULTS: &[&[u8]] = &[
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"nan",
    b"1e400",
    b"-1e400",
    b"01",
    b"+1",
    b".5",
    b"1.",
    b"0x10",
    b"1e",
    b"'a'",
    b"tru",
    b"undefined",
    b"\"\\ud800\"",
    b"\"\\udc00\"",
    b"\"\\ud800\\u0041\"",
    b"\"\\ud800\\ud800\"",
    b"\"\xff\"",
    b"\"\xed\xa0\x80\"",
    b"\"\xc0\xaf\"",
    b"\"\xf4\x90\x80\x80\"",
    b"\"a\nb\"",
    b"\"\\x41\"",
    b"\"\\u12\"",
    b"\"open",
    b"[1,]",
    b"[1 2]",
    b"[",
    b"{\"a\":}",
    b"{\"a\":1,}",
    b"{a: 1}",
    b"{1: 1}",
    b"{\"\\ud800\": 1}",
    b"",
    b"/* no */ 1",
    b"1 // no",
];

/// Every code path that reads a value, and every one that skips a value.
const PLACES: &[(&str, &str)] = &[
    ("", ""),
    ("{\"features\": ", "}"),
    ("{\"features\": {\"x\": ", "}}"),
    ("{\"features\": {\"x\": [", "]}}"),
    ("{\"features\": {\"x\": [1, [", "]]}}"),
    ("{\"features\": {\"x\": {\"a\": ", "}}}"),
    ("{\"features\": {\"x\": 1, \"unknown\": ", "}}"),
    ("{\"features\": {\"x\": 1, \"x\": ", "}}"),
    ("{\"features\": [1, ", "]}"),
    ("{\"features\": {\"x\": 1}, \"entity_id\": ", "}"),
    ("{\"features\": {\"x\": 1}, \"entity_id\": [", "]}"),
    ("{\"features\": {\"x\": 1}, \"explain\": ", "}"),
    ("{\"features\": {\"x\": 1}, \"x\": ", "}"),
    ("{\"features\": {\"x\": 1}, \"x\": [{\"y\": ", "}]}"),
    ("[", "]"),
];

#[test]
fn what_is_not_json_is_malformed() {
    let number = contract(&json!({"type": "number"}), "t float32[?]");
    let text = contract(&json!({"type": "string"}), "t string[?]");
    let array = contract(&json!({"type": "array", "items": {"type": "number"}}), "t float32[?, ?]");
    for contract in [&number, &text, &array] {
        for (before, after) in PLACES {
            for fault in FAULTS {
                // An empty list is valid JSON.
                if fault.is_empty() && before.ends_with('[') {
                    continue;
                }
                let body = [before.as_bytes(), fault, after.as_bytes()].concat();
                assert!(is_malformed(contract, &body), "{}", String::from_utf8_lossy(&body));
            }
        }
    }
}

#[test]
fn nothing_may_stand_around_the_body() {
    let number = contract(&json!({"type": "number"}), "t float32[?]");
    let good = r#"{"features": {"x": 1}}"#;
    assert!(admit(&number, format!(" \t\r\n{good}\n ").as_bytes()).is_ok());
    for (before, after) in [("\u{feff}", ""), ("", "x"), ("", "{}"), ("", ","), ("", "\0"), ("\u{a0}", ""), ("", "}")] {
        assert!(is_malformed(&number, format!("{before}{good}{after}").as_bytes()), "{before:?} and {after:?}");
    }
    let wide: Vec<u8> = good.encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(is_malformed(&number, &wide));
    let Err(AdmitError::Malformed(error)) = admit(&number, b"{\"features\":\n  {\"x\": NaN}}") else {
        panic!("it was not refused")
    };
    assert_eq!((error.line(), error.column()), (2, 9), "{error}");
}
