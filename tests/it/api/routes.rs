//! Each route returns the documented response in the documented format.

use candor::api::http::ROUTES;
use serde_json::{Value, json};

use crate::support::{http_client::Reply, packages::copy_models, paths::root, server::Server};

const GOOD: &str = r#"{"features":{"tenure_months":4,"monthly_charge":79.5,"plan":"basic"}}"#;

fn members(value: &Value) -> Vec<String> {
    value.as_object().expect("an object").keys().cloned().collect()
}

fn example(model: &str) -> String {
    let version = Server::shared().get(&format!("/models/{model}")).json()["versions"][0].clone();
    version["example"].to_string()
}

#[test]
fn the_envelope_of_a_classification() {
    let reply = Server::shared().post("/predict", GOOD);
    assert_eq!(reply.status, 200, "{}", reply.text());
    let body = reply.json();
    let wanted = [
        "prediction",
        "probabilities",
        "probabilities_method",
        "uncertainty",
        "uncertainty_method",
        "coverage",
        "prediction_set",
        "probability_interval",
        "explanation",
        "warnings",
        "model",
        "model_version",
        "training_data",
        "contract",
        "features_hash",
        "request_id",
    ];
    assert_eq!(members(&body), wanted, "the members and their order");
    assert_eq!(body["prediction"], "churn");
    assert_eq!(members(&body["probabilities"]), ["stay", "churn"]);
    assert_eq!(
        (&body["probabilities_method"], &body["uncertainty_method"]),
        (&json!("uncalibrated"), &json!("uncalibrated+lac"))
    );
    assert_eq!((&body["coverage"], &body["explanation"]), (&json!(0.9), &Value::Null));
    assert_eq!(body["prediction_set"], json!(["churn"]), "the other class is too unlikely");
    assert_eq!(body["training_data"], "churn-2026-02-28");
    let uncertainty = body["uncertainty"].as_f64().expect("a number");
    let predicted = body["probabilities"]["churn"].as_f64().expect("a number");
    assert!((uncertainty - (1.0 - predicted)).abs() < 1e-6);
    assert_eq!(reply.header("content-type"), Some("application/json"));
    assert_eq!(reply.header("x-model-version"), Some("1"));
    assert_eq!(reply.header("x-request-id"), body["request_id"].as_str());
}

#[test]
fn the_envelope_of_a_regression() {
    let body = Server::shared().post("/models/diabetes/predict", &example("diabetes")).json();
    let wanted = [
        "prediction",
        "uncertainty",
        "uncertainty_method",
        "coverage",
        "interval",
        "unit",
        "explanation",
        "warnings",
        "model",
        "model_version",
        "training_data",
        "contract",
        "features_hash",
        "request_id",
    ];
    assert_eq!(members(&body), wanted);
    let end = |index: usize| body["interval"][index].as_f64().expect("an end");
    let (value, half) = (body["prediction"].as_f64().expect("a value"), body["uncertainty"].as_f64().expect("a width"));
    assert!(end(0) < value && value < end(1) && (end(1) - end(0) - 2.0 * half).abs() < 1e-6, "{body}");
    assert_eq!((&body["uncertainty_method"], &body["coverage"]), (&json!("cqr"), &json!(0.9)));
    assert_eq!(body["unit"], "disease progression score");
}

#[test]
fn the_three_predict_routes() {
    let server = Server::shared();
    for path in ["/predict", "/models/churn/predict", "/models/churn/versions/1/predict"] {
        let reply = server.post(path, GOOD);
        assert_eq!((reply.status, reply.json()["model"].as_str()), (200, Some("churn")), "{path}");
    }
    let wine = example("wine");
    let stable = server.post("/models/wine/predict", &wine).json();
    let first = server.post("/models/wine/versions/1/predict", &wine).json();
    assert_eq!((stable["model_version"].as_str(), first["model_version"].as_str()), (Some("2"), Some("1")));
    assert_ne!(stable["probabilities"], first["probabilities"], "two versions, two answers");
}

#[test]
fn every_bundled_model_answers_its_example() {
    let server = Server::shared();
    for model in server.get("/models").json()["models"].as_array().expect("models") {
        let name = model["name"].as_str().expect("a name");
        let reply = server.post(&format!("/models/{name}/predict"), &example(name));
        assert_eq!(reply.status, 200, "{name}: {}", reply.text());
    }
}

