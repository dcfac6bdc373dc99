//! Which columns of a table become which features: an index is left out, and an array takes its elements from columns.

use std::{fmt::Write as _, fs, path::Path};

use serde_json::{Value, json};

use super::{json, make};
use crate::support::{
    packages::ask,
    paths::{fixture, root},
    server::Server,
};

const LAGS: usize = 24;

fn lags() -> Vec<String> {
    (1..=LAGS).map(|lag| format!("lag_{lag}")).collect()
}

/// A table of lags with an index, as pandas writes it. The target is what the model computes: each lag times its place.
fn lag_table(path: &Path) {
    let mut text = format!(",{},y\n", lags().join(","));
    for row in 0..40_usize {
        let values: Vec<usize> = (0..LAGS).map(|lag| (row * 7 + lag * 3) % 11).collect();
        let target: usize = values.iter().enumerate().map(|(place, value)| place * value).sum();
        let values: Vec<String> = values.iter().map(|value| format!("{value}.5")).collect();
        // Half of each place is in the values, too.
        let _ = writeln!(text, "{row},{},{}", values.join(","), target as f64 + 0.5 * 276.0);
    }
    fs::write(path, text).expect("written");
}

#[test]
fn lag_columns_become_one_array() {
    let place = tempfile::tempdir().expect("a directory");
    let data = place.path().join("lags.csv");
    lag_table(&data);
    let out = place.path().join("models/lags/1");
    let made = make(&fixture("lags.onnx"), &data, &out, |wishes| wishes.target = Some("y".to_owned()));
    let made = made.expect("a package");
    assert!(made.inputs[0].starts_with("x float32[?, 24, 1] <- lag_1, lag_2, lag_3, "), "{:?}", made.inputs);
    assert!(
        made.notes.iter().any(|note| note.starts_with("left out the pandas index unnamed_1: ")),
        "the index is mentioned: {:?}",
        made.notes
    );
    assert_eq!(json(&out.join("contract.json"))["x-inputs"], json!([{ "tensor": "x", "features": lags() }]));

    let server = Server::over(&place.path().join("models"));
    let values: Vec<f64> = (0..LAGS).map(|lag| 1.5 + (lag % 3) as f64).collect();
    let expected: f64 = values.iter().enumerate().map(|(place, value)| place as f64 * value).sum();
    let named: Value = lags().into_iter().zip(values.iter().map(|value| json!(value))).collect();
    for features in [&named, &json!(values)] {
        let reply = ask(&server, "lags", features);
        assert_eq!(reply.json()["prediction"], json!(expected), "{}", reply.text());
    }
    let lacking = ask(&server, "lags", &json!({ "lag_1": 1 }));
    assert_eq!(lacking.code(), "data_contract_violation", "{}", lacking.text());

    let body = json!({ "features": named, "explain": true }).to_string();
    let explained = server.post("/models/lags/predict", &body).json();
    let contributions = explained["explanation"]["contributions"].as_array().expect("contributions");
    let base = explained["explanation"]["base_value"].as_f64().expect("a number");
    let sum: f64 = contributions.iter().filter_map(|entry| entry["contribution"].as_f64()).sum();
    assert_eq!(contributions.len(), LAGS, "{explained:#}");
    assert!((base + sum - expected).abs() < 1e-3, "{explained:#}");

    let document = server.get("/openapi.json").text();
    assert!(document.contains("lag_24"), "each lag is a feature of the request");
}

#[test]
fn lag_columns_can_be_named() {
    let place = tempfile::tempdir().expect("a directory");
    let data = place.path().join("lags.csv");
    lag_table(&data);
    let out = place.path().join("models/lags/1");
    let refused = make(&fixture("lags.onnx"), &data, &out, |_| {}).err().expect("refused").to_string();
    assert!(
        refused.contains("25 columns are left for the input x float32[?, 24, 1], which takes 24: lag_1, "),
        "{refused}"
    );
    let refused = make(&fixture("lags.onnx"), &data, &out, |wishes| wishes.features = lags()[1..].to_vec());
    let refused = refused.err().expect("refused").to_string();
    assert!(
        refused.contains(
            "the input x float32[?, 24, 1] takes one column of arrays, or 24 columns of single values in row-major order, \
             but the remaining columns are lag_2, "
        ),
        "{refused}"
    );
    let made = make(&fixture("lags.onnx"), &data, &out, |wishes| wishes.inputs = vec![("x".to_owned(), lags())]);
    let refused = made.err().expect("the target is left").to_string();
    assert!(refused.contains("no input of the graph takes y"), "{refused}");
    let made = make(&fixture("lags.onnx"), &data, &out, |wishes| {
        wishes.inputs = vec![("x".to_owned(), lags())];
        wishes.target = Some("y".to_owned());
    });
    assert!(made.expect("a package").inputs[0].ends_with("(by --input)"));
}

#[test]
fn an_index_is_a_feature_only_if_it_is_named() {
    let place = tempfile::tempdir().expect("a directory");
    let graph = fixture("binary_single.onnx");
    for (table, index) in [("index.csv", "unnamed_1"), ("index.parquet", "__index_level_0__")] {
        let data = root().join("tests/fixtures/tables").join(table);
        let out = place.path().join(table).join("1");
        let features = |wish: &dyn Fn(&mut candor::authoring::InitOptions)| {
            let made = make(&graph, &data, &out, |wishes| {
                wishes.name = Some("m".to_owned());
                wishes.force = true;
                wish(wishes);
            });
            let made = made.expect("a package");
            let noted = made.notes.iter().any(|note| note.contains(&format!("left out the pandas index {index}")));
            (json(&out.join("contract.json"))["x-inputs"][0]["features"].clone(), noted)
        };
        assert_eq!(features(&|_| {}), (json!(["a", "b"]), true), "{table}");
        let named = vec![index.to_owned(), "a".to_owned()];
        let chosen = |wishes: &mut candor::authoring::InitOptions| wishes.features = named.clone();
        assert_eq!(features(&chosen), (json!([index, "a"]), false), "{table}");
        let by_input = |wishes: &mut candor::authoring::InitOptions| {
            wishes.inputs = vec![("x".to_owned(), named.clone())];
            wishes.ignore = vec!["b".to_owned()];
        };
        assert_eq!(features(&by_input), (json!([index, "a"]), false), "{table}");
        let ignored = |wishes: &mut candor::authoring::InitOptions| wishes.ignore = vec![index.to_owned()];
        assert_eq!(features(&ignored), (json!(["a", "b"]), false), "{table}");
    }
}

#[test]
fn a_note_on_the_file_reaches_the_operator() {
    let place = tempfile::tempdir().expect("a directory");
    let data = place.path().join("t.csv.gz");
    fs::copy(root().join("tests/fixtures/tables/index.csv"), &data).expect("copied");
    let made = make(&fixture("binary_single.onnx"), &data, &place.path().join("m/1"), |_| {}).expect("a package");
    assert!(made.notes.iter().any(|note| note.contains("is named as gzip data, but is not compressed")));
}
