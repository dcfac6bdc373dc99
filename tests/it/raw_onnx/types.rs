//! Every element type as input and output: the largest and smallest values of each, and the values just beyond.

use serde_json::{Value, json};

use crate::support::{paths::fixture, server::Server};

/// An element type of the fixture `types`, values that round-trip, and values that do not fit.
struct Type {
    name: &'static str,
    fit: &'static [&'static str],
    beyond: &'static [&'static str],
}

const TYPES: &[Type] = &[
    // 65519 is the largest value that rounds to the largest half, 65504; 65520 would become infinite.
    Type {
        name: "float16",
        fit: &["65504.0", "-65504.0", "0.1", "6e-8", "65519"],
        beyond: &["65520", "-65520", "1e39"],
    },
    // The double halfway between the largest float and the next power of two rounds up.
    Type {
        name: "float",
        fit: &["3.4028235e38", "-3.4028235e38", "1e-45", "0.1", "16777217"],
        beyond: &["3.4028235677973366e38", "1e39", "-1e300"],
    },
    Type { name: "double", fit: &["1.7976931348623157e308", "5e-324", "0.1", "-0.0", "9007199254740993"], beyond: &[] },
    Type { name: "int8", fit: &["-128", "127", "1e2", "-0.0"], beyond: &["-129", "128", "1e3"] },
    Type { name: "uint8", fit: &["0", "255"], beyond: &["-1", "256"] },
    Type { name: "int16", fit: &["-32768", "32767"], beyond: &["-32769", "32768"] },
    Type { name: "uint16", fit: &["0", "65535"], beyond: &["-1", "65536"] },
    Type { name: "int32", fit: &["-2147483648", "2147483647"], beyond: &["-2147483649", "2147483648"] },
    Type { name: "uint32", fit: &["0", "4294967295"], beyond: &["-1", "4294967296"] },
    Type {
        name: "int64",
        fit: &["-9223372036854775808", "9223372036854775807", "9007199254740993", "9007199254740992.0"],
        beyond: &["9223372036854775808", "-9223372036854775809", "18446744073709551616", "9007199254740994.0", "1e18"],
    },
    Type {
        name: "uint64",
        fit: &["0", "18446744073709551615", "9223372036854775808"],
        beyond: &["-1", "18446744073709551616", "1e19"],
    },
    Type { name: "bool", fit: &["true", "false"], beyond: &[] },
    Type {
        name: "string",
        // A NUL is data: ONNX Runtime's own string function would truncate there.
        fit: &[r#""""#, r#""é\n\ud83d\ude00\"\\""#, r#""NaN""#, r#""a\u0000b""#, r#""\u0000""#, r#""a\u0000""#],
        beyond: &[],
    },
];

/// A request body with one given value, and 1 (or its equivalent) for every other type.
fn body(name: &str, value: &str) -> String {
    let member = |each: &Type| {
        let usual = match each.name {
            "bool" => "true",
            "string" => "\"\"",
            _ => "1",
        };
        format!("\"in_{}\":{}", each.name, if each.name == name { value } else { usual })
    };
    format!("{{\"features\":{{{}}}}}", TYPES.iter().map(member).collect::<Vec<_>>().join(","))
}

/// Whether `found` is the value of the element type that is nearest to `written`.
fn same(name: &str, written: &str, found: &Value) -> bool {
    let number = || (written.parse::<f64>().expect("a number"), found.as_f64().expect("a number"));
    match name {
        "float16" => {
            let (written, found) = number();
            half::f16::from_f64(written) == half::f16::from_f64(found)
        }
        // The answer is parsed as the element type itself: it has only as many digits as that type needs.
        "float" => found.to_string().parse::<f32>() == written.parse::<f32>(),
        "double" => number().0.to_bits() == number().1.to_bits(),
        "bool" | "string" => serde_json::from_str::<Value>(written).is_ok_and(|written| written == *found),
        _ => found.is_i64() || found.is_u64(),
    }
}

#[test]
fn every_element_type_goes_there_and_back() {
    let server = Server::over(&fixture("types.onnx"));
    for each in TYPES {
        for written in each.fit {
            let reply = server.post("/predict", &body(each.name, written));
            assert_eq!(reply.status, 200, "{} {written}: {}", each.name, reply.text());
            let outputs = reply.json()["outputs"].clone();
            let found = &outputs[format!("out_{}", each.name)][0];
            assert!(same(each.name, written, found), "{} {written}: {found}", each.name);
            if let Some(whole) = written.parse::<i128>().ok().filter(|_| each.name.contains("int")) {
                assert_eq!(found.to_string(), whole.to_string(), "{}", each.name);
            }
        }
    }
}

#[test]
fn bfloat16_goes_there_and_back() {
    let server = Server::over(&fixture("bfloat16.onnx"));
    // Rounded to eight significant bits; the graph casts to a float, which shows them all.
    for (written, same, value) in [
        ("1", "1.0", 1.0),
        ("0.1", "0.1", 0.100_097_656_25),
        ("257", "256.0", 256.0),
        ("-3.3895e38", "-3.39e38", -3.389_531_389e38),
    ] {
        let reply = server.post("/predict", &format!("{{\"features\":[{written},0]}}"));
        assert_eq!(reply.status, 200, "{written}: {}", reply.text());
        let outputs = reply.json()["outputs"].clone();
        assert_eq!(
            outputs["same"][0].to_string().to_ascii_lowercase().replace("e+", "e"),
            same,
            "{written}: {outputs}"
        );
        let found = outputs["value"][0].as_f64().expect("a number");
        assert!((found - value).abs() <= 1e-6 * value.abs(), "{written}: {outputs}");
    }
    let problem = server.post("/predict", r#"{"features":[3.4e38,0]}"#).json();
    assert_eq!(problem["errors"][0]["code"], "not_representable", "{problem:#}");
}

#[test]
fn what_an_element_type_does_not_hold_is_refused() {
    let server = Server::over(&fixture("types.onnx"));
    for each in TYPES {
        for written in each.beyond {
            let reply = server.post("/predict", &body(each.name, written));
            let problem = reply.json();
            assert_eq!(reply.status, 400, "{} {written}: {problem:#}", each.name);
            let pointer = format!("/features/in_{}", each.name);
            let error = &problem["errors"][0];
            assert_eq!(
                (&error["pointer"], &error["code"]),
                (&json!(pointer), &json!("not_representable")),
                "{} {written}: {problem:#}",
                each.name
            );
        }
    }
    for (name, written, code) in [
        ("int8", "1.5", "wrong_type"),
        ("bool", "1", "wrong_type"),
        ("string", "1", "wrong_type"),
        ("float", "\"1\"", "wrong_type"),
    ] {
        let problem = server.post("/predict", &body(name, written)).json();
        assert_eq!(problem["errors"][0]["code"], code, "{name} {written}: {problem:#}");
    }
}