#[test]
fn what_is_loaded_is_told() {
    let server = Server::shared();
    let models = server.get("/models").json();
    assert_eq!(models["default_model"], "churn");
    let names: Vec<&str> =
        models["models"].as_array().expect("models").iter().filter_map(|model| model["name"].as_str()).collect();
    assert_eq!(names, ["breast-cancer", "churn", "diabetes", "digits", "wine"]);
    let version = server.get("/models/churn/versions/1").json();
    assert_eq!(
        (version["state"].as_str(), version["uncertainty_method"].as_str()),
        (Some("ready"), Some("uncalibrated+lac"))
    );
    assert_eq!(version["provenance"]["training_data"]["tag"], "churn-2026-02-28");
    let limits = json!({ "max_batch_rows": 32, "max_queue_rows": 1024, "deadline_ms": 1000, "max_explain_rows": 4096 });
    assert_eq!(version["limits"], limits);
    assert_eq!(version["runtime"]["providers"], json!(["cpu"]));
    assert_eq!(server.get("/models/churn").json()["versions"][0], version);
}

#[test]
fn the_contract_is_the_file() {
    let server = Server::shared();
    let file = std::fs::read_to_string(root().join("models/churn/1/contract.json")).expect("a contract");
    let file: Value = serde_json::from_str(&file).expect("JSON");
    for path in ["/models/churn/contract", "/models/churn/versions/1/contract"] {
        let reply = server.get(path);
        assert_eq!(reply.header("content-type"), Some("application/schema+json"));
        assert_eq!(reply.json(), file, "{path}");
        let id = server.get("/models/churn/versions/1").json()["contract"].as_str().expect("an id").to_owned();
        assert_eq!(reply.header("etag"), Some(format!("\"{id}\"").as_str()));
    }
}

#[test]
fn a_method_that_a_path_does_not_take_is_405_with_those_it_takes() {
    let server = Server::shared();
    for route in ROUTES {
        let path = route.template.replace("{model}", "churn").replace("{version}", "1").replace("{code}", "internal");
        let (other, allowed) = if route.method == "GET" { ("POST", "GET,HEAD") } else { ("GET", "POST") };
        for method in [other, "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
            let reply = server.send(method, &path, &[("content-type", "application/json")], b"");
            assert_eq!((reply.status, reply.header("allow")), (405, Some(allowed)), "{method} {path}");
            assert_eq!(reply.code(), "method_not_allowed", "{method} {path}");
        }
    }
}

#[test]
fn health_is_told() {
    let server = Server::shared();
    for path in ["/healthz", "/livez"] {
        assert_eq!(server.get(path).json(), json!({ "status": "alive" }), "{path}");
    }
    let ready = server.get("/readyz");
    assert_eq!((ready.status, ready.json()), (200, json!({ "ready": true, "reasons": [] })));
}

#[test]
fn the_first_page_holds_a_command_that_works() {
    let server = Server::shared();
    let page = server.get("/").text();
    assert!(page.contains("/docs") && page.contains("churn                1 (ready)  the default"), "{page}");
    let body = page.split("-d '").nth(1).and_then(|rest| rest.split('\'').next()).expect("a body");
    assert_eq!(server.post("/predict", body).status, 200, "{body}");
}

#[test]
fn problems_are_explained_to_people_and_programs() {
    let server = Server::shared();
    let text = server.get("/problems/overloaded").text();
    assert!(text.contains("What to do") && text.contains("status 503"), "{text}");
    let reply: Reply = server.send("GET", "/problems/overloaded", &[("accept", "application/json")], b"");
    assert_eq!(reply.json()["status"], 503);
    assert_eq!(server.get("/problems/nothing").code(), "not_found");
    let list = server.get("/problems").text();
    assert!(list.contains("503  overloaded ") && list.contains("400  data_contract_violation "), "{list}");
    let reply: Reply = server.send("GET", "/problems", &[("accept", "application/json")], b"");
    for problem in reply.json()["problems"].as_array().expect("a list") {
        let of_its_own: Reply =
            server.send("GET", problem["type"].as_str().expect("a path"), &[("accept", "application/json")], b"");
        assert_eq!(&of_its_own.json(), problem);
    }
}

