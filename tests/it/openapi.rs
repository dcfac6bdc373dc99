//! openapi.json and the page that renders it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::support::{
    external_tools::{module, python},
    packages::{add, ask, copy_models},
    paths::{fixture, root},
    server::Server,
};

const VALIDATE: &str = "
import json, sys
from openapi_spec_validator import OpenAPIV31SpecValidator
OpenAPIV31SpecValidator(json.load(sys.stdin)).validate()
";

/// Validates an instance against a schema of the document, with the document's references.
const INSTANCES: &str = "
import json, sys
from jsonschema import Draft202012Validator
given = json.load(sys.stdin)
for name, instance, good in given['instances']:
    schema = {'$ref': '#/components/schemas/' + name, 'components': given['document']['components']}
    errors = list(Draft202012Validator(schema).iter_errors(instance))
    assert (not errors) == good, (name, instance, good, errors)
";

fn document(server: &Server) -> Value {
    let reply = server.get("/openapi.json");
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("application/json")));
    reply.json()
}

/// The predict paths, with the example of each.
fn examples(document: &Value) -> Vec<(String, Value)> {
    let paths = document["paths"].as_object().expect("paths").iter();
    let predicting = paths.filter(|(path, _)| path.ends_with("/predict"));
    predicting
        .flat_map(|(path, item)| {
            let body = &item["post"]["requestBody"]["content"]["application/json"];
            let shown = body["examples"].as_object().expect("examples").values();
            shown.map(move |example| (path.clone(), example["value"].clone())).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn the_document_is_openapi() {
    assert_eq!(document(Server::shared())["openapi"], "3.1.0");
    python(VALIDATE, &document(Server::shared()).to_string());
    for graph in ["types", "two_outputs_unknown", "embedding", "zipmap_int"] {
        let server = Server::over(&fixture(&format!("{graph}.onnx")));
        python(VALIDATE, &document(&server).to_string());
    }
}

#[test]
fn every_example_works_when_posted() {
    let document = document(Server::shared());
    let examples = examples(&document);
    let paths: BTreeSet<&str> = examples.iter().map(|(path, _)| path.as_str()).collect();
    let models = ["breast-cancer", "churn", "diabetes", "digits", "wine"];
    let expected: BTreeSet<String> =
        models.iter().map(|model| format!("/models/{model}/predict")).chain(["/predict".to_owned()]).collect();
    assert_eq!(paths, expected.iter().map(String::as_str).collect());
    for (path, example) in examples {
        let reply = Server::shared().post(&path, &example.to_string());
        assert_eq!(reply.status, 200, "{path} {example}: {}", reply.text());
        assert_eq!(reply.json()["warnings"], json!([]), "{path}: the example has no warnings: {}", reply.text());
    }
}

#[test]
fn each_model_has_its_own_request_schema_and_it_is_the_contract() {
    let document = document(Server::shared());
    let schemas = &document["components"]["schemas"];
    let mut instances = Vec::new();
    for model in ["breast-cancer", "churn", "diabetes", "digits", "wine"] {
        let contract = Server::shared().get(&format!("/models/{model}/contract")).json();
        let features = &schemas[format!("{model}.features")];
        assert_eq!(without_bounds(&features["properties"]), without_bounds(&contract["properties"]), "{model}");
        assert_eq!(features["required"], contract["required"], "{model}");
        let post = &document["paths"][format!("/models/{model}/predict")]["post"];
        let body = &post["requestBody"]["content"]["application/json"]["schema"];
        assert_eq!(*body, json!({ "$ref": format!("#/components/schemas/{model}.request") }), "{model}");

        let about = Server::shared().get(&format!("/models/{model}")).json();
        let version = about["versions"].as_array().expect("versions").last().expect("one").clone();
        let example = version["example"].clone();
        let answer = ask(Server::shared(), model, &example["features"]).json();
        let positional: Vec<&Value> = example["features"].as_object().expect("by name").values().collect();
        instances.push(json!([format!("{model}.request"), example, true]));
        instances.push(json!([format!("{model}.request"), { "features": positional }, true]));
        instances.push(json!([format!("{model}.request"), { "features": {} }, false]));
        instances.push(json!([format!("{model}.request"), { "features": [] }, false]));
        instances.push(json!([format!("{model}.request"), { "instances": [] }, false]));
        instances.push(json!([format!("{model}.answer"), answer, true]));
        let problem = ask(Server::shared(), model, &json!([])).json();
        instances.push(json!(["Problem", problem, true]));
    }
    python(INSTANCES, &json!({ "document": document, "instances": instances }).to_string());
}

/// Properties without what the document adds to the contract: the bounds of the tensors' element types.
fn without_bounds(properties: &Value) -> Value {
    let mut properties = properties.clone();
    for schema in properties.as_object_mut().expect("properties").values_mut() {
        let mut scalar = schema;
        while scalar["items"].is_object() {
            scalar = &mut scalar["items"];
        }
        let scalar = scalar.as_object_mut().expect("a schema");
        scalar.retain(|name, _| !["minimum", "maximum", "format"].contains(&name.as_str()));
    }
    properties
}

#[test]
fn numbers_are_bounded_by_what_their_tensors_hold() {
    let server = Server::over(&fixture("types.onnx"));
    let document = document(&server);
    let properties = &document["components"]["schemas"]["types.features"]["properties"];
    for (name, least, most, format) in [
        ("in_int8", json!(-128), json!(127), json!("int8")),
        ("in_uint8", json!(0), json!(255), json!("uint8")),
        ("in_int32", json!(i32::MIN), json!(i32::MAX), json!("int32")),
        ("in_int64", json!(i64::MIN), json!(i64::MAX), json!("int64")),
        ("in_uint64", json!(0), json!(u64::MAX), json!("uint64")),
        ("in_float", json!(-3.402_823_5e38), json!(3.402_823_5e38), json!("float")),
        ("in_double", Value::Null, Value::Null, Value::Null),
    ] {
        let schema = &properties[name];
        assert_eq!((&schema["minimum"], &schema["maximum"], &schema["format"]), (&least, &most, &format), "{name}");
        // The bound is exactly the server's: it is admitted, and the next number is not.
        let mut features = server.get("/models/types/versions/1").json()["example"]["features"].clone();
        let mut status = |value: Value| {
            features[name] = value;
            ask(&server, "types", &features).status
        };
        for bound in [&least, &most].into_iter().filter(|bound| bound.is_number()) {
            assert_eq!(status(bound.clone()), 200, "{name} {bound}");
        }
        for (bound, step) in [(&least, -1.0), (&most, 1.0)] {
            let Some(bound) = bound.as_f64().filter(|bound| bound.abs() < 1e10) else { continue };
            assert_eq!(status(json!(bound + step)), 400, "{name} {bound} and one more");
        }
    }
    let half = &properties["in_float16"];
    assert_eq!((&half["exclusiveMinimum"], &half["exclusiveMaximum"]), (&json!(-65520.0), &json!(65520.0)));
    // The contract's own bounds take precedence if they are as tight.
    let bundled = self::document(Server::shared());
    let schemas = &bundled["components"]["schemas"];
    let tenure = &schemas["churn.features"]["properties"]["tenure_months"];
    assert_eq!((&tenure["minimum"], &tenure["maximum"]), (&json!(0), &json!(720)));
    let charge = &schemas["churn.features"]["properties"]["monthly_charge"];
    assert_eq!((&charge["minimum"], &charge["maximum"]), (&json!(0), &json!(3.402_823_5e38)));
}

#[test]
fn the_document_tells_readiness_and_both_forms_of_the_metrics() {
    let document = document(Server::shared());
    let ready = &document["paths"]["/readyz"]["get"]["responses"];
    for status in ["200", "503"] {
        assert!(ready[status]["content"]["application/json"]["schema"].is_object(), "{status}: {ready:#}");
    }
    let metrics = &document["paths"]["/metrics"]["get"]["responses"]["200"]["content"];
    for kind in ["text/plain", "application/openmetrics-text"] {
        assert!(metrics[kind].is_object(), "{kind}: {metrics:#}");
    }
    let predict = document["paths"]["/predict"]["post"]["responses"].as_object().expect("responses");
    let statuses: Vec<&str> = predict.keys().map(String::as_str).collect();
    let expected = ["200", "400", "404", "406", "408", "413", "415", "422", "500", "503", "504"];
    assert_eq!(statuses, expected, "without tokens and without a limit on callers");
}

/// The seed of schemathesis, so that runs are reproducible.
const SCHEMATHESIS: &[&str] =
    &["--seed=1", "--generation-deterministic", "--continue-on-failure", "--no-color", "--warnings=off"];

/// Lets schemathesis send what the document describes, and check each response against it, with all its checks.
fn schemathesis(server: &Server, more: &[&str]) {
    let configuration = root().join("tests/schemathesis.toml").display().to_string();
    let document = format!("http://{}/openapi.json", server.address);
    let arguments = [&["--config-file", &configuration, "run", &document][..], SCHEMATHESIS, more].concat();
    let said = module("schemathesis.cli", &arguments);
    assert!(said.contains("No issues found"), "{said}");
}

#[test]
fn schemathesis_finds_nothing_on_bundled_and_bare_models() {
    let models = copy_models(&["breast-cancer", "churn", "diabetes", "digits", "wine"]);
    for graph in ["types", "binary_single", "zipmap_int", "embedding", "two_outputs_unknown"] {
        add(models.path(), graph, graph, &[]);
    }
    let server = Server::start(|config| config.repository.models = models.path().to_path_buf());
    schemathesis(&server, &["--max-examples=5"]);
}

#[test]
fn schemathesis_finds_nothing_where_tokens_are_on() {
    let models = copy_models(&["churn"]);
    let tokens = models.path().join("tokens.toml");
    // The digest of `foo`.
    let digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    std::fs::write(&tokens, format!("[[caller]]\nname = \"web\"\ntoken_sha256 = \"{digest}\"\n")).expect("written");
    let server = Server::start(|config| {
        config.repository.models = models.path().to_path_buf();
        config.security.tokens_file = tokens;
    });
    let headers = ["--header=Authorization: Bearer foo", "--max-examples=4"];
    // The document itself requires the token.
    schemathesis(&server, &headers);
}

#[test]
fn what_is_not_served_is_not_shown() {
    let root = copy_models(&["diabetes"]);
    add(root.path(), "broken", "members", &[("contract.json", "{}")]);
    let document = document(&Server::over(root.path()));
    assert!(document["paths"]["/models/diabetes/predict"].is_object());
    assert!(document["paths"]["/predict"].is_null(), "with two models and no default there is no /predict");
    assert!(!document.to_string().contains("broken"), "{document:#}");
    python(VALIDATE, &document.to_string());
}

#[test]
fn the_page_loads_nothing_from_outside() {
    let reply = Server::shared().get("/docs");
    assert_eq!((reply.status, reply.header("content-type")), (200, Some("text/html; charset=utf-8")));
    let policy = reply.header("content-security-policy").expect("a policy");
    for rule in
        ["default-src 'none'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"]
    {
        assert!(policy.split(';').any(|part| part.trim() == rule), "{rule}: {policy}");
    }
    assert!(!policy.contains("http:") && !policy.contains("https:") && !policy.contains('*'), "{policy}");
    let page = reply.text();
    let compact: String = page.chars().filter(|character| !character.is_whitespace()).collect();
    for start in ["src=", "href=", "action=", "url(", "@import", "import(", "from", "fetch("] {
        for quote in ["", "\"", "'", "`"] {
            for origin in ["http:", "https:", "//"] {
                let outside = format!("{start}{quote}{origin}");
                assert!(!compact.contains(&outside), "{outside}");
            }
        }
    }
    assert!(page.contains("openapi.json"));
}
