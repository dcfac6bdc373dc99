//! /metrics: both formats checked by external tools, every metric present, labels bounded, exemplars that lead to the
//! request.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::Write as _,
    net::TcpStream,
    process::Command,
    sync::LazyLock,
};

use candor::telemetry::Metrics;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    external_tools::{python, tool},
    metrics::{scraped, series, value_of, wait_for},
    packages::{add, ask, contract, copy_models},
    paths::fixture,
    server::Server,
    wait::wait_until,
};

/// The Accept header of Prometheus 3.
const PROMETHEUS: &str = "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,\
                          application/openmetrics-text;version=0.0.1;q=0.4,text/plain;version=1.0.0;\
                          escaping=allow-utf-8;q=0.3,text/plain;version=0.0.4;q=0.2,*/*;q=0.1";

const TEXT: &str = "text/plain; version=0.0.4; charset=utf-8";
const OPENMETRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

fn scrape(server: &Server, accept: &str) -> String {
    let reply = server.send("GET", "/metrics", &[("accept", accept)], b"");
    assert_eq!(reply.status, 200);
    reply.text()
}

/// A server after good, bad and rejected requests of every kind, its models, and its metrics at that point.
static USED: LazyLock<(Server, TempDir, String)> = LazyLock::new(|| {
    let root = copy_models(&["churn", "diabetes/1"]);
    add(root.path(), "slow", "slow_loop", &[]);
    // With its own worker this model does not block the others.
    fs::write(root.path().join("slow/model.toml"), "[limits]\nworkers = 1\n").expect("written");
    add(root.path(), "broken", "members", &[("contract.json", "{}")]);
    let server = Server::start(|config| {
        config.repository.models = root.path().to_path_buf();
        "churn".clone_into(&mut config.repository.default_model);
    });
    traffic(&server);
    cancel(&server);
    let counted = scrape(&server, "text/plain");
    (server, root, counted)
});

