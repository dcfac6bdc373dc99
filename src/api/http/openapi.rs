//! OpenAPI 3.1 document of the models served now, each with its own request schema and a working example. `operations`
//! has the paths and their responses, `features` the features of a request.

mod features;
mod operations;
mod view;

use axum::{Json, extract::State, response::IntoResponse};
use serde_json::{Map, Value, json};

use self::{
    operations::{operation, prediction},
    view::View,
};
use super::{
    SharedState,
    context::Context,
    error_codes::error_codes,
    routes::{ROUTES, RouteName},
};
use crate::{
    domain::{
        contract::{MAX_ENTITY_ID, OutputPlan, Task},
        text::MAX_QUOTED,
    },
    repository::ModelVersion,
};

/// `GET /openapi.json`
pub(super) async fn get(State(state): State<SharedState>, Context(context): Context) -> impl IntoResponse {
    let catalog = state.repository.catalog();
    Json(document(&View::new(&state, &catalog, context.visibility())))
}

fn document(view: &View<'_>) -> Value {
    let mut paths = Map::new();
    let mut schemas = common_schemas();
    let mut tags = vec![json!({ "name": "predict", "description": "The default model." })];
    for version in view.served() {
        let name = version.model.as_str();
        let about = version.contract.description.clone().unwrap_or_default();
        tags.push(json!({ "name": name, "description": about }));
        schemas.insert(format!("{name}.features"), features::by_name(version));
        schemas.insert(format!("{name}.request"), request_schema(version));
        schemas.insert(format!("{name}.answer"), answer_schema(version));
        paths.insert(format!("/models/{name}/predict"), prediction(view, version, RouteName::PredictModel));
        if view.catalog.default_name() == Some(name) {
            paths.insert("/predict".into(), prediction(view, version, RouteName::Predict));
        }
    }
    tags.push(json!({ "name": "about", "description": "Models, health, metrics and documentation." }));
    for route in ROUTES.iter().filter(|route| route.method == "GET") {
        paths.insert(route.template.into(), operation(view, route));
    }
    let mut components = json!({ "headers": operations::headers(), "schemas": schemas });
    if view.secured {
        let about = "A token issued by the operator";
        components["securitySchemes"] =
            json!({ operations::TOKEN: { "type": "http", "scheme": "bearer", "description": about } });
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Candor",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "ONNX models over HTTP. Every request is validated against the contract of its model. Every \
                            prediction states its uncertainty and the version that made it.",
            "license": { "name": "MIT OR Apache-2.0", "identifier": "MIT OR Apache-2.0" },
        },
        "servers": [{ "url": "/" }],
        "tags": tags,
        "paths": paths,
        "components": components,
    })
}

