//! Extreme values that a contract admits: no bundled contract lets a number through that makes its graph overflow.

use serde_json::{Value, json};

use crate::support::server::Server;

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

/// The smallest and the largest number that a feature admits; without a bound, the limit of its tensor's type.
fn edges(rule: &Value, wide: bool) -> Option<[Value; 2]> {
    let kind = rule["type"].to_string();
    let (integer, number) = (kind.contains("integer"), kind.contains("number"));
    let far = match (integer, wide) {
        (true, _) => 9e15,
        (false, true) => 1.7e308,
        (false, false) => 3e38,
    };
    let edge = |name: &str, without: f64| rule[name].as_f64().unwrap_or(without);
    let value = |edge: f64| {
        #[expect(clippy::cast_possible_truncation, reason = "an integer's bound")]
        if integer { json!(edge as i64) } else { json!(edge) }
    };
    let least = rule["exclusiveMinimum"].as_f64().map_or_else(|| edge("minimum", -far), |limit| limit + 1e-9);
    let least = if integer { least.ceil() } else { least };
    (integer || number).then(|| [value(least), value(edge("maximum", far))])
}

#[test]
fn no_edge_of_a_bundled_contract_makes_a_5xx() {
    let server = Server::shared();
    let (mut asked, mut pairs) = (0, 0);
    for path in versions(server) {
        let contract = server.get(&format!("{path}/contract")).json();
        let wide = server.get(&path).json()["runtime"]["inputs"].to_string().contains("float64");
        let example = contract["examples"][0].clone();
        let ask = |features: &Value| {
            let reply = server.post(&format!("{path}/predict"), &json!({ "features": features }).to_string());
            assert!(reply.status < 500, "{path} {features}: {}", reply.text());
        };
        let properties = contract["properties"].as_object().expect("properties").iter();
        let edges: Vec<(&String, [Value; 2])> =
            properties.filter_map(|(name, rule)| Some((name, edges(rule, wide)?))).collect();
        let (mut low, mut high) = (example.clone(), example.clone());
        for (index, (name, ends)) in edges.iter().enumerate() {
            for end in ends {
                let mut features = example.clone();
                features[*name] = end.clone();
                ask(&features);
                asked += 1;
                // Values that are fine alone may overflow together.
                for (other, ends) in &edges[index + 1..] {
                    for end in ends {
                        features[*other] = end.clone();
                        ask(&features);
                        features[*other] = example[*other].clone();
                        pairs += 1;
                    }
                }
            }
            (low[*name], high[*name]) = (ends[0].clone(), ends[1].clone());
        }
        ask(&low);
        ask(&high);
    }
    assert!(asked > 100 && pairs > 1000, "{asked} edges, {pairs} pairs");
}
