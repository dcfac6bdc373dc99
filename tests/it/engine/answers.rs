//! Each caller gets the answer to its own row, no matter which rows share the run.

use std::{
    fs, thread,
    time::{Duration, Instant},
};

use candor::runtime::ThreadCount;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::request;
use crate::support::{
    http_client::KeepAliveClient,
    matching::json_contains,
    metrics::value_of,
    packages::{add, copy_models},
    paths::root,
    server::Server,
};

const CALLERS: usize = 64;
const MODELS: [&str; 5] = ["breast-cancer", "churn", "diabetes", "digits", "wine"];

/// Requests per caller; with `CANDOR_LONG=1` the total time instead.
const ROUNDS: usize = 6;
const LONG: Duration = Duration::from_secs(30);

/// When a run over this many versions ends, if it is bounded by time.
fn end(versions: usize) -> Option<Instant> {
    let share = u32::try_from(versions).expect("few versions");
    std::env::var("CANDOR_LONG").is_ok_and(|value| value == "1").then(|| Instant::now() + LONG / share)
}

/// A request and its expected answer.
struct Row {
    request: Vec<u8>,
    status: u16,
    answer: Value,
}

/// Sends the rows one after the other, so that each runs alone.
fn alone(server: &Server, path: &str, rows: impl Iterator<Item = Value>) -> Vec<Row> {
    let mut kept = KeepAliveClient::open(server.address).expect("a connection");
    let row = |features| {
        let request = request(path, "", &features);
        let reply = kept.ask(&request).expect("an answer");
        Row { request, status: reply.status, answer: told(reply.json()) }
    };
    rows.map(row).collect()
}

/// The answer without what differs from request to request.
fn told(mut answer: Value) -> Value {
    answer.as_object_mut().expect("an object").remove("request_id");
    answer
}

/// All callers send their own rows concurrently, and compare the answers.
fn together(server: &Server, rows: &[Row], difference: f64, end: Option<Instant>) {
    let share = rows.len().div_ceil(CALLERS);
    thread::scope(|scope| {
        for own in rows.chunks(share) {
            scope.spawn(move || {
                let mut kept = KeepAliveClient::open(server.address).expect("a connection");
                let mut round = 0;
                while end.map_or(round < ROUNDS, |end| Instant::now() < end) {
                    for row in own {
                        let reply = kept.ask(&row.request).expect("an answer");
                        let answer = told(reply.json());
                        assert_eq!(reply.status, row.status, "{answer}");
                        assert!(near(&answer, &row.answer, difference), "{answer}\nalone: {}", row.answer);
                    }
                    round += 1;
                }
            });
        }
    });
}

/// Equality within the batch difference. The published difference is the largest that the probe saw with its own rows
/// and batch sizes; other rows round differently, by a few units in the last place of single precision.
fn near(found: &Value, alone: &Value, difference: f64) -> bool {
    match (found, alone) {
        (Value::Object(found), Value::Object(alone)) => {
            found.len() == alone.len()
                && alone.iter().all(|(name, value)| found.get(name).is_some_and(|found| near(found, value, difference)))
        }
        (Value::Number(found), Value::Number(alone)) => {
            let (found, alone) = (found.as_f64().expect("a number"), alone.as_f64().expect("a number"));
            (found - alone).abs() <= difference + 4.0 * f64::from(f32::EPSILON) * alone.abs().max(1.0)
        }
        (found, alone) => found == alone,
    }
}

/// The instances of a model's golden cases.
fn golden(model: &str, version: &str) -> Vec<Value> {
    let path = root().join("models").join(model).join(version).join("golden.jsonl");
    let text = fs::read_to_string(path).expect("golden cases");
    text.lines().map(|line| serde_json::from_str::<Value>(line).expect("JSON")["features"].clone()).collect()
}

/// A new instance whose values are taken at random from two others, so that each single value is one that exists.
fn cross(left: &Value, right: &Value, seed: &mut u64) -> Value {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            let both = left.iter().map(|(name, value)| {
                (name.clone(), right.get(name).map_or_else(|| value.clone(), |other| cross(value, other, seed)))
            });
            Value::Object(both.collect())
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            left.iter().zip(right).map(|(left, right)| cross(left, right, seed)).collect()
        }
        _ => {
            // Knuth's linear congruential generator; its high bits are random enough here.
            *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            if *seed >> 63 == 0 { left.clone() } else { right.clone() }
        }
    }
}

/// Distinct rows, two per caller if there are enough golden cases.
fn distinct(golden: &[Value]) -> Vec<Value> {
    let mut seed = 7;
    let mut rows: Vec<Value> = Vec::new();
    for attempt in 0..CALLERS * 20 {
        let (left, right) = (&golden[attempt % golden.len()], &golden[(attempt * 7 + 3) % golden.len()]);
        let row = cross(left, right, &mut seed);
        if !rows.contains(&row) {
            rows.push(row);
        }
        if rows.len() == CALLERS * 2 {
            break;
        }
    }
    assert!(rows.len() >= CALLERS, "{} distinct rows", rows.len());
    rows
}

