//! openapi.json and the page that shows it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::{
    harness::{Server, copy_models, fixture},
    python::python,
    workshop::{add, ask},
};

const VALIDATE: &str = "
import json, sys
from openapi_spec_validator import OpenAPIV31SpecValidator
OpenAPIV31SpecValidator(json.load(sys.stdin)).validate()
";

/// Judges an instance by a schema of the document, with the document's own references.
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

/// The paths that predict, with the example that each shows.
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
        assert_eq!(reply.json()["warnings"], json!([]), "{path}: an example is what is usual: {}", reply.text());
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
        assert_eq!(features["properties"], contract["properties"], "{model}");
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

#[test]
fn what_is_not_served_is_not_shown() {
    let root = copy_models(&["diabetes"]);
    add(root.path(), "broken", "members", &[("contract.json", "{}")]);
    let document = document(&Server::over(root.path()));
    assert!(document["paths"]["/models/diabetes/predict"].is_object());
    assert!(document["paths"]["/predict"].is_null(), "with two models and no default there is no /predict to ask");
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
