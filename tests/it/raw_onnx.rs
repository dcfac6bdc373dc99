//! `candor serve file.onnx`: a graph without a package; its contract is derived from its signature.

mod classes;
mod lengths;
mod scores;
mod types;
mod with_contract;

use candor::runtime::ThreadCount;
use serde_json::{Value, json};

use crate::support::{matching::json_contains, packages::ask, paths::fixture, server::Server};

/// A fixture, what is derived from it, a request by name, and the expected content of the answer.
struct RawGraph {
    graph: &'static str,
    task: &'static str,
    features: &'static [&'static str],
    by_name: Value,
    answer: Value,
}

/// A graph with one input, the matrix `x` of two columns, and the row 1, 2.
fn pair(graph: &'static str, task: &'static str, answer: Value) -> RawGraph {
    RawGraph { graph, task, features: &["x_0", "x_1"], by_name: json!({ "x_0": 1, "x_1": 2 }), answer }
}

/// A graph that doubles three numbers.
fn triple(graph: &'static str, answer: Value) -> RawGraph {
    RawGraph {
        graph,
        task: "tensors",
        features: &["x_0", "x_1", "x_2"],
        by_name: json!({ "x_0": 1, "x_1": 2.5, "x_2": -3 }),
        answer,
    }
}

/// A graph whose only input becomes one feature.
fn one(
    graph: &'static str,
    task: &'static str,
    (feature, value): (&'static [&'static str; 1], Value),
    answer: Value,
) -> RawGraph {
    let by_name = Value::Object([(feature[0].to_owned(), value)].into_iter().collect());
    RawGraph { graph, task, features: feature, by_name, answer }
}

/// The notes about a version.
fn notes(version: &Value) -> Vec<String> {
    let notes = version["notes"].as_array().expect("notes").iter();
    notes.map(|note| note.as_str().expect("a text").to_owned()).collect()
}

/// An answer of the task `tensors`.
fn outputs(outputs: &Value) -> Value {
    json!({ "prediction": null, "outputs": outputs, "uncertainty": null, "uncertainty_method": "none" })
}

fn shapes() -> Vec<RawGraph> {
    vec![
        triple("unbatched", outputs(&json!({ "y": [2, 5, -6] }))),
        // A fixed size of one is not a batch axis of the output: the answer has it as the graph gives it.
        triple("fixed_one", outputs(&json!({ "y": [[2, 5, -6]] }))),
        one("scalar_input", "tensors", (&["x"], json!(4)), outputs(&json!({ "y": 8 }))),
        one("vector_input", "regression", (&["x"], json!(4)), json!({ "prediction": 8.0 })),
        RawGraph {
            graph: "two_outputs_unknown",
            task: "tensors",
            features: &["layer/in.0_0", "layer/in.0_1"],
            by_name: json!({ "layer/in.0_0": 1, "layer/in.0_1": -2 }),
            answer: outputs(&json!({ "out/0.a": [-1, 2], "out/0.b": [1, 2] })),
        },
        RawGraph {
            graph: "embedding",
            task: "tensors",
            features: &["ids_0", "ids_1", "ids_2", "ids_3"],
            by_name: json!({ "ids_0": 0, "ids_1": 4, "ids_2": 5, "ids_3": -1 }),
            answer: outputs(&json!({ "embedding": [[0, 0.1], [4, 4.1], [0, 0.1], [4, 4.1]] })),
        },
        RawGraph {
            graph: "slow_loop",
            task: "regression",
            features: &["x", "steps"],
            by_name: json!({ "x": 4, "steps": 2 }),
            answer: json!({ "prediction": 2.5 }),
        },
    ]
}

fn tasks() -> Vec<RawGraph> {
    vec![
        one(
            "failing",
            "regression",
            (&["index"], json!(3)),
            json!({ "prediction": 1.5, "interval": null, "unit": null }),
        ),
        one("non_finite", "regression", (&["x"], json!(1)), json!({ "prediction": 0.0 })),
        RawGraph {
            graph: "logits",
            task: "tensors",
            features: &["x_0", "x_1", "x_2", "x_3"],
            by_name: json!({ "x_0": 1, "x_1": 0, "x_2": 0, "x_3": 0 }),
            answer: outputs(&json!({ "logits": [1.1, -1, -0.1] })),
        },
        pair("binary_single", "regression", json!({ "prediction": 0.075_858_18 })),
        pair("binary_vector", "regression", json!({ "prediction": 0.075_858_18 })),
        pair("sigma", "regression", json!({ "prediction": 3.0 })),
        pair("two_values", "tensors", outputs(&json!({ "value": [3], "other": [3] }))),
        pair("negative_std", "tensors", outputs(&json!({ "value": [3], "std": [-7] }))),
        pair("two_targets", "tensors", outputs(&json!({ "y": [7, -6] }))),
        pair("quantiles", "tensors", outputs(&json!({ "q": [1.5, 3, 5] }))),
        pair("members", "tensors", outputs(&json!({ "m": [3, 2.9, 3.2, 3.1, 2.8] }))),
        pair("float64_regression", "regression", json!({ "prediction": 0.433_333_333_335_333_3 })),
        RawGraph {
            graph: "zipmap_int",
            task: "classification",
            features: &["X_0", "X_1"],
            by_name: json!({ "X_0": 5, "X_1": 5 }),
            answer: json!({ "prediction": "1", "uncertainty_method": "uncalibrated", "prediction_set": null }),
        },
        RawGraph {
            graph: "external_data",
            task: "tensors",
            features: &["x_0", "x_1", "x_2"],
            by_name: json!({ "x_0": 1, "x_1": 0, "x_2": 1 }),
            answer: outputs(&json!({ "y": [6, 8] })),
        },
    ]
}