#[test]
fn warnings_do_not_keep_an_answer_back() {
    let body = r#"{"features":{"tenure_months":4,"monthly_charge":99999.5,"plan":"basic"}}"#;
    let warnings = Server::shared().post("/predict", body).json()["warnings"].clone();
    assert_eq!(warnings[0]["code"], "outside_expected");
    assert_eq!(warnings[0]["pointer"], "/features/monthly_charge");
}

#[test]
fn compressed_bodies_are_read() {
    use std::io::Write as _;
    let server = Server::shared();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(GOOD.as_bytes()).expect("written");
    let zstd = zstd::encode_all(GOOD.as_bytes(), 3).expect("compressed");
    for (encoding, body) in [("gzip", gzip.finish().expect("compressed")), ("zstd", zstd), ("identity", GOOD.into())] {
        let headers = [("content-type", "application/json; charset=utf-8"), ("content-encoding", encoding)];
        assert_eq!(server.send("POST", "/predict", &headers, &body).status, 200, "{encoding}");
    }
}

#[test]
fn cross_origin_requests_are_off_until_configured() {
    let ask = |server: &Server| {
        let headers = [("origin", "https://app.example"), ("access-control-request-method", "POST")];
        let preflight = server.send("OPTIONS", "/predict", &headers, b"");
        let answer = server.send(
            "POST",
            "/predict",
            &[("origin", "https://app.example"), ("content-type", "application/json")],
            GOOD.as_bytes(),
        );
        (preflight.header("access-control-allow-origin").map(str::to_owned), answer)
    };
    let (preflight, answer) = ask(Server::shared());
    assert_eq!((preflight, answer.header("access-control-allow-origin")), (None, None));
    let server = Server::start(|config| config.http.server.cors.origins = vec!["https://app.example".into()]);
    let (preflight, answer) = ask(&server);
    assert_eq!(preflight.as_deref(), Some("https://app.example"));
    assert_eq!(answer.header("access-control-expose-headers"), Some("x-request-id,server-timing"));
}

#[test]
fn a_default_model_is_the_configured_one_or_the_only_one() {
    let models = copy_models(&["breast-cancer", "churn/1", "wine"]);
    let several = Server::over(models.path());
    let reply = several.post("/predict", GOOD);
    assert_eq!((reply.status, reply.code().as_str()), (404, "unknown_model"));
    assert!(
        reply.json()["detail"].as_str().is_some_and(|text| text.contains("breast-cancer, churn")),
        "{}",
        reply.text()
    );
    let only = Server::over(&root().join("models/churn/1"));
    assert_eq!(only.post("/predict", GOOD).status, 200);
}

/// Large responses are compressed for clients that accept it; small ones are not.
#[test]
fn large_answers_are_compressed_where_that_is_accepted() {
    let server = Server::shared();
    let get = |path: &str, coding: &str| server.send("GET", path, &[("accept-encoding", coding)], b"");
    for path in ["/openapi.json", "/docs"] {
        let plain = server.get(path);
        assert_eq!((plain.header("content-encoding"), plain.header("vary")), (None, Some("accept-encoding")), "{path}");
        let zstd = get(path, "gzip, zstd");
        assert_eq!(zstd.header("content-encoding"), Some("zstd"), "{path}");
        assert_eq!(zstd::decode_all(&zstd.body[..]).expect("zstd"), plain.body, "{path}");
        let gzip = get(path, "gzip");
        assert_eq!(gzip.header("content-encoding"), Some("gzip"), "{path}");
        let mut back = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(&gzip.body[..]), &mut back).expect("gzip");
        assert_eq!(back, plain.body, "{path}");
        assert!(
            gzip.body.len() * 2 < plain.body.len() && zstd.header("content-length") != plain.header("content-length")
        );
    }
    assert_eq!(get("/metrics", "gzip").header("content-encoding"), Some("gzip"));
    assert_eq!(get("/livez", "gzip").header("content-encoding"), None, "it is small");
    assert_eq!(get("/openapi.json", "identity").header("content-encoding"), None);
}
