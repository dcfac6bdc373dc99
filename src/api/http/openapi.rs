//! OpenAPI 3.1 of what is served now: each model with its own request schema and an example that works.

use axum::{Json, extract::State, response::IntoResponse};
use serde_json::{Map, Value, json};

use super::{Shared, problem};
use crate::{
    domain::{
        code::ErrorCode,
        contract::{OutputPlan, Task},
    },
    repository::{Catalog, ModelVersion},
};

/// `GET /openapi.json`
pub(super) async fn get(State(services): State<Shared>) -> impl IntoResponse {
    Json(document(&services.repository.catalog()))
}

/// The document for a catalog.
pub fn document(catalog: &Catalog) -> Value {
    let mut paths = Map::new();
    let mut schemas = common_schemas();
    let mut tags = vec![json!({ "name": "predict", "description": "The default model." })];
    for entry in catalog.models.values() {
        let Some(version) = entry.stable() else { continue };
        let name = version.model.as_str();
        let about = version.contract.description.clone().unwrap_or_default();
        tags.push(json!({ "name": name, "description": about }));
        schemas.insert(format!("{name}.features"), features_schema(version));
        schemas.insert(format!("{name}.request"), request_schema(version));
        schemas.insert(format!("{name}.answer"), answer_schema(version));
        paths.insert(format!("/models/{name}/predict"), predict_path(version, name));
        if catalog.default_name() == Some(name) {
            paths.insert("/predict".into(), predict_path(version, "predict"));
        }
    }
    tags.push(json!({ "name": "about", "description": "What is loaded, and how it does." }));
    for (path, summary, media) in PAGES {
        paths.insert((*path).into(), page_path(path, summary, media));
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Candor",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "ONNX models over HTTP. Every request is checked against the model's contract; every answer says \
                            how uncertain it is, and which version gave it.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "paths": paths,
        "components": { "schemas": schemas },
    })
}

/// The routes beside the models', with what they answer in.
const PAGES: &[(&str, &str, &str)] = &[
    ("/models", "What is loaded", "application/json"),
    ("/models/{model}", "One model: versions, states, limits, provenance", "application/json"),
    ("/models/{model}/contract", "The contract of the version that answers", "application/schema+json"),
    ("/models/{model}/versions/{version}", "One version", "application/json"),
    ("/models/{model}/versions/{version}/contract", "The contract of one version", "application/schema+json"),
    ("/healthz", "The process is alive", "application/json"),
    ("/livez", "The process is alive", "application/json"),
    ("/readyz", "Every required model is ready; else 503 with the reasons", "application/json"),
    ("/metrics", "Prometheus text, or OpenMetrics with exemplars", "text/plain"),
    ("/problems", "Every error code, with its status", "text/plain"),
    ("/problems/{code}", "What an error code means and what to do", "text/plain"),
];

fn page_path(path: &str, summary: &str, media: &str) -> Value {
    let names = path.split('/').filter_map(|step| step.strip_prefix('{')?.strip_suffix('}'));
    let parameters: Vec<Value> = names
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    let plain = json!({ "description": "It is", "content": { media: {} } });
    let mut responses = Map::from_iter([("200".to_owned(), plain)]);
    if !parameters.is_empty() {
        responses.insert("404".into(), problem_response("There is none of this name"));
    }
    json!({ "get": { "tags": ["about"], "summary": summary, "operationId": operation_id("get", path), "parameters": parameters, "responses": responses } })
}

fn operation_id(method: &str, path: &str) -> String {
    path.split(['/', '{', '}', '.'])
        .filter(|step| !step.is_empty())
        .fold(method.to_owned(), |id, step| format!("{id}_{step}"))
}

fn problem_response(description: &str) -> Value {
    let schema = json!({ "$ref": "#/components/schemas/Problem" });
    json!({ "description": description, "content": { "application/problem+json": { "schema": schema } } })
}

