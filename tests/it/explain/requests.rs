//! Explanations over HTTP: requests and responses.

use serde_json::{Value, json};

use super::{codes, contributions, explain, explainable, explained, number, profile, sum};
use crate::support::{
    external_tools::python,
    matching::json_contains,
    packages::{contract, package},
    paths::fixture,
    server::Server,
};

fn subscriber() -> Value {
    json!({
        "tenure_months": 26, "monthly_charge": 62.5, "support_calls": 1, "contract_months": 12, "age": 40,
        "plan": "plus", "payment_method": "card", "autopay": true,
    })
}

const LEAVING: &str =
    r#"{"tenure_months": 4, "monthly_charge": 79.5, "plan": "basic", "support_calls": null, "age": 31}"#;

fn leaving() -> Value {
    serde_json::from_str(LEAVING).expect("JSON")
}

/// Whether two explanations are equal up to the last bits, which depend on how rows were batched.
fn same(one: &Value, other: &Value) -> bool {
    let entry = |entry: &Value| (entry["feature"].to_string(), entry.clone());
    let by_name = |explanation: &Value| -> Value { contributions(explanation).iter().map(entry).collect() };
    one["rows"] == other["rows"] && json_contains(&by_name(one), &by_name(other))
}

#[test]
fn an_explanation_says_what_each_feature_adds() {
    let root = explainable("churn/1", Some(&profile(&subscriber())), "");
    let server = Server::over(root.path());
    let reply = explain(&server, &leaving());
    let answer = reply.json();
    let explanation = &answer["explanation"];
    let members: Vec<&String> = explanation.as_object().expect("an explanation").keys().collect();
    let expected = ["method", "baseline", "base_value", "contributions", "standard_error", "rows", "complete"];
    assert_eq!(members, expected);
    assert_eq!(
        (explanation["method"].as_str(), explanation["baseline"].as_str()),
        (Some("shapley-exact"), Some("profile median/mode"))
    );
    assert_eq!((&explanation["standard_error"], &explanation["complete"]), (&json!(0.0), &json!(true)));

    // Payment method has the contract's default as baseline, so seven features differ: 2^7 coalitions, of which the
    // full one is the prediction itself.
    assert_eq!(explanation["rows"], 127);
    let entry = |name: &str| contributions(explanation).iter().find(|entry| entry["feature"] == name).expect(name);
    let shown = |name: &str| (entry(name)["value"].clone(), entry(name)["baseline"].clone());
    assert_eq!(shown("tenure_months"), (json!(4), json!(26)));
    assert_eq!(shown("plan"), (json!("basic"), json!("plus")));
    assert_eq!(shown("support_calls"), (Value::Null, json!(1)), "a missing value counts as a value");
    assert_eq!(shown("contract_months"), (json!(1), json!(12)), "the contract's default");
    assert_eq!(shown("payment_method"), (json!("card"), json!("card")), "the contract's default");
    assert_eq!(shown("autopay"), (json!(false), json!(true)), "the contract's default");
    assert_eq!(shown("age"), (Value::Null, Value::Null), "a sensitive value is not shown");
    assert_eq!(
        (&entry("payment_method")["contribution"], &entry("payment_method")["standard_error"]),
        (&json!(0.0), &json!(0.0))
    );

    let sizes: Vec<f64> = contributions(explanation).iter().map(|entry| number(&entry["contribution"]).abs()).collect();
    assert!(sizes.len() == 8 && sizes.is_sorted_by(|left, right| left >= right), "the largest first: {sizes:?}");
    let explained = number(&answer["probabilities"][answer["prediction"].as_str().expect("a class")]);
    assert!((number(&explanation["base_value"]) + sum(explanation) - explained).abs() < 1e-6);

    let positional = json!([4, 79.5, null, 1, 31, "basic", "card", false]);
    assert!(same(&explain(&server, &positional).json()["explanation"], explanation));
    let timing = reply.header("server-timing").expect("the stages");
    assert!(timing.contains("explain;dur="), "{timing}");
    let metrics = server.get("/metrics").text();
    for line in [
        r#"candor_explain_rows_total{model="churn",version="1"} 254"#,
        r#"candor_stage_duration_seconds_count{model="churn",version="1",stage="explain"} 2"#,
    ] {
        assert!(metrics.contains(line), "{line}\n{metrics}");
    }
    let about = server.get("/models/churn/versions/1").json();
    assert_eq!(about["limits"]["max_explain_rows"], 4096);
}

