//! Access control with a tokens file: every route without a token, with a wrong one, with one for a single model, and
//! with one for everything. The expected table is that of docs/access.md.

use candor::{
    api::http::{ROUTES, Route, RouteAccess},
    security::MetricsAccess,
};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{
    http_client::Reply,
    packages::{add, copy_models},
    server::Server,
    tokens::{Caller, write_tokens},
};

/// The models that the limited caller may not use.
const OTHERS: [&str; 2] = ["wine", "broken"];

/// Each caller's name, which is also its token, and further lines of its entry.
const CALLERS: [(&str, &str); 4] = [
    ("everything", ""),
    ("churn-only", "models = [\"churn\", \"unready\"]"),
    ("scraper", "models = []\nmetrics = true"),
    ("no-metrics", "metrics = false"),
];

fn start(metrics: MetricsAccess) -> (Server, TempDir) {
    let root = copy_models(&["churn", "wine"]);
    add(root.path(), "broken", "members", &[("contract.json", "{}")]);
    add(root.path(), "unready", "members", &[("contract.json", "{}")]);
    let tokens = root.path().join("tokens.toml");
    write_tokens(&tokens, &CALLERS.map(|(name, more)| Caller { name, token: name, more }));
    let server = Server::start(|config| {
        config.repository.models = root.path().to_path_buf();
        config.security.tokens_file = tokens;
        config.security.metrics = metrics;
    });
    (server, root)
}

fn ask(server: &Server, method: &str, path: &str, token: Option<&str>) -> Reply {
    let bearer = token.map(|token| format!("Bearer {token}"));
    let mut headers = vec![("content-type", "application/json"), ("accept", "*/*")];
    headers.extend(bearer.as_deref().map(|bearer| ("authorization", bearer)));
    let body = r#"{"features":{"tenure_months":4,"monthly_charge":79.5,"plan":"basic"}}"#;
    server.send(method, path, &headers, if method == "POST" { body.as_bytes() } else { b"" })
}

/// The path of a route for this model.
fn path(route: &Route, model: &str) -> String {
    route.template.replace("{model}", model).replace("{version}", "1").replace("{code}", "overloaded")
}

/// The rights of a request: whether the caller is known, whether its token covers the model, whether it may read the
/// metrics.
type Rights = (bool, bool, bool);

/// The status by the table; 200 if access is granted, whatever the rest of the request leads to.
fn expected(access: RouteAccess, (known, covered, metrics): Rights) -> u16 {
    let admitted = match access {
        RouteAccess::Open | RouteAccess::Reduced => true,
        RouteAccess::Metrics => metrics,
        RouteAccess::Listed => known,
        RouteAccess::Model => covered,
        RouteAccess::Admin => false,
    };
    match (admitted, known) {
        (true, _) => 200,
        (false, true) => 403,
        (false, false) => 401,
    }
}

#[test]
fn every_route_answers_each_caller_as_the_table_says() {
    for open in [false, true] {
        let (server, _root) = start(if open { MetricsAccess::Open } else { MetricsAccess::Token });
        for (route, model) in ROUTES.iter().flat_map(|route| [(route, "churn"), (route, "wine")]) {
            // Without a model in the path, it is the default model, churn.
            let of_churn = model == "churn" || !route.template.contains("{model}");
            let callers: [(Option<&str>, Rights); 6] = [
                (None, (false, false, open)),
                (Some("wrong"), (false, false, open)),
                (Some("everything"), (true, true, true)),
                (Some("no-metrics"), (true, true, open)),
                (Some("churn-only"), (true, of_churn, open)),
                (Some("scraper"), (true, false, true)),
            ];
            for (token, rights) in callers {
                let reply = ask(&server, route.method, &path(route, model), token);
                // The body is wrong for wine, and a required model is broken: 400 and 503 show that access was granted.
                let found = if [400, 503].contains(&reply.status) { 200 } else { reply.status };
                let wanted = expected(route.access, rights);
                assert_eq!(found, wanted, "{} {} as {token:?}: {}", route.method, path(route, model), reply.text());
                assert_eq!(reply.header("www-authenticate"), (found == 401).then_some("Bearer"), "{}", route.template);
            }
        }
    }
}

#[test]
fn no_answer_tells_a_stranger_the_name_of_a_model() {
    let (server, _root) = start(MetricsAccess::Token);
    let names = ["churn", "wine", "broken"];
    for token in [None, Some("wrong")] {
        for route in ROUTES.iter().filter(|route| !route.template.contains("{model}")) {
            for method in ["GET", "POST", "PUT", "TRACE", "OPTIONS"] {
                let text = ask(&server, method, &path(route, ""), token).text();
                let told: Vec<&&str> = names.iter().filter(|name| text.contains(**name)).collect();
                assert!(told.is_empty(), "{method} {} tells {told:?}: {text}", route.template);
            }
        }
    }
}