/// A server with a model whose version 2 is an arm of an experiment and the shadow of version 1, and one whose version 2
/// takes over by itself.
fn with_rollouts() -> (Server, TempDir) {
    let models = tempfile::tempdir().expect("a directory");
    let root = models.path();
    let features = json!({ "x0": { "type": "number" }, "x1": { "type": "number" } });
    let output = json!({ "task": "classification", "classes": ["no", "yes"], "probabilities": { "tensor": "p" } });
    let document = contract("x", &features, &output).to_string();
    let experiment = "[experiment]\nname = \"a\"\narms.new = { version = \"2\", percent = 50 }\n";
    let shadow = r#"{"stable": "1", "shadow": {"version": "2", "percent": 100}}"#;
    for (model, settings, state) in
        [("shadowed", experiment, shadow), ("promoted", "promote = \"newest\"\n", r#"{"stable": "1"}"#)]
    {
        add(root, model, "rollout_stable", &[("contract.json", &document)]);
        fs::create_dir(root.join(model).join("2")).expect("a directory");
        fs::copy(fixture("rollout_stable.onnx"), root.join(model).join("2/model.onnx")).expect("copied");
        fs::write(root.join(model).join("2/contract.json"), &document).expect("written");
        fs::write(root.join(model).join("model.toml"), settings).expect("written");
        fs::write(root.join(model).join("rollout.json"), state).expect("written");
    }
    let server = Server::over(root);
    let second = |name: &str, more: &str| format!("candor_{name}{{model=\"shadowed\",version=\"2\"{more}}}");
    let requests = |name: &str, more: &str| scraped(&server, &second(name, more));
    wait_until("a shadow and an arm answer", || {
        ask(&server, "shadowed", &json!({ "x0": 1, "x1": 2 }));
        let answered = requests("shadow_difference_count", "");
        answered > 0 && requests("variant_requests_total", ",variant=\"new\",outcome=\"ok\"") > 0
    });
    wait_for(&server, "candor_automatic_moves_total{model=\"promoted\",move=\"promote\"}", 1);
    (server, models)
}

fn traffic(server: &Server) {
    let churn = |more: &str| format!(r#"{{"features":{{"tenure_months":4,"monthly_charge":79.5{more}}}}}"#);
    let slow = json!({ "features": [1, 300_000] }).to_string();
    let diabetes = server.get("/models/diabetes/versions/1").json()["example"].to_string();
    for (path, body, status) in [
        ("/predict", churn(r#","plan":"basic""#), 200),
        // Outside of x-expected but within the contract.
        ("/models/churn/predict", churn(r#","plan":"basic","age":129"#), 200),
        ("/models/churn/versions/1/predict", churn(r#","plan":"pro""#), 400),
        ("/predict", churn(""), 400),
        ("/predict", r#"{"features":{"gender":1}}"#.to_owned(), 400),
        ("/predict", "{".to_owned(), 400),
        ("/models/diabetes/predict", diabetes, 200),
        ("/models/nobody/predict", "{}".to_owned(), 404),
        ("/models/nobody-else/predict", "{}".to_owned(), 404),
        ("/models/churn/versions/9/predict", "{}".to_owned(), 404),
        ("/models/broken/predict", "{}".to_owned(), 503),
        ("/nowhere", "{}".to_owned(), 404),
        ("/models", "{}".to_owned(), 405),
    ] {
        let reply = server.post(path, &body);
        assert_eq!(reply.status, status, "{path} {body}: {}", reply.text());
    }
    assert_eq!(server.send("POST", "/predict", &[("content-type", "text/plain")], b"{}").status, 415);
    let late = [("content-type", "application/json"), ("x-deadline-ms", "5")];
    assert_eq!(server.send("POST", "/models/slow/predict", &late, slow.as_bytes()).status, 504);
    assert_eq!(server.get("/models/churn").status, 200);
}

/// A client that disconnects while its request runs.
fn cancel(server: &Server) {
    let body = json!({ "features": [1, 300_000] }).to_string();
    let head = "POST /models/slow/predict HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: ";
    let mut stream = TcpStream::connect(server.address).expect("a connection");
    write!(stream, "{head}{}\r\nexpect: 100-continue\r\n\r\n", body.len()).expect("sent");
    // The unread 100 Continue makes the close a reset, so the server knows that nobody will read the response.
    stream.peek(&mut [0]).expect("it may go on");
    write!(stream, "{body}").expect("sent");
    wait_for(server, &series("requests_in_flight", "slow", ""), 1);
    drop(stream);
    wait_for(server, &series("cancelled_total", "slow", ",stage=\"request\""), 1);
}

/// The samples of a text: name, labels, value.
fn samples(text: &str) -> Vec<(String, BTreeMap<String, String>, f64)> {
    let sample = |line: &str| {
        let (series, rest) = line.split_once("} ").unwrap_or_else(|| line.split_once(' ').expect("a value"));
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let labels = labels.split("\",").filter_map(|pair| pair.split_once("=\""));
        let labels = labels.map(|(name, value)| (name.to_owned(), value.trim_end_matches('"').to_owned())).collect();
        let value = rest.split(' ').next().and_then(|value| value.parse().ok()).unwrap_or(f64::NAN);
        (name.to_owned(), labels, value)
    };
    text.lines().filter(|line| !line.starts_with('#')).map(sample).collect()
}

#[test]
fn promtool_finds_nothing_to_say() {
    let (server, ..) = &*USED;
    let text = scrape(server, "text/plain");
    let remedy = "promtool comes with Debian's package prometheus: apt-get install prometheus";
    assert_eq!(tool(Command::new("promtool").args(["check", "metrics"]), remedy, &text), "");
    // A server without any requests is scraped too.
    let fresh = Server::over(&crate::support::paths::fixture("types.onnx"));
    assert_eq!(tool(Command::new("promtool").args(["check", "metrics"]), remedy, &scrape(&fresh, "text/plain")), "");
}

#[test]
fn every_metric_of_the_table_is_there_with_its_labels() {
    let (server, ..) = &*USED;
    let (with_rollouts, _models) = with_rollouts();
    let found = [server, &with_rollouts].map(|server| samples(&scrape(server, "text/plain"))).concat();
    for described in Metrics::descriptions() {
        let own = |name: &str| {
            let rest = name.strip_prefix(described.name);
            rest.is_some_and(|rest| ["", "_bucket", "_sum", "_count"].contains(&rest))
        };
        let mut series = found.iter().filter(|(name, _, _)| own(name)).peekable();
        assert!(series.peek().is_some(), "{} is missing", described.name);
        let expected: BTreeSet<&str> = described.labels.iter().copied().collect();
        for (name, labels, _) in series {
            let labels: BTreeSet<&str> = labels.keys().map(String::as_str).filter(|label| *label != "le").collect();
            assert_eq!(labels, expected, "{name}");
        }
    }
    for name in ["process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"] {
        assert!(found.iter().any(|(found, _, _)| found == name), "{name} is missing");
    }
}

#[test]
fn each_request_is_counted_where_it_belongs() {
    let (_, _, counted) = &*USED;
    let found = samples(counted);
    let churn = ("churn", "1");
    for (name, (model, version), labels, value) in [
        ("candor_requests_total", churn, &[("route", "/predict"), ("status", "200"), ("code", "ok")][..], 1.0),
        ("candor_requests_total", churn, &[("route", "/models/{model}/predict"), ("code", "ok")], 1.0),
        ("candor_requests_total", churn, &[("route", "/predict"), ("code", "data_contract_violation")], 2.0),
        ("candor_requests_total", churn, &[("route", "/predict"), ("code", "malformed_json"), ("status", "400")], 1.0),
        ("candor_requests_total", ("_unknown", ""), &[("code", "unknown_model"), ("status", "404")], 2.0),
        ("candor_requests_total", churn, &[("code", "unsupported_media_type")], 1.0),
        ("candor_requests_total", ("slow", "1"), &[("code", "deadline_exceeded"), ("status", "504")], 1.0),
        ("candor_contract_violations_total", churn, &[("feature", "plan"), ("code", "not_in_enum")], 1.0),
        ("candor_contract_violations_total", churn, &[("feature", "plan"), ("code", "missing")], 2.0),
        ("candor_contract_violations_total", churn, &[("feature", "_unknown"), ("code", "unknown_feature")], 1.0),
        ("candor_contract_warnings_total", churn, &[("feature", "age")], 1.0),
        ("candor_requests_shed_total", ("slow", "1"), &[("reason", "deadline")], 1.0),
        ("candor_request_duration_seconds_count", churn, &[("route", "/predict"), ("outcome", "ok")], 1.0),
        ("candor_request_duration_seconds_count", churn, &[("route", "/predict"), ("outcome", "refused")], 4.0),
        ("candor_request_duration_seconds_count", ("slow", "1"), &[("outcome", "failed")], 1.0),
        ("candor_request_duration_seconds_count", ("slow", "1"), &[("outcome", "cancelled")], 1.0),
        ("candor_uncertainty_count", churn, &[], 2.0),
        ("candor_prediction_value_count", ("diabetes", "1"), &[], 1.0),
        ("candor_stage_duration_seconds_count", churn, &[("stage", "encode")], 2.0),
        ("candor_model_state", churn, &[("state", "ready")], 1.0),
        ("candor_model_state", ("broken", "1"), &[("state", "unavailable")], 1.0),
        ("candor_model_info", churn, &[("uncertainty_method", "uncalibrated+lac"), ("provider", "cpu")], 1.0),
    ] {
        let fits = |of: &BTreeMap<String, String>| {
            let both = [("model", model), ("version", version)];
            both.iter().chain(labels).all(|(name, value)| of.get(*name).is_some_and(|found| found == value))
        };
        let sum: f64 = found.iter().filter(|(found, of, _)| found == name && fits(of)).map(|(_, _, value)| value).sum();
        assert!((sum - value).abs() < 1e-9, "{name} {model} {labels:?}: {sum}");
    }
    let models: BTreeSet<&String> = found.iter().filter_map(|(_, labels, _)| labels.get("model")).collect();
    assert_eq!(models, ["", "_unknown", "broken", "churn", "diabetes", "slow"].map(str::to_owned).iter().collect());
    let routes: BTreeSet<&String> = found.iter().filter_map(|(_, labels, _)| labels.get("route")).collect();
    assert!(!routes.iter().any(|route| route.contains("nobody") || route.contains("nowhere")), "{routes:?}");
}

/// The number of prediction requests that [`traffic`] and [`cancel`] send.
const PREDICTIONS_ASKED: f64 = 14.0;

#[test]
fn every_request_is_counted_once_under_one_outcome() {
    let (_, _, counted) = &*USED;
    let found = samples(counted);
    // Requests by model, version and outcome, as each of the two metric families counts them.
    let by_outcome = |name: &str, outcome: &dyn Fn(&BTreeMap<String, String>) -> String| {
        let mut sums: BTreeMap<[String; 3], f64> = BTreeMap::new();
        for (_, labels, value) in found.iter().filter(|(found, _, _)| found == name) {
            if labels["route"].ends_with("/predict") {
                let key = [labels["model"].clone(), labels["version"].clone(), outcome(labels)];
                *sums.entry(key).or_default() += value;
            }
        }
        sums.retain(|_, sum| *sum > 0.0);
        sums
    };
    let requests = by_outcome("candor_requests_total", &|labels| {
        let outcome = match (labels["code"].as_str(), labels["status"].as_str()) {
            ("ok", "200") => "ok",
            ("cancelled", "499") => "cancelled",
            (_, "500" | "504") => "failed",
            (_, status) if status.starts_with('4') || status == "503" => "refused",
            (code, status) => panic!("{code} with status {status} is no outcome"),
        };
        outcome.to_owned()
    });
    let durations = by_outcome("candor_request_duration_seconds_count", &|labels| labels["outcome"].clone());
    assert_eq!(requests, durations);
    let outcomes: BTreeSet<&str> = requests.keys().map(|[_, _, outcome]| outcome.as_str()).collect();
    assert_eq!(outcomes, BTreeSet::from(["ok", "refused", "failed", "cancelled"]));
    let received: f64 = requests.values().sum();
    assert!((received - PREDICTIONS_ASKED).abs() < 1e-9, "{requests:#?}");

    // One request was cancelled and one was too late: each is counted in one series, and in no other of that label.
    let sum = |name: &str, label: &str, value: &str| -> f64 {
        let of = found.iter().filter(|(found, labels, _)| found == name && labels[label] == value);
        of.map(|(_, _, value)| value).sum()
    };
    for (name, label, value, code) in [
        ("cancelled_total", "stage", "request", "cancelled"),
        ("requests_shed_total", "reason", "deadline", "deadline_exceeded"),
    ] {
        let one = series(name, "slow", &format!(",{label}=\"{value}\""));
        assert_eq!(value_of(counted, &one), 1, "{one}");
        let (detailed, counted) =
            (sum(&format!("candor_{name}"), label, value), sum("candor_requests_total", "code", code));
        assert!((detailed - 1.0).abs() < 1e-9 && (counted - 1.0).abs() < 1e-9, "{one} {detailed}, {code} {counted}");
    }
}

#[test]
fn the_format_is_what_accept_asks_for() {
    let (server, ..) = &*USED;
    for (accept, kind) in [
        (None, TEXT),
        (Some(""), TEXT),
        (Some("*/*"), TEXT),
        (Some("text/plain"), TEXT),
        (Some("text/html, */*;q=0.5"), TEXT),
        (Some("application/openmetrics-text"), OPENMETRICS),
        (Some("application/openmetrics-text; version=1.0.0"), OPENMETRICS),
        (Some(PROMETHEUS), OPENMETRICS),
        (Some("text/plain;q=0.9, application/openmetrics-text;q=0.1"), TEXT),
        (Some("application/openmetrics-text;q=0, text/plain"), TEXT),
        // The worse version comes first; the better one counts.
        (
            Some(
                "application/openmetrics-text;version=0.0.1;q=0.1, text/plain;q=0.2, application/openmetrics-text;version=1.0.0;q=0.9",
            ),
            OPENMETRICS,
        ),
    ] {
        let headers: Vec<(&str, &str)> = accept.map(|accept| ("accept", accept)).into_iter().collect();
        let reply = server.send("GET", "/metrics", &headers, b"");
        assert_eq!((reply.status, reply.header("content-type")), (200, Some(kind)), "{accept:?}");
        assert_eq!(reply.text().ends_with("# EOF\n"), kind == OPENMETRICS, "{accept:?}");
    }
}

/// Parses OpenMetrics with Prometheus's own client, and prints every exemplar with its sample.
const PARSE: &str = "
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
found = []
for family in text_string_to_metric_families(sys.stdin.read()):
    for sample in family.samples:
        if sample.exemplar:
            found.append({'family': family.name, 'unit': family.unit, 'name': sample.name, 'labels': sample.labels,
                          'exemplar': sample.exemplar.labels, 'value': sample.exemplar.value})
print(json.dumps(found))
";

#[test]
fn a_request_is_found_again_by_its_exemplar() {
    let (server, ..) = &*USED;
    let body = br#"{"features":{"tenure_months":4,"monthly_charge":79.5,"plan":"basic"}}"#;
    let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
    let parent = format!("00-{trace}-00f067aa0ba902b7-01");
    let headers = [("content-type", "application/json"), ("x-request-id", "find-me-1"), ("traceparent", &parent)];
    let reply = server.send("POST", "/models/churn/versions/1/predict", &headers, body);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let uncertainty = reply.json()["uncertainty"].as_f64().expect("a number");

    let exemplars: Value = serde_json::from_str(&python(PARSE, &scrape(server, PROMETHEUS))).expect("JSON");
    let mine: Vec<&Value> = exemplars
        .as_array()
        .expect("a list")
        .iter()
        .filter(|one| one["exemplar"]["request_id"] == "find-me-1")
        .collect();
    for (family, count) in [("candor_request_duration_seconds", 1), ("candor_uncertainty", 1), ("candor_requests", 1)] {
        let here: Vec<&&Value> = mine.iter().filter(|one| one["family"] == family).collect();
        assert_eq!(here.len(), count, "{family}: {mine:#?}");
        assert_eq!(here[0]["exemplar"]["trace_id"], trace, "{family}");
        assert_eq!((&here[0]["labels"]["model"], &here[0]["labels"]["version"]), (&json!("churn"), &json!("1")));
    }
    let text = scrape(server, PROMETHEUS);
    for one in mine.iter().filter(|one| one["labels"]["le"].is_string()) {
        let bound: f64 =
            one["labels"]["le"].as_str().expect("a bound").replace("+Inf", "inf").parse().expect("a number");
        let value = one["value"].as_f64().expect("a number");
        let below = bounds(&text, one["name"].as_str().expect("a name")).into_iter().rfind(|other| *other < bound);
        assert!(value <= bound && below.is_none_or(|below| value > below), "{below:?} {value} {bound}");
        if one["family"] == "candor_uncertainty" {
            assert!((value - uncertainty).abs() < 1e-6, "{value} {uncertainty}");
        }
    }
    let durations = mine.iter().find(|one| one["family"] == "candor_request_duration_seconds").expect("one");
    assert_eq!(durations["unit"], "seconds");
}

/// The bounds of a histogram's buckets in ascending order.
fn bounds(text: &str, name: &str) -> Vec<f64> {
    let found = samples(text);
    let mut bounds: Vec<f64> = found
        .iter()
        .filter(|(found, _, _)| found == name)
        .filter_map(|(_, labels, _)| labels.get("le")?.replace("+Inf", "inf").parse().ok())
        .collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    bounds
}

#[test]
fn refused_requests_leave_exemplars_too() {
    let (server, ..) = &*USED;
    let headers = [("content-type", "application/json"), ("x-request-id", "refused-1")];
    // Not the route of the test above: both may run at once, and a bucket keeps only its newest exemplar.
    let reply = server.send("POST", "/models/churn/predict", &headers, b"{\"features\":{}}");
    assert_eq!(reply.status, 400);
    let text = scrape(server, PROMETHEUS);
    let exemplar = text
        .lines()
        .find(|line| line.contains("request_id=\"refused-1\"") && line.starts_with("candor_requests_total"));
    assert!(exemplar.is_some_and(|line| line.contains("code=\"data_contract_violation\"")), "{text}");
    // The older format has no exemplars.
    assert!(!scrape(server, "text/plain").contains("refused-1"));
    assert_eq!(ask(server, "churn", &json!({})).status, 400);
}
