//! Contracts with keywords that the one-pass plan does not cover: they are served, logged, and checked by the full
//! validation.

use candor::domain::random::SplitMix64;
use serde_json::{Value, json};

use crate::support::{
    packages::{ask, package},
    process::candor,
    server::Server,
};

/// A keyword in use: the features, additions to the contract, an admitted instance, and a rejected one with the code
/// and the pointers (by name, by position) of its violation.
struct Keyword {
    name: &'static str,
    properties: Value,
    added: Value,
    good: Value,
    bad: Value,
    code: &'static str,
    pointers: [&'static str; 2],
}

/// A keyword on the feature `a` alone, next to a number `b`.
fn feature(name: &'static str, schema: &Value, good: &Value, (bad, code): (&Value, &'static str)) -> Keyword {
    Keyword {
        name,
        properties: json!({ "a": schema, "b": { "type": "number" } }),
        added: json!({}),
        good: json!({ "a": good, "b": 1 }),
        bad: json!({ "a": bad, "b": 1 }),
        code,
        pointers: ["/features/a", "/features/0"],
    }
}

/// Keywords on the whole instance of two numbers.
fn instance(name: &'static str, added: Value, good: [i64; 2], bad: [i64; 2]) -> Keyword {
    let number = json!({ "type": "number" });
    let named = |values: [i64; 2]| json!({ "a": values[0], "b": values[1] });
    Keyword {
        name,
        properties: json!({ "a": number, "b": number }),
        added,
        good: named(good),
        bad: named(bad),
        code: "schema_violation",
        pointers: ["/features", "/features"],
    }
}