/// Sends rows of every version of every model with many concurrent callers.
fn every_model(server: &Server) {
    let versions: Vec<(&str, String)> = MODELS
        .iter()
        .flat_map(|model| {
            let described = server.get(&format!("/models/{model}")).json();
            let versions = described["versions"].as_array().expect("versions").clone();
            versions.into_iter().map(|version| (*model, version["version"].as_str().expect("a name").to_owned()))
        })
        .collect();
    for (model, version) in &versions {
        let described = server.get(&format!("/models/{model}/versions/{version}")).json();
        let difference = described["runtime"]["probe"]["largest_difference"].as_f64().expect("a number");
        let path = format!("/models/{model}/versions/{version}/predict");
        let rows = alone(server, &path, distinct(&golden(model, version)).into_iter());
        assert!(rows.iter().all(|row| row.status == 200), "{path}");
        together(server, &rows, difference, end(versions.len()));
    }
}

/// The number of runs of all models, and of the rows in them.
fn batches(server: &Server) -> (u64, u64) {
    let text = server.get("/metrics").text();
    let sum = |name: &str| -> u64 {
        let series = text.lines().filter(|line| line.starts_with(name)).filter_map(|line| line.split_once("} "));
        series.map(|(series, _)| value_of(&text, &format!("{series}}}"))).sum()
    };
    (sum("candor_batch_rows_count"), sum("candor_batch_rows_sum"))
}

/// Copies of the bundled models with these limits.
fn limited(limits: &str) -> TempDir {
    let models = copy_models(&MODELS);
    for model in MODELS {
        fs::write(models.path().join(model).join("model.toml"), format!("[limits]\n{limits}\n")).expect("written");
    }
    models
}

#[test]
fn rows_that_share_runs_on_the_callers_threads_get_their_own_answers() {
    let models = limited("deadline_ms = 20000");
    let server = Server::over(models.path());
    every_model(&server);
    let (runs, rows) = batches(&server);
    assert!(rows > runs, "rows shared runs: {rows} rows in {runs} runs");
}

#[test]
fn rows_that_share_runs_of_two_workers_get_their_own_answers() {
    let models = limited("deadline_ms = 20000");
    let server = Server::start(|config| {
        config.repository.models = models.path().to_path_buf();
        config.repository.default_model = String::new();
        config.runtime.workers = ThreadCount::Fixed(2);
    });
    let plan = &server.get("/models/churn/versions/1").json()["runtime"]["plan"];
    assert_eq!((&plan["placement"], &plan["workers"]), (&json!("workers"), &json!(2)));
    every_model(&server);
    let (runs, rows) = batches(&server);
    assert!(rows > runs, "rows shared runs: {rows} rows in {runs} runs");
}

#[test]
fn unbatched_rows_get_their_own_answers() {
    let models = limited("deadline_ms = 20000\nmax_batch_rows = 1");
    let server = Server::over(models.path());
    every_model(&server);
    let (runs, rows) = batches(&server);
    assert!(rows > 0 && rows == runs, "one row per run: {rows} rows in {runs} runs");
}

/// A repository with one fixture twice: once run on the callers' threads, once on a worker.
fn fixtures(graph: &str) -> (TempDir, Server) {
    let models = tempfile::tempdir().expect("a directory");
    for (model, limits) in [("callers", ""), ("workers", "workers = 1\n")] {
        add(models.path(), model, graph, &[]);
        let limits = format!("[limits]\ndeadline_ms = 20000\n{limits}");
        fs::write(models.path().join(model).join("model.toml"), limits).expect("written");
    }
    let server = Server::over(models.path());
    (models, server)
}

#[test]
fn rows_that_make_the_graph_fail_fail_alone() {
    let (_models, server) = fixtures("failing");
    for model in ["callers", "workers"] {
        let path = format!("/models/{model}/predict");
        // Every eighth index is out of the graph's range.
        let index = |row: i64| if row % 8 == 5 { 100 + row } else { row % 20 - 10 };
        let rows = alone(&server, &path, (0..128).map(|row| json!([index(row)])));
        for row in &rows {
            match row.status {
                200 => assert!(row.answer["prediction"].is_number()),
                status => assert_eq!((status, &row.answer["code"]), (500, &json!("inference_failed"))),
            }
        }
        assert_eq!(rows.iter().filter(|row| row.status == 500).count(), 16);
        together(&server, &rows, 0.0, None);
    }
}

#[test]
fn models_without_a_batch_axis_answer_each_caller() {
    for graph in ["unbatched", "fixed_one"] {
        let (_models, server) = fixtures(graph);
        for model in ["callers", "workers"] {
            let rows = (0..128).map(|row| json!([row, row + 1, -row]));
            let rows = alone(&server, &format!("/models/{model}/predict"), rows);
            for (row, number) in rows.iter().zip(0_i64..) {
                let y = json!([2 * number, 2 * number + 2, -2 * number]);
                let y = if graph == "fixed_one" { json!([y]) } else { y };
                assert!(json_contains(&row.answer["outputs"]["y"], &floats(&y)), "{}", row.answer);
            }
            together(&server, &rows, 0.0, None);
        }
    }
}

/// The same numbers as doubles.
fn floats(value: &Value) -> Value {
    match value {
        Value::Array(items) => items.iter().map(floats).collect(),
        value => json!(value.as_f64()),
    }
}