#[test]
fn a_caller_for_one_model_hears_of_no_other() {
    let (server, _root) = start(MetricsAccess::Token);
    let mut paths: Vec<(&str, String)> = ROUTES.iter().map(|route| (route.method, path(route, "churn"))).collect();
    // One of its models is not ready, which leads to messages that list alternatives.
    paths.extend(ROUTES.iter().map(|route| (route.method, path(route, "unready"))));
    paths.push(("GET", "/models/churn/versions/99".to_owned()));
    for (method, path) in paths {
        let text = ask(&server, method, &path, Some("churn-only")).text();
        let told: Vec<&&str> = OTHERS.iter().filter(|name| text.contains(**name)).collect();
        assert!(told.is_empty(), "{method} {path} tells {told:?}: {text}");
    }
    let models = ask(&server, "GET", "/models", Some("churn-only")).json();
    assert_eq!((models["models"].as_array().map(Vec::len), &models["default_model"]), (Some(2), &json!("churn")));
    let scraper = ask(&server, "GET", "/models", Some("scraper")).json();
    assert_eq!(scraper, json!({ "default_model": null, "models": [] }));
    // A caller without access to a model cannot tell whether it exists.
    let detail = |model: &str| {
        let reply = ask(&server, "POST", &format!("/models/{model}/predict"), Some("churn-only"));
        (reply.status, reply.json()["detail"].as_str().expect("a detail").replace(model, "it"))
    };
    assert_eq!(detail("wine"), detail("nobody"));
}

#[test]
fn readiness_tells_each_as_much_as_it_may_know() {
    let (server, _root) = start(MetricsAccess::Token);
    let reasons = |token| ask(&server, "GET", "/readyz", token).json()["reasons"].clone();
    let hidden = "2 required models are not ready; send a token that covers them to see their names";
    assert_eq!(reasons(None), json!([hidden]));
    let told = reasons(Some("churn-only"));
    assert!(told[0].as_str().is_some_and(|reason| reason.starts_with("unready: version 1 is unavailable")), "{told}");
    assert_eq!(told[1], "1 required model is not ready; send a token that covers it to see its name");
    let told = reasons(Some("everything"));
    assert!(told[0].as_str().is_some_and(|reason| reason.starts_with("broken: version 1 is unavailable")), "{told}");
}

#[test]
fn the_first_page_shows_a_caller_how_to_ask_with_its_token() {
    let (server, _root) = start(MetricsAccess::Token);
    let page = ask(&server, "GET", "/", Some("churn-only")).text();
    assert!(page.contains("churn  ") && page.contains("-H \"authorization: Bearer $TOKEN\""), "{page}");
    let page = ask(&server, "GET", "/", None).text();
    assert!(page.contains("Authorization: Bearer <token>") && !page.contains("curl"), "{page}");
}

/// The OpenAPI document as this caller gets it.
fn document(server: &Server, token: &str) -> Value {
    ask(server, "GET", "/openapi.json", Some(token)).json()
}

#[test]
fn openapi_says_who_may_ask_where_tokens_are_on() {
    let (server, _root) = start(MetricsAccess::Token);
    let whole = document(&server, "everything");
    let scheme = &whole["components"]["securitySchemes"]["token"];
    assert_eq!((&scheme["type"], &scheme["scheme"]), (&json!("http"), &json!("bearer")));
    let paths = whole["paths"].as_object().expect("paths");
    for route in ROUTES.iter().filter(|route| route.template != "/models/{model}/predict") {
        let Some(item) = paths.get(route.template) else {
            assert!(route.template.ends_with("/predict"), "{} is missing", route.template);
            continue;
        };
        let operation = &item[route.method.to_ascii_lowercase()];
        let (security, refusals) = match route.access {
            RouteAccess::Open => (json!([]), [false, false]),
            RouteAccess::Reduced => (json!([{}, { "token": [] }]), [false, false]),
            RouteAccess::Listed => (json!([{ "token": [] }]), [true, false]),
            RouteAccess::Metrics | RouteAccess::Model | RouteAccess::Admin => (json!([{ "token": [] }]), [true, true]),
        };
        assert_eq!(operation["security"], security, "{}", route.template);
        let told = ["401", "403"].map(|status| operation["responses"][status].is_object());
        assert_eq!(told, refusals, "{}", route.template);
    }
    let open = start(MetricsAccess::Open);
    assert_eq!(document(&open.0, "everything")["paths"]["/metrics"]["get"]["security"], json!([]));
    let free = Server::shared().get("/openapi.json").text();
    assert!(!free.contains("securitySchemes") && !free.contains("\"security\"") && !free.contains("\"401\""));
    let limited = document(&server, "churn-only").to_string();
    assert!(limited.contains("/models/churn/predict") && !limited.contains("wine"), "{limited}");
}

#[test]
fn the_page_of_the_reference_asks_for_a_token_and_keeps_it_in_memory_only() {
    let (server, _root) = start(MetricsAccess::Token);
    let page = ask(&server, "GET", "/docs", None);
    assert_eq!(page.status, 200);
    let text = page.text();
    for needed in ["type: \"password\"", "Bearer ${token}", "securitySchemes", "status === 401"] {
        assert!(text.contains(needed), "{needed}");
    }
    for storage in ["localStorage", "sessionStorage", "document.cookie", "indexedDB"] {
        assert!(!text.contains(storage), "{storage}");
    }
}