#[test]
fn who_does_not_ask_gets_none_and_pays_nothing() {
    let root = explainable("churn/1", Some(&profile(&subscriber())), "");
    let server = Server::over(root.path());
    for more in ["", r#","explain":false"#] {
        let reply = server.post("/predict", &format!(r#"{{"features":{LEAVING}{more}}}"#));
        assert_eq!((&reply.json()["explanation"], &reply.json()["warnings"]), (&Value::Null, &json!([])));
        assert!(!reply.header("server-timing").expect("the stages").contains("explain"));
    }
    assert!(server.get("/metrics").text().contains(r#"candor_explain_rows_total{model="churn",version="1"} 0"#));
}

#[test]
fn an_instance_like_the_baseline_needs_no_rows() {
    let root = explainable("churn/1", Some(&profile(&subscriber())), "");
    let answer = explained(root.path(), &subscriber());
    let explanation = &answer["explanation"];
    assert_eq!((&explanation["rows"], &explanation["complete"]), (&json!(0), &json!(true)));
    assert_eq!(explanation["base_value"], answer["probabilities"][answer["prediction"].as_str().expect("a class")]);
    assert!(contributions(explanation).iter().all(|entry| entry["contribution"] == json!(0.0)), "{explanation}");
}

#[test]
fn a_sampled_explanation_is_the_same_each_time() {
    let about = Server::shared().get("/models/breast-cancer/versions/1").json();
    let usual = &about["example"]["features"];
    let other = usual.as_object().expect("by name").iter();
    let other: Value = other.map(|(name, value)| (name.clone(), json!(number(value) * 1.3))).collect();
    let root = explainable("breast-cancer/1", Some(&profile(usual)), "max_explain_rows = 600\n");
    let server = Server::over(root.path());
    let (once, again) = (explain(&server, &other).json(), explain(&server, &other).json());
    assert!(same(&once["explanation"], &again["explanation"]), "{once}\n{again}");
    assert_eq!(once["explanation"]["method"], "shapley-permutation");
    assert!(number(&once["explanation"]["standard_error"]) > 0.0, "{once}");
}

#[test]
fn an_array_is_one_feature_with_the_background_row_as_its_baseline() {
    let (dark, light) = (json!(vec![vec![0; 8]; 8]), json!(vec![vec![9; 8]; 8]));
    let root = explainable("digits/1", Some(&profile(&json!({ "image": dark }))), "");
    let answer = explained(root.path(), &json!({ "image": light }));
    let explanation = &answer["explanation"];
    assert_eq!((&explanation["rows"], &explanation["method"]), (&json!(1), &json!("shapley-exact")));
    let [image] = contributions(explanation) else { panic!("{explanation}") };
    assert_eq!((&image["value"], &image["baseline"]), (&Value::Null, &Value::Null), "an array is not repeated");

    let mut without = profile(&json!({ "image": dark }));
    without["background"] = json!([]);
    let answer = explained(explainable("digits/1", Some(&without), "").path(), &json!({ "image": light }));
    assert_eq!((&answer["explanation"], codes(&answer)), (&Value::Null, vec!["explanation_unavailable"]));
    let detail = answer["warnings"][0]["detail"].as_str().expect("a detail");
    assert_eq!(detail, "profile.json has no value of image that the contract accepts as a baseline");
}

#[test]
fn a_baseline_that_the_contract_refuses_is_replaced_or_named() {
    // Most rows have no payment method, and the contract rejects null: the feature is left out, which means its
    // default. The contract rejects the median of the charge; the background row has an admitted one.
    let mut found = profile(&subscriber());
    found["features"]["payment_method"]["missing"] = json!(0.9);
    found["features"]["monthly_charge"]["median"] = json!(-1.0);
    found["features"]["monthly_charge"]["minimum"] = json!(-1.0);
    let answer = explained(explainable("churn/1", Some(&found), "").path(), &leaving());
    let explanation = &answer["explanation"];
    let baseline = |name: &str| {
        let entry = contributions(explanation).iter().find(|entry| entry["feature"] == name);
        entry.expect(name)["baseline"].clone()
    };
    assert_eq!((baseline("payment_method"), baseline("monthly_charge")), (json!("card"), json!(62.5)));

    found["background"] = json!([]);
    let answer = explained(explainable("churn/1", Some(&found), "").path(), &leaving());
    assert_eq!((&answer["explanation"], codes(&answer)), (&Value::Null, vec!["explanation_unavailable"]));
    let detail = answer["warnings"][0]["detail"].as_str().expect("a detail");
    assert!(detail.starts_with("profile.json has no value of monthly_charge that the contract accepts"), "{detail}");
}

#[test]
fn what_cannot_be_explained_is_answered_all_the_same_and_says_why() {
    let none = explainable("churn/1", None, "");
    let off = explainable("churn/1", Some(&profile(&subscriber())), "max_explain_rows = 0\n");
    let cases = [
        (
            none.path(),
            "no_profile",
            "churn has no profile.json, which provides the baseline; create it with `candor init model.onnx --data \
             train.csv`",
        ),
        (off.path(), "explanation_unavailable", "explanations of churn are disabled"),
    ];
    for (root, code, detail) in cases {
        let answer = explained(root, &leaving());
        assert_eq!((&answer["explanation"], &answer["prediction"]), (&Value::Null, &json!("churn")));
        assert_eq!(answer["warnings"], json!([{ "pointer": "/explain", "code": code, "detail": detail }]));
    }
    let answer = explained(&fixture("embedding.onnx"), &json!([1, 2, 3, 4]));
    assert_eq!((&answer["explanation"], codes(&answer)), (&Value::Null, vec!["explanation_unavailable"]));
}

#[test]
fn a_row_that_the_model_cannot_answer_costs_the_explanation_only() {
    let output = json!({ "task": "regression", "value": { "tensor": "value" } });
    let mut contract = contract("x", &json!({ "x": { "type": "number" } }), &output);
    contract["examples"] = json!([{ "x": 1.0 }]);
    let contract = contract.to_string();
    // The graph returns the logarithm, and the baseline is negative.
    let profile = profile(&json!({ "x": -1.0 })).to_string();
    let root = package("non_finite", &[("contract.json", &contract), ("profile.json", &profile)]);
    let answer = explained(root.path(), &json!({ "x": 1.0 }));
    assert_eq!((&answer["prediction"], &answer["explanation"]), (&json!(0.0), &Value::Null));
    assert_eq!(codes(&answer), ["explanation_failed"]);
}

/// Validates answers against the document's own schema.
const JUDGE: &str = "
import json, sys
from jsonschema import Draft202012Validator
given = json.load(sys.stdin)
schema = {'$ref': '#/components/schemas/churn.answer', 'components': given['document']['components']}
for answer in given['answers']:
    Draft202012Validator(schema).validate(answer)
";

#[test]
fn explanations_are_as_openapi_says() {
    let root = explainable("churn/1", Some(&profile(&subscriber())), "");
    let server = Server::over(root.path());
    let answers = [explain(&server, &leaving()).json(), explain(&server, &subscriber()).json()];
    assert!(answers.iter().all(|answer| answer["explanation"].is_object()));
    python(JUDGE, &json!({ "document": server.get("/openapi.json").json(), "answers": answers }).to_string());
}