fn predict_path(version: &ModelVersion, tag: &str) -> Value {
    let name = version.model.as_str();
    let schema = |part: &str| json!({ "$ref": format!("#/components/schemas/{name}.{part}") });
    let example = json!({ "features": version.example });
    let mut responses = Map::new();
    responses.insert("200".into(), json!({
        "description": "The prediction, and how uncertain it is",
        "headers": {
            "x-request-id": { "description": "By which the request is found again", "schema": { "type": "string" } },
            "x-model-version": { "description": "The version that answered", "schema": { "type": "string" } },
            "server-timing": { "description": "Where the time went, in milliseconds", "schema": { "type": "string" } },
        },
        "content": { "application/json": { "schema": schema("answer") } },
    }));
    for (status, description) in statuses() {
        responses.insert(status.to_string(), problem_response(&description));
    }
    let path = if tag == "predict" { "/predict".to_owned() } else { format!("/models/{name}/predict") };
    json!({ "post": {
        "tags": [tag],
        "summary": version.contract.title.clone().unwrap_or_else(|| name.to_owned()),
        "description": version.contract.description,
        "operationId": operation_id("post", &path),
        "parameters": [
            header("x-request-id", "An id of the caller's own, [A-Za-z0-9._:-]{1,128}", &json!({ "type": "string" })),
            header("x-deadline-ms", "How long the caller will wait", &json!({ "type": "integer", "minimum": 1 })),
            header("traceparent", "W3C Trace Context", &json!({ "type": "string" })),
        ],
        "requestBody": {
            "required": true,
            "content": { "application/json": { "schema": schema("request"), "examples": { "example": { "value": example } } } },
        },
        "responses": responses,
    } })
}

fn header(name: &str, description: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "header", "required": false, "description": description, "schema": schema })
}

/// Each status that a prediction may answer with, and the codes that it stands for.
fn statuses() -> Vec<(u16, String)> {
    let mut statuses: Vec<u16> = ErrorCode::ALL.iter().map(|code| problem::status(*code)).collect();
    statuses.sort_unstable();
    statuses.dedup();
    let codes = |status: u16| {
        let with = ErrorCode::ALL.iter().filter(|code| problem::status(**code) == status);
        with.map(|code| code.as_str()).collect::<Vec<_>>().join(", ")
    };
    statuses.into_iter().map(|status| (status, codes(status))).collect()
}

/// The contract as a schema inside another document.
fn features_schema(version: &ModelVersion) -> Value {
    let mut schema = serde_json::to_value(&version.document).unwrap_or_default();
    if let Value::Object(members) = &mut schema {
        members.remove("$schema");
        // A reference inside the contract means the contract, not the document around it.
        if version.contract.second_pass.iter().any(|keyword| keyword.contains("ef")) {
            members.entry("$id").or_insert_with(|| json!(format!("/models/{}/contract", version.model.as_str())));
        }
    }
    schema
}

fn request_schema(version: &ModelVersion) -> Value {
    let count = version.contract.features.len();
    let names: Vec<&str> = version.contract.features.iter().map(|feature| feature.name.as_str()).collect();
    let by_name = json!({ "$ref": format!("#/components/schemas/{}.features", version.model.as_str()) });
    let by_position = json!({
        "type": "array", "minItems": count, "maxItems": count,
        "title": "by position", "description": format!("In this order: {}", names.join(", ")),
    });
    json!({
        "type": "object",
        "required": ["features"],
        "additionalProperties": false,
        "properties": {
            "features": { "oneOf": [by_name, by_position] },
            "entity_id": { "type": ["string", "integer", "null"], "description": "Whom or what the instance is about; recorded with the answer" },
            "explain": { "type": "boolean", "description": "Whether to say how much each feature contributed; costs many rows, within the deadline" },
        },
    })
}

