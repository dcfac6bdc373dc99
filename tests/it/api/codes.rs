//! Every error code is produced by a request, with its status and its complete body.

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{Arc, mpsc},
};

use candor::{
    api::{
        http::{AccessControl, AccessSummary, AppState, Scrapes, data_service, error_codes, status},
        transport::Connection,
    },
    lifecycle::{Phase, Shutdown},
    serving::{Recorder, Shadows},
};

use crate::support::{
    fake_executor,
    http_client::{Reply, raw},
    metrics::{series, wait_for},
    packages::copy_models,
    paths::fixture,
    server::{Server, block_on, config, log, send_to},
    wait::TEST_TIMEOUT,
};

const GOOD: &str = r#"{"features":{"tenure_months":4,"monthly_charge":79.5,"plan":"basic"}}"#;
const JSON: (&str, &str) = ("content-type", "application/json");

/// The SHA-256 of `s3cret`.
const DIGEST: &str = "1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0";

fn refused_by_the_request() -> Vec<(&'static str, Reply)> {
    let server = Server::shared();
    let send = |headers: &[(&str, &str)], body: &str| server.send("POST", "/predict", headers, body.as_bytes());
    vec![
        ("malformed_json", server.post("/predict", "{\"features\":\n  {\"tenure_months\": 4,}}")),
        (
            "data_contract_violation",
            server.post("/predict", r#"{"features":{"monthly_charge":-1,"plan":"pro"},"explain":"yes"}"#),
        ),
        ("invalid_header", send(&[JSON, ("x-deadline-ms", "soon")], GOOD)),
        ("unknown_model", server.post("/models/chrun/predict", GOOD)),
        ("unknown_version", server.post("/models/churn/versions/9/predict", GOOD)),
        ("not_found", server.get("/predictions")),
        ("method_not_allowed", server.get("/predict")),
        ("not_acceptable", send(&[JSON, ("accept", "text/html")], GOOD)),
        ("body_too_large", server.post("/predict", &format!("{{\"features\":\"{}\"}}", "x".repeat(2_000_000)))),
        ("unsupported_media_type", send(&[("content-type", "text/plain")], GOOD)),
        ("unsupported_encoding", send(&[JSON, ("content-encoding", "br")], GOOD)),
    ]
}

fn refused_by_security() -> Vec<(&'static str, Reply)> {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let text = format!("[[caller]]\nname = \"web\"\ntoken_sha256 = \"{DIGEST}\"\nmodels = [\"churn\"]\n");
    std::fs::write(file.path(), text).expect("written");
    let server = Server::start(|config| {
        config.security.tokens_file = file.path().to_path_buf();
        config.security.rate_limit_per_second = 1;
        config.security.rate_limit_burst = 2;
    });
    let with = |path: &str| server.send("POST", path, &[JSON, ("authorization", "Bearer s3cret")], GOOD.as_bytes());
    let good = with("/predict");
    assert_eq!((good.status, good.header("ratelimit-policy")), (200, Some("\"default\";q=2;w=1")));
    let replies = vec![
        ("unauthenticated", server.post("/predict", GOOD)),
        ("forbidden", with("/models/wine/predict")),
        ("rate_limited", with("/predict")),
    ];
    assert_eq!(replies[0].1.header("www-authenticate"), Some("Bearer"));
    assert_eq!(replies[2].1.header("retry-after"), Some("1"));
    assert_eq!(replies[2].1.header("ratelimit"), Some("\"default\";r=0;t=1"));
    assert_eq!(server.get("/readyz").status, 200, "health checks need no token");
    replies
}

fn failed_by_the_model() -> Vec<(&'static str, Reply)> {
    let failing = Server::over(&fixture("failing.onnx"));
    let non_finite = Server::over(&fixture("non_finite.onnx"));
    let broken = tempfile::tempdir().expect("a directory");
    std::fs::create_dir_all(broken.path().join("broken/1")).expect("made");
    std::fs::write(broken.path().join("broken/1/model.onnx"), "not a graph").expect("written");
    let broken = Server::start(|config| {
        config.repository.models = broken.path().to_path_buf();
        config.repository.default_model = String::new();
    });
    // Valid at load, where the generated instances are near zero.
    let untrue = Server::over(&fixture("probabilities_near_zero.onnx"));
    let panicking = fake_executor::server(|_| panic!("panic of the test"), 8);
    let too_large = Server::start(|config| {
        "diabetes".clone_into(&mut config.repository.default_model);
        config.http.server.max_answer_bytes = 64;
    });
    let patient = too_large.get("/models/diabetes").json()["versions"][0]["example"].clone();
    vec![
        ("answer_too_large", too_large.post("/predict", &patient.to_string())),
        ("inference_failed", failing.post("/predict", r#"{"features":[99]}"#)),
        ("non_finite_output", non_finite.post("/predict", r#"{"features":[0]}"#)),
        ("invalid_probabilities", untrue.post("/predict", r#"{"features":[100,0]}"#)),
        ("internal", panicking.post("/predict", r#"{"features":[1]}"#)),
        ("not_ready", broken.post("/predict", r#"{"features":[1]}"#)),
    ]
}

/// One worker that the test blocks, and a queue of one slot.
fn refused_for_lack_of_time() -> Vec<(&'static str, Reply)> {
    let (started, is_running) = mpsc::channel();
    let (release, wait) = mpsc::channel::<()>();
    let server = fake_executor::server(
        move |value| {
            let _ = started.send(());
            let _ = wait.recv();
            value
        },
        1,
    );
    let ask =
        |deadline: &str| server.send("POST", "/predict", &[JSON, ("x-deadline-ms", deadline)], br#"{"features":[1]}"#);
    let replies = std::thread::scope(|scope| {
        let running = scope.spawn(|| ask("60000"));
        is_running.recv_timeout(TEST_TIMEOUT).expect("the first row runs");
        // A row whose deadline passes frees its slot for another one.
        let late = ask("20");
        let waiting = scope.spawn(|| ask("60000"));
        wait_for(&server, &series("queue_depth", "fake", ""), 1);
        let full = ask("60000");
        for _ in 0..2 {
            release.send(()).expect("released");
        }
        for answered in [running, waiting] {
            assert_eq!(answered.join().expect("an answer").status, 200);
        }
        vec![("deadline_exceeded", late), ("overloaded", full)]
    });
    let wait: u64 = replies[1].1.header("retry-after").and_then(|text| text.parse().ok()).expect("seconds");
    assert!((1..=2).contains(&wait), "one second plus a random fraction: {wait}");
    replies
}

fn refused_moves() -> Vec<(&'static str, Reply)> {
    let tokens = tempfile::NamedTempFile::new().expect("a file");
    let text = format!("[[caller]]\nname = \"ops\"\ntoken_sha256 = \"{DIGEST}\"\n");
    std::fs::write(tokens.path(), text).expect("written");
    let serve = |models: &Path| {
        Server::start(|config| {
            config.repository.models = models.to_path_buf();
            config.repository.default_model = String::new();
            config.admin.tokens_file = tokens.path().to_path_buf();
        })
    };
    let make = |server: &Server, path: &str, body: &str| {
        let headers = [("authorization", "Bearer s3cret")];
        send_to(server.admin_address(), ("POST", path), &headers, body.as_bytes())
    };
    let models = copy_models(&["churn"]);
    let server = serve(models.path());
    let refused = make(&server, "/admin/models/churn/canary", r#"{"version": "1"}"#);
    // Another server makes a move that this one has not read yet.
    let moved = r#"{"stable": "1", "generation": 1,
        "history": [{"at": "2026-03-02T03:04:05Z", "by": "eva", "move": "promote", "version": "1"}]}"#;
    std::fs::write(models.path().join("churn/rollout.json"), moved).expect("written");
    let conflict = make(&server, "/admin/models/churn/promote", r#"{"version": "1"}"#);
    // A single file has no directory for the state of its rollout.
    let single = serve(&fixture("failing.onnx"));
    let unrecorded = make(&single, "/admin/models/failing/promote", r#"{"version": "1"}"#);
    vec![("move_refused", refused), ("move_conflict", conflict), ("move_not_recorded", unrecorded)]
}

fn timed_out() -> Vec<(&'static str, Reply)> {
    let server = Server::start(|config| config.http.server.body_timeout_ms = 50);
    let head = format!(
        "POST /predict HTTP/1.1\r\nhost: {}\r\ncontent-type: application/json\r\ncontent-length: 50\r\nconnection: close\r\n\r\n{{",
        server.address
    );
    vec![("body_timeout", Reply::parse(&raw(server.address, head.as_bytes(), false)).expect("an answer"))]
}

/// While draining, connections are closed between requests; only a race lets a request through, which is then rejected.
/// A test cannot provoke that from outside, so it calls the service directly.
fn refused_while_draining() -> Vec<(&'static str, Reply)> {
    let shutdown = Shutdown::default();
    shutdown.advance(Phase::Draining);
    let (repository, metrics) = fake_executor::repository(|value| value, 1);
    let state = AppState {
        repository,
        shadows: Shadows::new(Arc::clone(&metrics)),
        scrapes: Arc::new(Scrapes::new(Arc::clone(&metrics))),
        shutdown: shutdown.clone(),
        log: log(),
        access: AccessSummary::default(),
        settings: config().http.server,
    };
    let service = data_service(&Arc::new(state), AccessControl::open(shutdown), Recorder::new(metrics));
    let request = axum::http::Request::post("/predict").header("host", "x").body(axum::body::Body::from("{}"));
    let reply = block_on(async {
        let response = service.answer(request.expect("a request"), &Connection::detached()).await;
        let (parts, body) = response.into_parts();
        let headers =
            parts.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap_or("?").to_owned()));
        Reply {
            status: parts.status.as_u16(),
            headers: headers.collect(),
            body: axum::body::to_bytes(body, usize::MAX).await.expect("a body").to_vec(),
        }
    });
    assert_eq!(reply.header("connection"), Some("close"));
    vec![("draining", reply)]
}

/// The body without what differs from run to run.
fn steady(reply: &Reply) -> String {
    let mut body = reply.json();
    let id = body["request_id"].as_str().expect("a request id").to_owned();
    assert_eq!(reply.header("x-request-id"), Some(id.as_str()));
    body["request_id"] = "<id>".into();
    format!(
        "{} {}\n{}\n",
        reply.status,
        reply.header("content-type").unwrap_or("-"),
        serde_json::to_string_pretty(&body).expect("JSON")
    )
}

#[test]
fn every_error_code_is_produced_by_a_request() {
    let groups = [
        refused_by_the_request(),
        refused_by_security(),
        failed_by_the_model(),
        refused_for_lack_of_time(),
        refused_moves(),
        timed_out(),
        refused_while_draining(),
    ];
    let replies: BTreeMap<&str, Reply> = groups.into_iter().flatten().collect();
    let mut text = String::new();
    for code in error_codes() {
        let reply = replies.get(code.as_str()).unwrap_or_else(|| panic!("nothing produces {}", code.as_str()));
        assert_eq!((reply.status, reply.code().as_str()), (status(code), code.as_str()), "{}", reply.text());
        if reply.status == 503 {
            assert!(reply.header("retry-after").is_some(), "{}", code.as_str());
        }
        text.push_str(&steady(reply));
        text.push('\n');
    }
    insta::assert_snapshot!("error_bodies", text);
}
