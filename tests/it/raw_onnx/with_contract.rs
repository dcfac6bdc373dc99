//! The same graphs with a contract.json, which states what the outputs mean.

use serde_json::{Value, json};

use crate::support::{
    matching::json_contains,
    packages::{ask, contract, package},
    server::Server,
};

fn numbers(names: &[&str]) -> Value {
    Value::Object(names.iter().map(|name| ((*name).to_owned(), json!({ "type": "number" }))).collect())
}

/// A binary classifier whose graph gives one score: how the positive class is decided, and the expected prediction for
/// the probability 0.3775.
fn binary(decision: &Value, prediction: &str, uncertainty: f64) -> (Value, Value) {
    let mut output = json!({ "task": "classification", "classes": ["no", "yes"], "probabilities": { "tensor": "p" } });
    if let (Value::Object(output), Value::Object(decision)) = (&mut output, decision) {
        output.extend(decision.clone());
    }
    let probabilities = json!({ "no": 0.622_459_35, "yes": 0.377_540_67 });
    (output, json!({ "prediction": prediction, "probabilities": probabilities, "uncertainty": uncertainty }))
}

fn check(graph: &str, x: &[f64], cases: &[(Value, Value)]) {
    let names: Vec<String> = (0..x.len()).map(|index| format!("f{index}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (output, answer) in cases {
        let contract = contract("x", &numbers(&names), output).to_string();
        let root = package(graph, &[("contract.json", &contract)]);
        let server = Server::over(root.path());
        let reply = ask(&server, "model", &json!(x));
        assert!(
            reply.status == 200 && json_contains(&reply.json(), answer),
            "{graph} {output}: {}\n{answer}",
            reply.text()
        );
    }
}

#[test]
fn logits_become_probabilities() {
    let probabilities = json!({ "a": 0.702_419_52, "b": 0.086_015_79, "c": 0.211_564_69 });
    let classes = json!({ "task": "classification", "classes": ["a", "b", "c"], "logits": { "tensor": "logits" } });
    let with = |threshold: f64| {
        let mut output = classes.clone();
        output["positive"] = json!("b");
        output["threshold"] = json!(threshold);
        output
    };
    let answer = |class: &str, uncertainty: f64| json!({ "prediction": class, "probabilities": probabilities, "uncertainty": uncertainty });
    check(
        "logits",
        &[1.0, 0.0, 0.0, 0.0],
        &[
            (classes.clone(), answer("a", 0.297_580_48)),
            (with(0.086), answer("b", 0.913_984_21)),
            (with(0.087), answer("a", 0.297_580_48)),
        ],
    );
}

#[test]
fn one_score_is_the_probability_of_the_second_class() {
    let cases = [
        binary(&json!({}), "no", 0.377_540_67),
        binary(&json!({ "positive": "yes", "threshold": 0.3 }), "yes", 0.622_459_35),
        binary(&json!({ "positive": "yes", "threshold": 0.4 }), "no", 0.377_540_67),
        binary(&json!({ "positive": "no", "threshold": 0.7 }), "yes", 0.622_459_35),
    ];
    for graph in ["binary_single", "binary_vector"] {
        check(graph, &[1.0, 1.0], &cases);
    }
}

#[test]
fn a_regression_takes_its_value_from_where_the_contract_says() {
    let regression = |output: Value| {
        let mut output = output;
        output["task"] = json!("regression");
        output["unit"] = json!("EUR");
        output
    };
    let answer =
        |value: f64| json!({ "prediction": value, "unit": "EUR", "uncertainty": null, "uncertainty_method": "none" });
    let value = json!({ "tensor": "value" });
    check(
        "sigma",
        &[1.0, 2.0],
        &[(regression(json!({ "value": value, "sigma": { "tensor": "sigma" } })), answer(3.0))],
    );
    let quantiles = json!({ "tensor": "q", "levels": [0.05, 0.5, 0.95] });
    check(
        "quantiles",
        &[1.0, 2.0],
        &[
            (regression(json!({ "quantiles": quantiles })), answer(3.0)),
            (regression(json!({ "value": { "tensor": "q", "column": 2 }, "quantiles": quantiles })), answer(5.0)),
        ],
    );
    // Their standard deviation is √(0.62/4).
    let ensemble = |value: f64, interval: [f64; 2]| {
        let mut answer = answer(value);
        answer["uncertainty"] = json!(0.393_700_66);
        answer["uncertainty_method"] = json!("ensemble");
        answer["interval"] = json!(interval);
        answer
    };
    check(
        "members",
        // The members are 7, 7.1, 7, 7.5 and 6.4.
        &[3.0, 2.0],
        &[
            (regression(json!({ "members": { "tensor": "m" } })), ensemble(7.0, [6.606_299_4, 7.393_700_6])),
            (
                regression(json!({ "value": { "tensor": "m", "column": 3 }, "members": { "tensor": "m" } })),
                ensemble(7.5, [7.106_299_4, 7.893_700_6]),
            ),
            (regression(json!({ "value": { "tensor": "m", "column": 3 } })), answer(7.5)),
        ],
    );
    check(
        "float64_regression",
        &[1.0, 2.0],
        &[(regression(json!({ "value": value })), answer(0.433_333_333_335_333_3))],
    );
}
