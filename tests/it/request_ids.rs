//! A request can be traced: by its id in the response, the log and the metrics, by its trace, by the hash of its
//! features. Nothing else of it is kept: no value, no body, no token.

use std::cell::RefCell;

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{
    http_client::{Reply, raw},
    process::Process,
    server::Server,
    tokens::{Caller, write_tokens},
};

const GOOD: &str = r#"{"features":{"tenure_months":4,"monthly_charge":79.5,"plan":"basic"}}"#;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const SPAN: &str = "00f067aa0ba902b7";

/// Sends a request to the program; `lines` are whole header lines.
fn ask(process: &Process, line: &str, lines: &str, body: &[u8]) -> Reply {
    let length = body.len();
    let head = format!(
        "{line} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\n{lines}\
         content-length: {length}\r\n\r\n"
    );
    Reply::parse(&raw(process.address, &[head.as_bytes(), body].concat(), false)).expect("an answer")
}

fn serve(more: &[&str]) -> Process {
    Process::serve(&[&["--default-model", "churn"], more].concat())
}

#[test]
fn a_callers_id_leads_to_the_log_line_and_the_metrics() {
    let process = serve(&[]);
    let version = "/models/{model}/versions/{version}/predict";
    let cases = [
        ("order-4711", "/predict", "/predict", GOOD, 200, "ok"),
        ("a.B_c:9-", "/models/churn/predict", "/models/{model}/predict", GOOD, 200, "ok"),
        ("1", "/models/churn/versions/1/predict", version, GOOD, 200, "ok"),
        ("refused", "/predict", "/predict", r#"{"features":{}}"#, 400, "data_contract_violation"),
        ("broken", "/predict", "/predict", "{", 400, "malformed_json"),
    ];
    for (id, path, route, body, status, code) in cases {
        let reply = ask(&process, &format!("POST {path}"), &format!("x-request-id: {id}\r\n"), body.as_bytes());
        assert_eq!((reply.status, reply.header("x-request-id")), (status, Some(id)), "{}", reply.text());
        assert_eq!(reply.json()["request_id"], id);

        let line = process.wait_for(|line| line["request_id"] == id).expect("a log line");
        let told = json!({
            "request_id": id, "route": route, "model": "churn", "version": "1", "status": status, "code": code,
        });
        for (name, value) in told.as_object().expect("an object") {
            assert_eq!(&line[name], value, "{name} in {line}");
        }
        assert!(line["duration_ms"].as_f64().is_some_and(|took| took > 0.0), "{line}");
        for stage in ["admit_ms", "queue_ms", "infer_ms", "interpret_ms", "encode_ms"] {
            assert_eq!(line[stage].is_number(), status == 200, "{stage} in {line}");
        }

        let metrics = ask(&process, "GET /metrics", "accept: application/openmetrics-text; version=1.0.0\r\n", b"");
        let exemplar = format!("# {{request_id=\"{id}\"}} 1");
        let counted = format!("route=\"{route}\",model=\"churn\",version=\"1\",status=\"{status}\",code=\"{code}\"");
        let found = metrics.text().lines().any(|line| {
            line.starts_with("candor_requests_total") && line.contains(&counted) && line.contains(&exemplar)
        });
        assert!(found, "no {exemplar} at {counted} in\n{}", metrics.text());
    }
}

#[test]
fn an_odd_id_is_replaced_and_not_echoed() {
    let server = Server::shared();
    let long = "x".repeat(129);
    for odd in ["", "two words", "<script>", "a/b", "a\"b", "a;b", "ä", "%41", "${jndi:ldap://x}", &long] {
        for body in [GOOD, "{"] {
            let headers = [("content-type", "application/json"), ("x-request-id", odd)];
            let reply = server.send("POST", "/predict", &headers, body.as_bytes());
            let id = reply.header("x-request-id").expect("an id").to_owned();
            assert!(Uuid::parse_str(&id).is_ok_and(|id| id.get_version_num() == 7), "{odd}: {id}");
            assert_eq!(reply.json()["request_id"], id);
            let everything = format!("{:?}{}", reply.headers, reply.text());
            assert!(odd.is_empty() || !everything.contains(odd), "{everything}");
        }
    }
    let new = || server.post("/predict", GOOD).json()["request_id"].clone();
    assert_ne!(new(), new(), "no two requests have the same id");
}

#[test]
fn a_trace_is_continued() {
    let process = serve(&[]);
    let parent = format!("x-request-id: traced\r\ntraceparent: 00-{TRACE}-{SPAN}-01\r\n");
    let spans: Vec<String> = (0..2)
        .map(|_| {
            let reply = ask(&process, "POST /predict", &parent, GOOD.as_bytes());
            let context = reply.header("traceparent").expect("a context").to_owned();
            let fields: Vec<&str> = context.split('-').collect();
            assert_eq!((fields[0], fields[1], fields[3], fields.len()), ("00", TRACE, "01", 4), "{context}");
            let hex = fields[2].bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            assert!(hex && fields[2].len() == 16 && fields[2] != "0".repeat(16), "{context}");
            fields[2].to_owned()
        })
        .collect();
    assert!(spans[0] != SPAN && spans[0] != spans[1], "{spans:?}");
    let line = process.wait_for(|line| line["request_id"] == "traced").expect("a log line");
    assert_eq!(line["trace_id"], TRACE);
    let metrics = ask(&process, "GET /metrics", "accept: application/openmetrics-text\r\n", b"").text();
    assert!(metrics.contains(&format!("# {{request_id=\"traced\",trace_id=\"{TRACE}\"}}")), "{metrics}");

    for broken in ["garbage", &format!("00-{}-{SPAN}-01", "0".repeat(32)), &format!("ff-{TRACE}-{SPAN}-01")] {
        let lines = format!("x-request-id: untraced\r\ntraceparent: {broken}\r\n");
        let reply = ask(&process, "POST /predict", &lines, GOOD.as_bytes());
        assert_eq!((reply.status, reply.header("traceparent")), (200, None), "{broken}");
        let line = process.wait_for(|line| line["request_id"] == "untraced").expect("a log line");
        assert_eq!(line["trace_id"], Value::Null, "{broken}");
    }
}

#[test]
fn server_timing_tells_where_the_time_went() {
    let reply = Server::shared().post("/predict", GOOD);
    let timing = reply.header("server-timing").expect("a header");
    let parts: Vec<(&str, f64)> = timing
        .split(", ")
        .map(|part| {
            let (name, duration) = part.split_once(";dur=").expect("a duration");
            (name, duration.parse().expect("a number"))
        })
        .collect();
    let names: Vec<&str> = parts.iter().map(|(name, _)| *name).collect();
    assert_eq!(names, ["admit", "queue", "infer", "total"], "{timing}");
    assert!(parts.iter().all(|(_, millis)| (0.0..20_000.0).contains(millis)), "{timing}");
    let total = parts[3].1;
    // Each is rounded to a microsecond.
    assert!(parts[..3].iter().map(|(_, millis)| millis).sum::<f64>() <= total + 0.003, "{timing}");
}

#[test]
fn equal_features_have_equal_hashes() {
    let hash = |features: &str| {
        let reply = Server::shared().post("/predict", &format!(r#"{{"features":{features}}}"#));
        assert_eq!(reply.status, 200, "{features}: {}", reply.text());
        reply.json()["features_hash"].as_str().expect("a hash").to_owned()
    };
    let first = hash(r#"{"tenure_months":4,"monthly_charge":79.5,"plan":"basic"}"#);
    assert!(first.len() == 32 && first.bytes().all(|byte| byte.is_ascii_hexdigit()), "{first}");
    let equal = [
        r#"{"plan":"basic","monthly_charge":79.5,"tenure_months":4}"#,
        r#"{ "tenure_months": 4.0, "monthly_charge": 7.95e1, "plan": "\u0062asic" }"#,
        r#"{"tenure_months":4,"monthly_charge":79.5,"plan":"basic","autopay":false,"contract_months":1}"#,
        r#"{"tenure_months":4,"monthly_charge":79.5,"plan":"basic","age":null,"support_calls":null}"#,
        r#"[4,79.5,null,1,null,"basic","card",false]"#,
        // Equal as the graph's float32.
        r#"{"tenure_months":4,"monthly_charge":79.50000001,"plan":"basic"}"#,
    ];
    for features in equal {
        assert_eq!(hash(features), first, "{features}");
    }
    let mut seen = vec![first];
    let different = [
        r#"{"tenure_months":5,"monthly_charge":79.5,"plan":"basic"}"#,
        r#"{"tenure_months":4,"monthly_charge":79.50001,"plan":"basic"}"#,
        r#"{"tenure_months":4,"monthly_charge":79.5,"plan":"plus"}"#,
        r#"{"tenure_months":4,"monthly_charge":79.5,"plan":"basic","age":0}"#,
        r#"{"tenure_months":4,"monthly_charge":79.5,"plan":"basic","support_calls":0}"#,
        r#"{"tenure_months":4,"monthly_charge":79.5,"plan":"basic","autopay":true}"#,
        r#"[4,79.5,null,1,null,"basic","voucher",false]"#,
    ];
    for features in different {
        let found = hash(features);
        assert!(!seen.contains(&found), "{features}");
        seen.push(found);
    }
}

#[test]
fn the_contract_is_part_of_the_hash() {
    let features = "[13.16,2.36,2.67,18.6,101,2.8,3.24,0.3,2.81,5.68,1.03,3.17,1185]";
    let answer = |version| {
        let path = format!("/models/wine/versions/{version}/predict");
        Server::shared().post(&path, &format!(r#"{{"features":{features}}}"#)).json()
    };
    let (first, second) = (answer(1), answer(2));
    let equal = |member: &str| first[member] == second[member];
    assert_eq!(equal("features_hash"), equal("contract"), "{first}\n{second}");
}

/// Words and numbers that are in the requests below, and must not be in the log.
const SECRETS: &[&str] = &[
    "zebra",
    "octopus",
    "elephant",
    "giraffe",
    "walrus",
    "lizard",
    "panther",
    "falcon",
    "hippo",
    "ocelot",
    "27.182818",
    "77.654321",
    "314159265",
    "161803398",
];

/// Request bodies with secrets in them, and the expected status.
const BODIES: &[(&str, u16)] = &[
    (r#"{"features":{"tenure_months":4,"monthly_charge":27.182818,"plan":"basic","age":77.654321}}"#, 200),
    (r#"{"entity_id":"elephant","features":{"tenure_months":4,"monthly_charge":79.5,"plan":"basic"}}"#, 200),
    (r#"{"features":{"tenure_months":314159265,"monthly_charge":-161803398,"plan":"zebra"}}"#, 400),
    (r#"{"features":{"tenure_months":"zebra","monthly_charge":["zebra"],"plan":{"zebra":1}}}"#, 400),
    (r#"{"features":{"age":"octopus","giraffe":1},"walrus":"walrus","entity_id":["elephant"]}"#, 400),
    (r#"{"features":{"age":314159265}}"#, 400),
    (r#"{"features":{"plan":"lizard"#, 400),
    (r#"{"features":{"plan":lizard}}"#, 400),
    (r#"{"features":{"plan":"lizard"}}lizard"#, 400),
];

#[test]
fn no_value_body_or_token_is_logged() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("tokens.toml");
    write_tokens(&file, &[Caller { name: "web", token: "hippo", more: "" }]);
    let tokens = format!("security.tokens_file={}", file.display());
    let mut process = serve(&["--log-level", "trace", "--set", &tokens]);

    let lines = "authorization: Bearer hippo\r\ncookie: falcon\r\nx-falcon: falcon\r\n";
    for (body, status) in BODIES {
        let reply = ask(&process, "POST /predict?key=panther", lines, body.as_bytes());
        assert_eq!(reply.status, *status, "{body}: {}", reply.text());
        // Age is marked as sensitive: its value is not even returned to the client.
        let text = reply.text();
        assert!(!text.contains("octopus") && (!text.contains("/age") || !text.contains("314159265")), "{text}");
    }
    for refused in ["Bearer ocelot", "Basic ocelot", "ocelot"] {
        let lines = format!("authorization: {refused}\r\n");
        let reply = ask(&process, "POST /predict", &lines, GOOD.as_bytes());
        assert_eq!(reply.status, 401);
        assert!(!reply.text().contains("ocelot"), "{}", reply.text());
    }

    process.signal("TERM");
    let log = RefCell::new(Vec::new());
    process.wait_for(|line| {
        log.borrow_mut().push(line.to_string());
        false
    });
    assert_eq!(process.ended(), Some(0));
    let log = log.into_inner();
    let requests = log.iter().filter(|line| line.contains("\"route\":\"/predict\"")).count();
    assert_eq!(requests, BODIES.len() + 3, "each request has a log line");
    for secret in SECRETS {
        let told: Vec<&String> = log.iter().filter(|line| line.contains(secret)).collect();
        assert!(told.is_empty(), "{secret} is in the log: {told:?}");
    }
}
