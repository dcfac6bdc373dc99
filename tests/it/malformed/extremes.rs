//! What a contract admits at its edges: the bundled ones leave no number that makes their graph overflow.

use serde_json::{Value, json};

use crate::harness::Server;

/// Every bundled version, with the path of its routes.
fn versions(server: &Server) -> Vec<String> {
    let models = server.get("/models").json();
    let paths = |model: &Value| {
        let name = model["name"].as_str().expect("a name").to_owned();
        let versions = model["versions"].as_array().expect("versions").clone();
        versions
            .into_iter()
            .map(move |version| format!("/models/{name}/versions/{}", version["version"].as_str().expect("a version")))
            .collect::<Vec<_>>()
    };
    models["models"].as_array().expect("models").iter().flat_map(paths).collect()
}

/// The least and the greatest number that a feature admits; where it has no bound, numbers that a float32 just holds.
fn edges(rule: &Value) -> Option<[Value; 2]> {
    let kind = rule["type"].to_string();
    let (integer, number) = (kind.contains("integer"), kind.contains("number"));
    let far = if integer { 9e15 } else { 3e38 };
    let edge = |name: &str, without: f64| rule[name].as_f64().unwrap_or(without);
    let value = |edge: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "an integer's bound")]
        if integer { json!(edge as i64) } else { json!(edge) }
    };
    let least = if rule["exclusiveMinimum"].is_number() { 1.0 } else { edge("minimum", -far) };
    (integer || number).then(|| [value(least), value(edge("maximum", far))])
}

#[test]
fn no_edge_of_a_bundled_contract_makes_a_5xx() {
    let server = Server::shared();
    let mut asked = 0;
    for path in versions(server) {
        let contract = server.get(&format!("{path}/contract")).json();
        let example = contract["examples"][0].clone();
        let ask = |features: &Value| {
            let reply = server.post(&format!("{path}/predict"), &json!({ "features": features }).to_string());
            assert!(reply.status < 500, "{path} {features}: {}", reply.text());
        };
        let (mut low, mut high) = (example.clone(), example.clone());
        for (name, rule) in contract["properties"].as_object().expect("properties") {
            let Some([least, most]) = edges(rule) else { continue };
            for edge in [&least, &most] {
                let mut features = example.clone();
                features[name] = edge.clone();
                ask(&features);
                asked += 1;
            }
            (low[name], high[name]) = (least, most);
        }
        ask(&low);
        ask(&high);
    }
    assert!(asked > 100, "{asked}");
}