fn at(pointers: [&'static str; 2], keyword: Keyword) -> Keyword {
    Keyword { pointers, ..keyword }
}

fn keywords() -> Vec<Keyword> {
    let least = |name: &str, minimum: i64| json!({ "properties": { name: { "minimum": minimum } } });
    let number = |more: Value| {
        let mut schema = more;
        schema["type"] = json!("number");
        schema
    };
    let conditional = json!({ "if": least("a", 10), "then": least("b", 5), "else": least("b", 1) });
    let referring = json!({ "$defs": { "share": { "type": "number", "minimum": 0, "maximum": 1 } } });
    let share = json!({ "type": "number", "$ref": "#/$defs/share" });
    let referred =
        Keyword { added: referring, ..feature("$ref", &share, &json!(0.5), (&json!(1.5), "schema_violation")) };
    vec![
        at(["/features/b", "/features/1"], instance("if", conditional.clone(), [10, 5], [10, 4])),
        at(["/features/b", "/features/1"], instance("else", conditional, [9, 1], [9, 0])),
        instance("oneOf", json!({ "oneOf": [least("a", 1), least("b", 1)] }), [1, 0], [1, 1]),
        instance("anyOf", json!({ "anyOf": [least("a", 1), least("b", 1)] }), [1, 0], [0, 0]),
        instance("not", json!({ "not": least("a", 100) }), [99, 0], [100, 0]),
        at(["/features/a", "/features/0"], instance("allOf", json!({ "allOf": [least("a", 3)] }), [3, 0], [2, 0])),
        referred,
        feature("multipleOf", &number(json!({ "multipleOf": 0.01 })), &json!(19.99), (&json!(19.999), "not_multiple")),
        feature(
            "anyOf",
            &number(json!({ "anyOf": [{ "maximum": 1 }, { "minimum": 9 }] })),
            &json!(9),
            (&json!(5), "schema_violation"),
        ),
        feature("not", &number(json!({ "not": { "const": 0 } })), &json!(0.5), (&json!(0), "schema_violation")),
        feature(
            "const",
            &number(json!({ "oneOf": [{ "const": 1 }, { "const": 2 }] })),
            &json!(2),
            (&json!(3), "schema_violation"),
        ),
    ]
}

/// A contract over the two columns of the fixture `members`.
fn contract(keyword: &Keyword) -> Value {
    let output = json!({ "task": "regression", "members": { "tensor": "m" } });
    let mut contract = crate::support::packages::contract("x", &keyword.properties, &output);
    if let (Value::Object(contract), Value::Object(added)) = (&mut contract, &keyword.added) {
        contract.extend(added.clone());
    }
    contract
}

fn positional(instance: &Value) -> Value {
    Value::Array(instance.as_object().expect("an object").values().cloned().collect())
}

fn check(keyword: &Keyword, graph: &str, contract: &Value) {
    let root = package(graph, &[("contract.json", &contract.to_string())]);
    let server = Server::over(root.path());
    let version = server.get("/models/model/versions/1").json();
    assert_eq!(version["state"], "ready", "{}: {version:#}", keyword.name);
    assert_eq!(
        version["full_validation_keywords"].as_array().map(Vec::is_empty),
        Some(false),
        "{}: {version:#}",
        keyword.name
    );
    let noted = version["notes"].as_array().expect("notes").iter().filter_map(Value::as_str);
    assert!(noted.clone().any(|note| note.contains("full validation")), "{}: {version:#}", keyword.name);
    for (form, bad, good) in
        [(0, keyword.bad.clone(), keyword.good.clone()), (1, positional(&keyword.bad), positional(&keyword.good))]
    {
        let reply = ask(&server, "model", &good);
        assert_eq!(reply.status, 200, "{} {good}: {}", keyword.name, reply.text());
        let reply = ask(&server, "model", &bad);
        assert_eq!(
            (reply.status, reply.code().as_str()),
            (400, "data_contract_violation"),
            "{}: {}",
            keyword.name,
            reply.text()
        );
        let problem = reply.json();
        let errors = problem["errors"].as_array().expect("errors");
        assert_eq!(errors.len(), 1, "{}: {problem:#}", keyword.name);
        let found = (errors[0]["pointer"].as_str(), errors[0]["code"].as_str());
        assert_eq!(found, (Some(keyword.pointers[form]), Some(keyword.code)), "{} {bad}: {problem:#}", keyword.name);
    }
}

#[test]
fn each_keyword_admits_the_good_and_refuses_the_bad() {
    for keyword in keywords() {
        check(&keyword, "members", &contract(&keyword));
    }
}

/// The fixture `embedding` takes four whole numbers as one array; `types` takes texts.
#[test]
fn arrays_and_texts_are_checked_too() {
    let array = |more: (&str, Value), items: Value| {
        let mut schema = json!({ "type": "array", "items": items, "minItems": 4, "maxItems": 4 });
        schema[more.0] = more.1;
        schema
    };
    let integer = json!({ "type": "integer" });
    let tensors = json!({ "task": "tensors" });
    for (schema, good, bad, code, pointer) in [
        (
            array(("uniqueItems", json!(true)), integer.clone()),
            json!([1, 2, 3, 4]),
            json!([1, 2, 3, 1]),
            "schema_violation",
            "",
        ),
        (
            array(("contains", json!({ "const": 7 })), integer.clone()),
            json!([7, 2, 3, 4]),
            json!([1, 2, 3, 4]),
            "schema_violation",
            "",
        ),
        (
            array(("prefixItems", json!([{ "const": 1 }])), integer),
            json!([1, 2, 3, 4]),
            json!([2, 2, 3, 4]),
            "schema_violation",
            "/0",
        ),
        (
            array(("description", json!("odd")), json!({ "type": "integer", "not": { "multipleOf": 2 } })),
            json!([1, 3, 5, 7]),
            json!([1, 3, 4, 7]),
            "schema_violation",
            "/2",
        ),
    ] {
        let contract = crate::support::packages::contract("ids", &json!({ "ids": schema }), &tensors);
        let pointers = [format!("/features/ids{pointer}"), format!("/features/0{pointer}")];
        let keyword = Keyword {
            name: "array",
            properties: json!({}),
            added: json!({}),
            good: json!({ "ids": good }),
            bad: json!({ "ids": bad }),
            code,
            pointers: pointers.map(|text| &*text.leak()),
        };
        check(&keyword, "embedding", &contract);
    }
}

/// A contract over the fixture `types` with a rule for its string, and defaults for everything else.
fn text_contract(rule: &Value, added: &Value) -> Value {
    let names =
        ["float16", "float", "double", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64"];
    let mut properties = json!({});
    let mut inputs = Vec::new();
    for name in names {
        properties[name] = json!({ "type": if name.contains("int") { "integer" } else { "number" }, "default": 1 });
    }
    properties["bool"] = json!({ "type": "boolean", "default": true });
    properties["string"] = rule.clone();
    properties["string"]["type"] = json!("string");
    for name in properties.as_object().expect("an object").keys() {
        inputs.push(json!({ "tensor": format!("in_{name}"), "features": [name] }));
    }
    let mut contract = json!({
        "type": "object", "properties": properties, "required": ["string"], "additionalProperties": false,
        "x-inputs": inputs, "x-output": { "task": "tensors" },
    });
    if let (Value::Object(contract), Value::Object(added)) = (&mut contract, added) {
        contract.extend(added.clone());
    }
    contract
}

/// The rule of the string, additions to the contract, a good and a bad instance, the code and the pointer of the
/// violation.
type TextCase = (Value, Value, Value, Value, &'static str, &'static str);

fn text_cases() -> Vec<TextCase> {
    let text = |rule: Value, good: &str, bad: &str, code: &'static str| {
        (rule, json!({}), json!({ "string": good }), json!({ "string": bad }), code, "/string")
    };
    let whole = |added: Value, good: &[&str], bad: &[&str]| {
        let instance = |names: &[&str]| {
            let mut instance = json!({ "string": "" });
            for name in names {
                instance[*name] = json!(1);
            }
            instance
        };
        (json!({}), added, instance(good), instance(bad), "schema_violation", "")
    };
    let uuid = "0199a1c2-0000-7000-8000-000000000000";
    vec![
        text(json!({ "format": "date" }), "2026-02-28", "2026-02-30", "schema_violation"),
        text(json!({ "format": "email" }), "a@b.example", "a b", "schema_violation"),
        text(json!({ "format": "uuid" }), uuid, "0199", "schema_violation"),
        text(json!({ "pattern": "^\\p{L}+$" }), "éa", "é1", "pattern_mismatch"),
        text(
            json!({ "allOf": [{ "pattern": "\\d" }, { "not": { "pattern": "^x" } }] }),
            "é1",
            "x1",
            "schema_violation",
        ),
        text(json!({ "pattern": "^.{2}\\s" }), "ab c", "abc", "pattern_mismatch"),
        text(json!({ "anyOf": [{ "maxLength": 1 }, { "pattern": "^id-" }] }), "id-5", "5-id", "schema_violation"),
        whole(json!({ "dependentRequired": { "int8": ["uint8"] } }), &["int8", "uint8"], &["int8"]),
        whole(json!({ "propertyNames": { "maxLength": 6 } }), &["uint8"], &["float16"]),
        whole(json!({ "minProperties": 2 }), &["int8"], &[]),
        whole(json!({ "maxProperties": 2 }), &["int8"], &["int8", "int16"]),
        whole(json!({ "dependentSchemas": { "int8": { "required": ["int16"] } } }), &["int8", "int16"], &["int8"]),
    ]
}

#[test]
fn texts_and_whole_instances_have_rules_too() {
    for (rule, added, good, bad, code, pointer) in text_cases() {
        let contract = text_contract(&rule, &added);
        let root = package("types", &[("contract.json", &contract.to_string())]);
        let server = Server::over(root.path());
        let reply = ask(&server, "model", &good);
        assert_eq!(reply.status, 200, "{rule} {added} {good}: {}", reply.text());
        let problem = ask(&server, "model", &bad).json();
        let error = &problem["errors"][0];
        let pointer = json!(format!("/features{pointer}"));
        assert_eq!((&error["pointer"], &error["code"]), (&pointer, &json!(code)), "{rule} {added}: {problem:#}");
    }
}

#[test]
fn faults_of_both_passes_are_told_together() {
    let keyword = instance(
        "if",
        json!({ "if": { "properties": { "a": { "minimum": 10 } } }, "then": { "properties": { "b": { "minimum": 5 } } } }),
        [10, 5],
        [10, 4],
    );
    let root = package("members", &[("contract.json", &contract(&keyword).to_string())]);
    let server = Server::over(root.path());
    let problem = ask(&server, "model", &json!({ "a": 10, "b": 4, "c": 1 })).json();
    assert_eq!(problem["errors"][0]["code"], "unknown_feature", "{problem:#}");
}

#[test]
fn an_unknown_keyword_at_any_depth_refuses_the_contract() {
    for (name, added, pointer) in [
        ("oneOf", json!({ "oneOf": [{ "properties": { "a": { "minimun": 1 } } }] }), "/oneOf/0/properties/a/minimun"),
        ("$defs", json!({ "$defs": { "x": { "typ": "number" } } }), "/$defs/x/typ"),
        ("then", json!({ "if": {}, "then": { "requird": ["a"] } }), "/then/requird"),
        ("not", json!({ "not": { "allOf": [{ "enmu": [1] }] } }), "/not/allOf/0/enmu"),
        (
            "dependentSchemas",
            json!({ "dependentSchemas": { "a": { "propertees": {} } } }),
            "/dependentSchemas/a/propertees",
        ),
    ] {
        let contract = contract(&instance(name, added, [0, 0], [0, 0]));
        let root = package("members", &[("contract.json", &contract.to_string())]);
        let server = Server::over(root.path());
        let version = server.get("/models/model").json()["versions"][0].clone();
        let keyword = pointer.rsplit('/').next().unwrap_or_default();
        let reason =
            format!("{}: {pointer}: unknown keyword {keyword:?}", root.path().join("model/1/contract.json").display());
        let reasons = version["reasons"].as_array().expect("reasons");
        assert!(
            reasons.len() == 1 && reasons[0].as_str().is_some_and(|text| text.starts_with(&reason)),
            "{version:#}\n{reason}"
        );
        let checked = candor(&["check", &root.path().display().to_string()]).output().expect("it ran");
        assert!(String::from_utf8_lossy(&checked.stdout).contains(&reason) && checked.status.code() == Some(1));
    }
}

#[test]
fn a_golden_case_must_pass_full_validation_too() {
    let keyword = instance(
        "oneOf",
        json!({ "oneOf": [{ "properties": { "a": { "minimum": 1 } } }, { "properties": { "b": { "minimum": 1 } } }] }),
        [1, 0],
        [1, 1],
    );
    let golden = |instance: &Value| json!({ "features": instance, "expect": {} }).to_string();
    for (case, state) in [(&keyword.good, "ready"), (&keyword.bad, "unavailable")] {
        let files = [("contract.json", contract(&keyword).to_string()), ("golden.jsonl", golden(case))];
        let root = package("members", &files.each_ref().map(|(name, text)| (*name, text.as_str())));
        let version = Server::over(root.path()).get("/models/model/versions/1").json();
        assert_eq!(version["state"], state, "{version:#}");
    }
}

#[test]
fn the_example_is_one_that_is_admitted() {
    let keyword = instance(
        "oneOf",
        json!({ "oneOf": [{ "properties": { "a": { "minimum": 7 } } }, { "properties": { "b": { "minimum": 7 } } }] }),
        [7, 0],
        [7, 7],
    );
    let golden = json!({ "features": [7, 0], "expect": {} }).to_string();
    let contract = contract(&keyword).to_string();
    let root = package("members", &[("contract.json", &contract), ("golden.jsonl", &golden)]);
    let server = Server::over(root.path());
    let example = server.get("/models/model/versions/1").json()["example"].clone();
    let reply = server.post("/predict", &example.to_string());
    assert_eq!(reply.status, 200, "{example}: {}", reply.text());
}

/// The time of backtracking has no bound; the message says what to write instead.
#[test]
fn a_pattern_that_backtracks_is_refused_with_what_to_write() {
    for (pattern, expected) in [
        (
            "^(?=.*\\d)x+$",
            "look-around needs backtracking, whose time is unbounded; write each condition as a separate pattern",
        ),
        ("^(.+)\\1$", "a back-reference needs backtracking, whose time is unbounded"),
    ] {
        let contract = text_contract(&json!({ "pattern": pattern }), &json!({}));
        let root = package("types", &[("contract.json", &contract.to_string())]);
        let version = Server::over(root.path()).get("/models/model/versions/1").json();
        let reason = version["reasons"][0].as_str().unwrap_or_default();
        assert!(reason.contains("/properties/string/pattern") && reason.contains(expected), "{version:#}");
    }
}

/// The automaton's states multiply with every digit: the `regex` crate takes seconds for such a string.
#[test]
fn a_text_that_takes_too_many_steps_is_never_admitted_unseen() {
    let pattern = "[01]*1[01]{3000}[ax].b?";
    let mut random = SplitMix64::new(1);
    let mut bit = || if random.next_below(2) == 1 { '1' } else { '0' };
    let long: String = std::iter::repeat_with(&mut bit).take(500_000).collect();
    let rules = [
        (json!({ "pattern": "[01]*1[01]{3000}[ax]b?" }), "/features/string"),
        (json!({ "pattern": pattern }), "/features/string"),
        (json!({ "not": { "pattern": pattern } }), "/features"),
        (json!({ "anyOf": [{ "pattern": pattern }, { "minLength": 1 }] }), "/features"),
    ];
    for (rule, pointer) in rules {
        let contract = text_contract(&rule, &json!({}));
        let root = package("types", &[("contract.json", &contract.to_string())]);
        let server = Server::over(root.path());
        let started = std::time::Instant::now();
        let reply = ask(&server, "model", &json!({ "string": long }));
        assert!(started.elapsed() < std::time::Duration::from_secs(2), "{rule}: {:?}", started.elapsed());
        let problem = reply.json();
        let error = &problem["errors"][0];
        assert_eq!((reply.status, &error["code"]), (400, &json!("pattern_mismatch")), "{rule}: {problem:#}");
        assert_eq!(error["pointer"], pointer, "{rule}");
        assert!(error["detail"].as_str().is_some_and(|detail| detail.contains("too many steps")), "{rule}: {error}");
        assert_eq!(ask(&server, "model", &json!({ "string": "a" })).status, expected(&rule), "{rule}");
    }
}

/// The expected status for a string of one letter, which matches neither pattern.
fn expected(rule: &Value) -> u16 {
    if rule.get("pattern").is_some() { 400 } else { 200 }
}

#[test]
fn a_name_without_end_is_not_held_against_patterns() {
    let added =
        json!({ "additionalProperties": true, "patternProperties": { "(?:a?){1000}a{1000}b?c": { "type": "null" } } });
    let mut contract = text_contract(&json!({ "minLength": 1 }), &json!({}));
    for (name, value) in added.as_object().expect("an object") {
        contract[name] = value.clone();
    }
    let root = package("types", &[("contract.json", &contract.to_string())]);
    let server = Server::over(root.path());
    let started = std::time::Instant::now();
    let reply = ask(&server, "model", &json!({ "string": "a", "a".repeat(500_000): 1 }));
    assert!(started.elapsed() < std::time::Duration::from_secs(2), "{:?}", started.elapsed());
    let error = reply.json()["errors"][0].clone();
    assert_eq!((reply.status, &error["code"]), (400, &json!("unknown_feature")), "{error:#}");
    assert_eq!(ask(&server, "model", &json!({ "string": "a", "b": 1 })).status, 200);
}
