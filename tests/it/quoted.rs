//! Quotes from a request are short, wherever they appear: a name of 5 MB does not make a response of 5 MB.

use std::sync::LazyLock;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    http_client::{Reply, raw},
    packages::{add, contract, copy_models},
    server::Server,
};

/// The length of the names. Those in a header are shorter, because a head has its own limit.
const LONG: usize = 5_000_000;
const LONG_IN_HEAD: usize = 12_000;

/// The largest response, head and body together.
const MOST: usize = 16 << 10;

/// A server that accepts large bodies, with models whose contracts quote in every possible way.
static SERVER: LazyLock<(Server, TempDir)> = LazyLock::new(|| {
    let root = copy_models(&["churn", "digits"]);
    let number = json!({ "type": "number" });
    let output = json!({ "task": "regression", "value": { "tensor": "y" } });
    let mut open = contract("x", &json!({ "x": number }), &output);
    open["additionalProperties"] = json!(true);
    let with = |name: &str, value: Value| {
        let mut whole = open.clone();
        whole[name] = value;
        whole
    };
    let short = json!({ "maxLength": 3 });
    let mut unevaluated = with("unevaluatedProperties", json!(false));
    unevaluated.as_object_mut().expect("an object").remove("additionalProperties");
    for (model, document) in [
        ("open", open.clone()),
        ("others", with("additionalProperties", json!({ "type": "number" }))),
        ("nested", with("additionalProperties", json!({ "additionalProperties": { "maxLength": 1 } }))),
        ("closed", unevaluated),
        ("names", with("propertyNames", short.clone())),
        ("patterns", with("patternProperties", json!({ "^a": short }))),
        ("never", with("not", json!({ "required": ["secret"] }))),
    ] {
        add(root.path(), model, "vector_input", &[("contract.json", &document.to_string())]);
    }
    let server = Server::start(|config| {
        config.repository.models = root.path().to_path_buf();
        config.http.server.max_body_bytes = 4 * LONG;
    });
    (server, root)
});

fn check(place: &str, reply: &Reply, statuses: &[u16]) {
    let head: usize = reply.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    let (size, text) = (head + reply.body.len(), String::from_utf8_lossy(&reply.body));
    assert!(size <= MOST, "{place}: {size} bytes: {}", text.chars().take(500).collect::<String>());
    let start: String = text.chars().take(500).collect();
    assert!(statuses.contains(&reply.status), "{place}: {} {start}", reply.status);
}