#[test]
fn every_fixture_is_served_as_it_is() {
    for case in shapes().into_iter().chain(tasks()) {
        let server = Server::over(&fixture(&format!("{}.onnx", case.graph)));
        let name = case.graph.replace('_', "-");
        let version = server.get(&format!("/models/{name}/versions/1")).json();
        assert_eq!((&version["state"], &version["task"]), (&json!("ready"), &json!(case.task)), "{version:#}");
        assert!(notes(&version).iter().any(|note| note.starts_with("there is no contract.json")), "{version:#}");

        let contract = server.get(&format!("/models/{name}/contract")).json();
        let properties: Vec<&String> = contract["properties"].as_object().expect("properties").keys().collect();
        assert_eq!(properties, case.features, "{}", case.graph);
        assert_eq!(contract["required"], json!(case.features), "{}", case.graph);

        let by_position: Vec<&Value> = case.features.iter().map(|name| &case.by_name[*name]).collect();
        let named = ask(&server, &name, &case.by_name);
        let placed = server.post("/predict", &json!({ "features": by_position }).to_string());
        for reply in [&named, &placed] {
            assert_eq!(reply.status, 200, "{}: {}", case.graph, reply.text());
            assert!(json_contains(&reply.json(), &case.answer), "{}: {}\n{}", case.graph, reply.text(), case.answer);
        }
        assert_eq!(named.json()["features_hash"], placed.json()["features_hash"], "{}", case.graph);
    }
}

#[test]
fn a_file_with_a_long_name_is_served_by_the_beginning_of_it() {
    let place = tempfile::tempdir().expect("a directory");
    let file = place.path().join(format!("{}.onnx", "long_".repeat(20)));
    std::fs::copy(fixture("vector_input.onnx"), &file).expect("copied");
    let server = Server::over(&file);
    let models = server.get("/models").json();
    assert_eq!(models["models"][0]["name"].as_str().map(str::len), Some(64), "{models:#}");
    assert_eq!(server.post("/predict", r#"{"features":[4]}"#).json()["prediction"], 8.0);
}

#[test]
fn a_zipmap_of_whole_numbers_gives_its_keys_as_classes() {
    let server = Server::over(&fixture("zipmap_int.onnx"));
    for (x, class) in [([0, 0], "0"), ([5, 5], "1"), ([0, 9], "2")] {
        let answer = ask(&server, "zipmap-int", &json!(x)).json();
        let probabilities = answer["probabilities"].as_object().expect("probabilities").clone();
        assert_eq!(probabilities.keys().collect::<Vec<_>>(), ["0", "1", "2"], "{answer:#}");
        let sum: f64 = probabilities.values().filter_map(Value::as_f64).sum();
        let own = probabilities[class].as_f64().expect("a number");
        assert!(answer["prediction"] == class && (sum - 1.0).abs() < 1e-6 && own > 0.5, "{answer:#}");
        let uncertainty = answer["uncertainty"].as_f64().expect("a number");
        assert!((uncertainty - (1.0 - own)).abs() < 1e-6, "{answer:#}");
    }
}

#[test]
fn a_graph_that_fails_says_so_and_nothing_of_its_inside() {
    let server = Server::over(&fixture("failing.onnx"));
    for index in [10, -11, i64::MAX, i64::MIN] {
        let reply = ask(&server, "failing", &json!([index]));
        let problem = reply.json();
        assert_eq!((reply.status, reply.code().as_str()), (500, "inference_failed"), "{problem:#}");
        assert_eq!(problem["detail"], "failing failed on this input; the cause is in the log");
        let text = reply.text();
        for inside in ["Gather", "onnx", "indices", "out of", "/src/", ".onnx"] {
            assert!(!text.contains(inside), "{inside}: {text}");
        }
    }
    assert_eq!(ask(&server, "failing", &json!([9])).json()["prediction"], 4.5);
    assert_eq!(ask(&server, "failing", &json!([-10])).json()["prediction"], 0.0);
}

#[test]
fn an_answer_that_is_no_number_is_never_written() {
    let server = Server::over(&fixture("non_finite.onnx"));
    for x in [0, -1] {
        let reply = ask(&server, "non-finite", &json!([x]));
        assert_eq!((reply.status, reply.code().as_str()), (500, "non_finite_output"), "{}", reply.text());
    }
    let metrics = server.get("/metrics").text();
    let counted =
        |line: &&str| line.starts_with("candor_requests_total{") && line.contains(r#"code="non_finite_output""#);
    assert!(metrics.lines().find(counted).is_some_and(|line| line.ends_with(" 2")), "{metrics}");
}

#[test]
fn a_caller_who_will_not_wait_is_told_in_time() {
    // The measured row takes no step at all; with its own workers this model blocks no other.
    let server = Server::start(|config| {
        config.repository.models = fixture("slow_loop.onnx");
        config.repository.default_model.clear();
        config.runtime.workers = ThreadCount::Fixed(1);
    });
    let body = json!({ "features": { "x": 1, "steps": 300_000 } }).to_string();
    let headers = [("content-type", "application/json"), ("x-deadline-ms", "5")];
    let started = std::time::Instant::now();
    let reply = server.send("POST", "/predict", &headers, body.as_bytes());
    assert_eq!((reply.status, reply.code().as_str()), (504, "deadline_exceeded"), "{}", reply.text());
    assert!(started.elapsed() < std::time::Duration::from_millis(500), "{:?}", started.elapsed());
    let reply = ask(&server, "slow-loop", &json!({ "x": 4, "steps": 2 }));
    assert_eq!((reply.status, reply.json()["prediction"].clone()), (200, json!(2.5)), "{}", reply.text());
}