fn request_schema(version: &ModelVersion) -> Value {
    let by_name = json!({ "$ref": features::reference(version) });
    let by_position = features::by_position(version);
    // A number beyond 64 bits would be rounded, and would no longer identify anything.
    let entity = json!({
        "type": ["string", "integer", "null"], "maxLength": MAX_ENTITY_ID, "minimum": i64::MIN, "maximum": u64::MAX,
        "description": "The id of the entity that the instance describes",
    });
    let explain = "Whether to explain the prediction by the contribution of each feature; runs many more rows, within \
                   the deadline";
    json!({
        "type": "object",
        "required": ["features"],
        "additionalProperties": false,
        "properties": {
            "features": { "oneOf": [by_name, by_position] },
            "entity_id": entity,
            "explain": { "type": "boolean", "description": explain },
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
            members.extend(classification_members(version, classes));
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
    members.extend([
        ("uncertainty", json!({ "type": ["number", "null"], "description": uncertainty_meaning(version) })),
        ("uncertainty_method", said(&format!("For this model: {}", version.uncertainty_method()))),
        ("coverage", nullable("number")),
        ("explanation", json!({ "oneOf": [{ "$ref": "#/components/schemas/Explanation" }, { "type": "null" }] })),
        ("warnings", json!({ "type": "array", "items": { "$ref": "#/components/schemas/Note" } })),
        ("model", json!({ "type": "string" })),
        ("model_version", said("The version that answered")),
        (
            "training_data",
            json!({ "type": ["string", "null"], "description": "The training data, as stated in version.json" }),
        ),
        ("contract", said("The digest of the contract that the instance was validated against")),
        (
            "features_hash",
            said("The fingerprint of the inputs; equal inputs have equal fingerprints, and 0.0 and -0.0 are not equal"),
        ),
        ("request_id", json!({ "type": "string" })),
    ]);
    let required: Vec<&str> = members.iter().map(|(name, _)| *name).collect();
    let properties: Map<String, Value> =
        members.iter().map(|(name, schema)| ((*name).to_owned(), schema.clone())).collect();
    json!({ "type": "object", "required": required, "properties": properties })
}

/// Returns the members of an answer that only a classification has.
fn classification_members(version: &ModelVersion, classes: &[String]) -> Vec<(&'static str, Value)> {
    let class = json!({ "type": "string", "enum": classes });
    let each = classes.iter().map(|name| (name.clone(), json!({ "type": "number" })));
    vec![
        ("prediction", class.clone()),
        ("probabilities", json!({ "type": "object", "properties": each.collect::<Map<_, _>>() })),
        ("probabilities_method", json!({ "type": "string", "description": probabilities_meaning(version) })),
        ("prediction_set", json!({ "type": ["array", "null"], "items": class, "description": set_meaning(version) })),
        (
            "probability_interval",
            json!({
                "type": ["array", "null"], "items": { "type": "number" }, "minItems": 2, "maxItems": 2,
                "description": "With Venn-Abers: the lower and the upper probability that the prediction is right",
            }),
        ),
    ]
}

/// Returns what the method of the probabilities means, and which one it is.
fn probabilities_meaning(version: &ModelVersion) -> String {
    let method = version.probabilities_method().unwrap_or_default();
    format!(
        "The calibration of the probabilities, which may differ from that of the uncertainty. For this model: {method}"
    )
}

/// Returns what `uncertainty` means, and how good it is.
fn uncertainty_meaning(version: &ModelVersion) -> String {
    match version.contract.output.task() {
        Task::Classification => format!("The probability that the prediction is wrong. {}", how_good(version)),
        Task::Regression => "The half-width of the interval, in the unit of the target".to_owned(),
        Task::Tensors => "Always null".to_owned(),
    }
}

/// Returns how good the uncertainty of a classification is, as measured by its calibration.
fn how_good(version: &ModelVersion) -> String {
    let Some(calibrated) = &version.calibrated else {
        return "It is the model's own and was never compared with true classes".to_owned();
    };
    if let Some(detail) = &calibrated.miscalibration {
        return format!("It is not right within chance: {detail}");
    }
    let report = &calibrated.calibration.report;
    report.after.as_ref().map_or_else(String::new, |after| {
        let rows = calibrated.calibration.data.rows;
        format!(
            "On {rows} held-out rows it is right within chance: its top-label ECE is {:.3}, and at most {:.3} by chance",
            after.ece, after.ece_by_chance.limit
        )
    })
}

/// Returns the coverage claim of the prediction set or interval of a response.
fn set_meaning(version: &ModelVersion) -> String {
    let claimed = version.calibrated.as_ref().and_then(|calibrated| calibrated.calibrator.claimed_coverage());
    claimed.map_or_else(
        || "Always null: this model has no calibration that claims a coverage".to_owned(),
        |coverage| {
            format!("Over all predictions, at least a share of {} of these contain the true value", coverage.as_f64())
        },
    )
}

/// The schemas that do not depend on the models.
fn common_schemas() -> Map<String, Value> {
    let mut schemas: Map<String, Value> =
        serde_json::from_str(include_str!("assets/schemas.json")).expect("a test reads the document");
    let codes: Vec<&str> = error_codes().iter().map(|code| code.as_str()).collect();
    schemas["Problem"]["properties"]["code"]["enum"] = json!(codes);
    schemas.insert("Explanation".to_owned(), explanation_schema());
    schemas
}

fn explanation_schema() -> Value {
    let any = json!({
        "type": ["string", "number", "boolean", "null"],
        "description": format!("A string is truncated after {MAX_QUOTED} characters"),
    });
    let error = json!({ "type": ["number", "null"], "description": "0 if the value is exact, null if unknown" });
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
        "description": "Shapley values: the contribution of each feature, relative to the prediction for the baseline",
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