/// Bodies for a model, each with one long name or string, and the expected status.
fn bodies(long: &str) -> Vec<(&'static str, &'static str, String, u16)> {
    let churn =
        |more: &str| format!(r#"{{"features":{{"tenure_months":4,"monthly_charge":79.5,"plan":"basic",{more}}}}}"#);
    let x = |more: Value| {
        let mut features = json!({ "x": 1 });
        features.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        json!({ "features": features }).to_string()
    };
    let text = |name: &str, value: Value| Value::Object([(name.to_owned(), value)].into_iter().collect());
    let starts_with_a = format!("a{long}");
    vec![
        ("an unknown feature", "churn", churn(&format!(r#""{long}":1"#)), 400),
        ("an unknown feature twice", "churn", churn(&format!(r#""{long}":1,"{long}":2"#)), 400),
        ("a value", "churn", format!(r#"{{"features":{{"plan":"{long}"}}}}"#), 400),
        ("a text for a number", "churn", format!(r#"{{"features":{{"tenure_months":"{long}"}}}}"#), 400),
        ("a key inside a value", "churn", churn(&format!(r#""age":{{"{long}":{{"{long}":1}}}}"#)), 400),
        ("a value by position", "churn", format!(r#"{{"features":["{long}",2,3]}}"#), 400),
        ("a member of the body", "churn", format!(r#"{{"features":{{}},"{long}":1}}"#), 400),
        ("the features", "churn", format!(r#"{{"features":"{long}"}}"#), 400),
        ("entity_id", "churn", format!(r#"{{"features":{{}},"entity_id":"{long}"}}"#), 400),
        ("explain", "churn", format!(r#"{{"features":{{}},"explain":"{long}"}}"#), 400),
        ("the body", "churn", format!("\"{long}\""), 400),
        ("no JSON", "churn", long.to_owned(), 400),
        ("no JSON at the end", "churn", format!("{{\"features\":{{}}}}{long}"), 400),
        ("a number", "churn", format!(r#"{{"features":{{"tenure_months":1{}}}}}"#, "0".repeat(LONG)), 400),
        ("an element", "digits", format!(r#"{{"features":{{"image":[["{long}"]]}}}}"#), 400),
        ("an ignored member", "open", x(text(long, json!(1))), 200),
        ("a member of another type", "others", x(text(long, json!("text"))), 400),
        ("a path", "nested", x(text(long, text(long, json!(long)))), 400),
        ("an unevaluated member", "closed", x(text(long, json!(1))), 400),
        ("a name of a member", "names", x(text(long, json!(1))), 400),
        ("a member by pattern", "patterns", x(text(&starts_with_a, json!(long))), 400),
        ("the whole instance", "never", x(json!({ "secret": long })), 400),
    ]
}

#[test]
fn a_name_of_5_mb_is_cut_wherever_it_stands_in_a_body() {
    let (server, _root) = &*SERVER;
    for (place, model, body, status) in bodies(&"n".repeat(LONG)) {
        check(place, &server.post(&format!("/models/{model}/predict"), &body), &[status]);
    }
}

#[test]
fn many_long_names_are_cut_as_one_is() {
    let (server, _root) = &*SERVER;
    let many: Vec<String> = (0..1000).map(|index| format!(r#""{index}{}":1,"#, "n".repeat(5000))).collect();
    let many = many.concat();
    for (model, status) in [("churn", 400), ("open", 200), ("closed", 400), ("names", 400)] {
        let body = format!(r#"{{"features":{{{many}"x":1}}}}"#);
        check(model, &server.post(&format!("/models/{model}/predict"), &body), &[status]);
    }
    let deep = (0..25).fold("1".to_owned(), |inner, _| format!(r#"{{"{}":{inner}}}"#, "n".repeat(100_000)));
    let body = format!(r#"{{"features":{{"x":1,"y":{deep}}}}}"#);
    check("a deep path", &server.post("/models/nested/predict", &body), &[200, 400]);
}

#[test]
fn a_pointer_is_cut_and_marked() {
    let (server, _root) = &*SERVER;
    let name = "n/".repeat(5000);
    let body = json!({ "features": { "tenure_months": 4, "monthly_charge": 79.5, "plan": "basic", name: 1 } });
    let problem = server.post("/predict", &body.to_string()).json();
    let pointer = format!("/features/{}…", "n~1".repeat(32));
    assert_eq!(problem["errors"][0]["pointer"], pointer, "{problem:#}");
    // A short name is quoted completely, so that the pointer leads to its member.
    let body = json!({ "features": { "tenure_months": 4, "monthly_charge": 79.5, "plan": "basic", "a/b~": 1 } });
    let problem = server.post("/predict", &body.to_string()).json();
    assert_eq!(problem["errors"][0]["pointer"], "/features/a~1b~0", "{problem:#}");
}

#[test]
fn a_long_name_in_the_head_is_cut() {
    let (server, _root) = &*SERVER;
    let long = "n".repeat(LONG_IN_HEAD);
    let path = "n".repeat(LONG_IN_HEAD);
    let json = "content-type: application/json\r\n";
    let cases: Vec<(&str, String, Vec<u16>)> = vec![
        ("a method", format!("{long} /predict"), vec![405]),
        ("a method of another path", format!("{long} /models"), vec![405]),
        ("a path", format!("GET /{path}"), vec![404]),
        ("a query", format!("GET /models?{path}"), vec![200]),
        ("a model", format!("POST /models/{path}/predict"), vec![404]),
        ("a model to read", format!("GET /models/{path}"), vec![404]),
        ("a version", format!("GET /models/churn/versions/{path}"), vec![404]),
        ("a contract", format!("GET /models/{path}/contract"), vec![404]),
        ("a code", format!("GET /problems/{path}"), vec![404]),
        ("a name that is not UTF-8", format!("GET /models/%ff{path}"), vec![404]),
    ];
    let ask = |line: &str, lines: &str| {
        let request =
            format!("{line} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n{lines}content-length: 2\r\n\r\n{{}}");
        Reply::parse(&raw(server.address, request.as_bytes(), false)).expect("an answer")
    };
    for (place, line, statuses) in cases {
        // Beyond the limit of the HTTP library for a path, the library itself rejects.
        check(place, &ask(&line, json), &[&statuses[..], &[414, 431]].concat());
    }
    for (name, status) in [
        ("content-type", 415),
        ("content-encoding", 415),
        ("x-deadline-ms", 400),
        ("accept", 406),
        ("authorization", 400),
        ("x-request-id", 400),
        ("traceparent", 400),
        ("tracestate", 400),
    ] {
        let lines = if name == "content-type" { "" } else { json };
        check(name, &ask("POST /predict", &format!("{lines}{name}: {long}\r\n")), &[status]);
    }
    let request = format!("GET / HTTP/1.1\r\nhost: {long}\r\nconnection: close\r\n\r\n");
    let page = Reply::parse(&raw(server.address, request.as_bytes(), false)).expect("an answer");
    check("a host", &page, &[200]);
    let request = "GET / HTTP/1.1\r\nhost: x;reboot\r\nconnection: close\r\n\r\n";
    let page = Reply::parse(&raw(server.address, request.as_bytes(), false)).expect("an answer");
    assert!(
        page.text().contains("curl -s http://localhost/predict"),
        "the host is not part of the command: {}",
        page.text()
    );
}