fn answer_schema(version: &ModelVersion) -> Value {
    let nullable = |kind: &str| json!({ "type": [kind, "null"] });
    let said = |meaning: &str| json!({ "type": "string", "description": meaning });
    let plan = &version.contract.output;
    let mut members: Vec<(&str, Value)> = Vec::new();
    match plan {
        OutputPlan::Classification { classes, .. } => {
            let class = json!({ "type": "string", "enum": classes });
            let each = classes.iter().map(|name| (name.clone(), json!({ "type": "number" })));
            members.push(("prediction", class.clone()));
            members.push(("probabilities", json!({ "type": "object", "properties": each.collect::<Map<_, _>>() })));
            members.push((
                "prediction_set",
                json!({ "type": ["array", "null"], "items": class, "description": set_meaning(version) }),
            ));
            members.push((
                "probability_interval",
                json!({
                    "type": ["array", "null"], "items": { "type": "number" }, "minItems": 2, "maxItems": 2,
                    "description": "With Venn-Abers: the least and the greatest probability of the prediction",
                }),
            ));
        }
        OutputPlan::Regression { unit, .. } => {
            members.push(("prediction", json!({ "type": "number", "x-unit": unit })));
            members.push((
                "interval",
                json!({
                    "type": ["array", "null"], "items": { "type": "number" }, "minItems": 2, "maxItems": 2,
                    "description": set_meaning(version),
                }),
            ));
            members.push(("unit", nullable("string")));
        }
        OutputPlan::Tensors { requested } => {
            let each = requested.iter().map(|name| (name.clone(), json!({})));
            members.push(("prediction", json!({ "type": "null" })));
            members.push(("outputs", json!({ "type": "object", "properties": each.collect::<Map<_, _>>() })));
        }
    }
    let meaning = match plan.task() {
        Task::Classification => "The probability that the prediction is wrong",
        Task::Regression => "The half-width of the interval, in the target's unit",
        Task::Tensors => "Always null",
    };
    members.extend([
        ("uncertainty", json!({ "type": ["number", "null"], "description": meaning })),
        ("uncertainty_method", said(&format!("For this model {}", version.uncertainty_method()))),
        ("coverage", nullable("number")),
        ("explanation", json!({ "oneOf": [{ "$ref": "#/components/schemas/Explanation" }, { "type": "null" }] })),
        ("warnings", json!({ "type": "array", "items": { "$ref": "#/components/schemas/Note" } })),
        ("model", json!({ "type": "string" })),
        ("model_version", said("The version that answered")),
        (
            "training_data",
            json!({ "type": ["string", "null"], "description": "What it was trained on, by version.json" }),
        ),
        ("contract", said("The digest of the contract that the instance was held to")),
        ("features_hash", said("The fingerprint of the instance: equal inputs, equal hash")),
        ("request_id", json!({ "type": "string" })),
    ]);
    let required: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> =
        members.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

/// What the set or the interval of an answer promises.
fn set_meaning(version: &ModelVersion) -> String {
    let claimed = version.calibrated.as_ref().and_then(|calibrated| calibrated.calibrator.claimed());
    claimed.map_or_else(
        || "Null: this model has no calibration that claims a coverage".to_owned(),
        |coverage| format!("Over all answers, a share of {} or more of these hold the truth", coverage.as_f64()),
    )
}

fn common_schemas() -> Map<String, Value> {
    let codes: Vec<&str> = ErrorCode::ALL.iter().map(|code| code.as_str()).collect();
    let note = json!({
        "type": "object",
        "required": ["pointer", "code", "detail"],
        "properties": {
            "pointer": { "type": "string", "description": "A JSON Pointer into the body" },
            "code": { "type": "string" },
            "detail": { "type": "string" },
        },
    });
    let problem = json!({
        "type": "object",
        "description": "RFC 9457 problem details",
        "required": ["type", "title", "status", "detail", "code", "request_id"],
        "properties": {
            "type": { "type": "string" },
            "title": { "type": "string" },
            "status": { "type": "integer" },
            "detail": { "type": "string" },
            "code": { "type": "string", "enum": codes },
            "request_id": { "type": "string" },
            "model": { "type": ["string", "null"] },
            "model_version": { "type": ["string", "null"] },
            "contract": { "type": ["string", "null"] },
            "uncertainty": { "type": "null" },
            "errors": { "type": "array", "items": { "$ref": "#/components/schemas/Note" } },
        },
    });
    Map::from_iter([
        ("Note".to_owned(), note),
        ("Problem".to_owned(), problem),
        ("Explanation".to_owned(), explanation_schema()),
    ])
}

fn explanation_schema() -> Value {
    let any = json!({ "type": ["string", "number", "boolean", "null"] });
    let error = json!({ "type": ["number", "null"], "description": "0 where it is exact, null where it is not known" });
    let number = json!({ "type": "number" });
    let contribution = json!({
        "type": "object",
        "required": ["feature", "value", "baseline", "contribution", "standard_error"],
        "properties": {
            "feature": { "type": "string" }, "value": any, "baseline": any, "contribution": number, "standard_error": error,
        },
    });
    json!({
        "type": "object",
        "description": "Shapley values: what each feature adds to the answer for the baseline",
        "required": ["method", "baseline", "base_value", "contributions", "standard_error", "rows", "complete"],
        "properties": {
            "method": { "type": "string", "enum": ["shapley-exact", "shapley-permutation"] },
            "baseline": { "type": "string" },
            "base_value": number,
            "contributions": { "type": "array", "items": contribution },
            "standard_error": error,
            "rows": { "type": "integer", "minimum": 0 },
            "complete": { "type": "boolean" },
        },
    })
}
