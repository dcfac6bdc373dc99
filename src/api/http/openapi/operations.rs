//! Operations of the OpenAPI document: the parameters of each route and all of its possible responses.

use serde_json::{Map, Value, json};

use super::{
    super::{
        error_codes::{
            self, INVALID_HEADER, METHOD_NOT_ALLOWED, MOVE_CONFLICT, MOVE_NOT_RECORDED, MOVE_REFUSED, NOT_FOUND,
            error_codes,
        },
        routes::{ROUTES, Route, RouteAccess, RouteName},
    },
    view::View,
};
use crate::{domain::error_code::ErrorCode, repository::ModelVersion};

/// The name of the security scheme.
pub(super) const TOKEN: &str = "token";

/// Returns the path item of a prediction route for this version.
pub(super) fn prediction(view: &View<'_>, version: &ModelVersion, name: RouteName) -> Value {
    let model = version.model.as_str();
    let (tag, path) = match name {
        RouteName::Predict => ("predict", "/predict".to_owned()),
        _ => (model, format!("/models/{model}/predict")),
    };
    let schema = |part: &str| json!({ "$ref": format!("#/components/schemas/{model}.{part}") });
    let answer = json!({
        "description": "The prediction and its uncertainty",
        "headers": {
            "x-request-id": shared("x-request-id"),
            "x-model-version": shared("x-model-version"),
            "x-variant": shared("x-variant"),
            "server-timing": shared("server-timing"),
        },
        "content": { "application/json": { "schema": schema("answer") } },
    });
    let mut responses = Map::from_iter([("200".to_owned(), answer)]);
    for route in ROUTES.iter().filter(|route| route.name == name) {
        refusals(view, route, &mut responses);
    }
    let deadline = json!({ "type": "integer", "minimum": 1, "maximum": super::super::headers::MAX_DEADLINE_MS });
    let request_id = "The request id of the client, [A-Za-z0-9._:-]{1,128}; any other value is replaced";
    let mut operation = json!({
        "tags": [tag],
        "summary": version.contract.title.clone().unwrap_or_else(|| model.to_owned()),
        "description": version.contract.description,
        "operationId": operation_id("post", &path),
        "parameters": [
            header("x-request-id", request_id, &json!({ "type": "string" })),
            header("x-deadline-ms", "The timeout of the client, in milliseconds", &deadline),
            header("traceparent", "W3C Trace Context; a malformed value is ignored", &json!({ "type": "string" })),
        ],
        "requestBody": {
            "required": true,
            "content": { "application/json": {
                "schema": schema("request"),
                "examples": { "example": { "value": { "features": version.example } } },
            } },
        },
        "responses": responses,
    });
    secure(view, RouteAccess::Model, &mut operation);
    json!({ "post": operation })
}

/// Returns the path item of a GET route.
pub(super) fn operation(view: &View<'_>, route: &Route) -> Value {
    let names = route.template.split('/').filter_map(|step| step.strip_prefix('{')?.strip_suffix('}'));
    let parameters: Vec<Value> = names.map(|name| path_parameter(view, name)).collect();
    let mut responses = Map::new();
    responses.insert("200".to_owned(), response("Success", &content(route.name)));
    refusals(view, route, &mut responses);
    if route.name == RouteName::Readyz {
        responses.insert("503".to_owned(), response("Not ready, with the reasons", &content(route.name)));
    }
    let mut operation = json!({
        "tags": ["about"],
        "summary": route.about,
        "operationId": operation_id("get", route.template),
        "parameters": parameters,
        "responses": responses,
    });
    secure(view, route.access, &mut operation);
    json!({ "get": operation })
}

/// Sets the security requirement of an operation, if the server requires tokens.
fn secure(view: &View<'_>, access: RouteAccess, operation: &mut Value) {
    if view.secured {
        operation["security"] = match access {
            RouteAccess::Open => json!([]),
            RouteAccess::Reduced => json!([{}, { TOKEN: [] }]),
            RouteAccess::Metrics if !view.secured_metrics => json!([]),
            RouteAccess::Metrics | RouteAccess::Listed | RouteAccess::Model | RouteAccess::Admin => {
                json!([{ TOKEN: [] }])
            }
        };
    }
}

/// Returns the media types of a response, each with its schema.
fn content(name: RouteName) -> Value {
    let schema = |name: &str| json!({ "schema": { "$ref": format!("#/components/schemas/{name}") } });
    let (text, object) = (json!({ "schema": { "type": "string" } }), json!({ "schema": { "type": "object" } }));
    match name {
        RouteName::Healthz | RouteName::Livez => json!({ "application/json": schema("Alive") }),
        RouteName::Readyz => json!({ "application/json": schema("Ready") }),
        RouteName::Models => json!({ "application/json": schema("Models") }),
        RouteName::Contract | RouteName::VersionContract => json!({ "application/schema+json": object }),
        RouteName::Metrics => json!({ "text/plain": text, "application/openmetrics-text": text }),
        RouteName::Problems | RouteName::Problem => json!({ "text/plain": text, "application/json": object }),
        RouteName::Docs => json!({ "text/html": text }),
        RouteName::Root => json!({ "text/plain": text }),
        RouteName::Model
        | RouteName::Version
        | RouteName::OpenApi
        | RouteName::Predict
        | RouteName::PredictModel
        | RouteName::PredictVersion
        | RouteName::LogLevel
        | RouteName::SetLogLevel
        | RouteName::Reload
        | RouteName::Rollouts
        | RouteName::Rollout
        | RouteName::Promote
        | RouteName::Canary
        | RouteName::Shadow
        | RouteName::Rollback
        | RouteName::Load
        | RouteName::Unload => {
            json!({ "application/json": object })
        }
    }
}

fn response(description: &str, content: &Value) -> Value {
    json!({ "description": description, "headers": { "x-request-id": shared("x-request-id") }, "content": content })
}

/// Returns a path parameter, with an example that exists.
fn path_parameter(view: &View<'_>, name: &str) -> Value {
    let mut schema = json!({ "type": "string", "minLength": 1 });
    let shown = view.served().next();
    let example = match name {
        "model" => shown.map(|version| version.model.as_str()),
        "version" => shown.map(|version| version.version.as_str()),
        _ => {
            schema["enum"] = error_codes().iter().map(|code| code.as_str()).collect();
            Some(ErrorCode::DataContractViolation.as_str())
        }
    };
    let mut parameter = json!({ "name": name, "in": "path", "required": true, "schema": schema });
    if let Some(example) = example {
        parameter["example"] = json!(example);
    }
    parameter
}

fn operation_id(method: &str, path: &str) -> String {
    path.split(['/', '{', '}', '.'])
        .filter(|step| !step.is_empty())
        .fold(method.to_owned(), |id, step| format!("{id}_{step}"))
}

fn header(name: &str, description: &str, schema: &Value) -> Value {
    json!({ "name": name, "in": "header", "required": false, "description": description, "schema": schema })
}

/// Headers of responses: name, type, meaning.
const HEADERS: [(&str, &str, &str); 6] = [
    ("retry-after", "integer", "The time to wait before a retry, in seconds"),
    ("server-timing", "string", "The duration of each stage, in milliseconds"),
    ("www-authenticate", "string", "The required authentication scheme"),
    ("x-model-version", "string", "The version that answered"),
    ("x-request-id", "string", "The request id, as in the log"),
    ("x-variant", "string", "The arm of the A/B experiment, if the request is part of one"),
];

/// Returns the headers of responses, described once for all operations.
pub(super) fn headers() -> Value {
    let described = HEADERS
        .into_iter()
        .map(|(name, kind, about)| (name.to_owned(), json!({ "description": about, "schema": { "type": kind } })));
    Value::Object(described.collect())
}

fn shared(header: &str) -> Value {
    json!({ "$ref": format!("#/components/headers/{header}") })
}

/// Adds every error status that the route may return, with the error codes that it covers.
fn refusals(view: &View<'_>, route: &Route, responses: &mut Map<String, Value>) {
    let mut by_status: std::collections::BTreeMap<u16, Vec<&str>> = std::collections::BTreeMap::new();
    for code in error_codes().into_iter().filter(|code| may_answer(*code, route, view)) {
        by_status.entry(error_codes::status(code)).or_default().push(code.as_str());
    }
    for (status, codes) in by_status {
        let schema = json!({ "schema": { "$ref": "#/components/schemas/Problem" } });
        let mut response = response(&codes.join(", "), &json!({ "application/problem+json": schema }));
        let more = match status {
            401 => Some("www-authenticate"),
            429 | 503 => Some("retry-after"),
            _ => None,
        };
        if let Some(name) = more {
            response["headers"][name] = shared(name);
        }
        responses.insert(status.to_string(), response);
    }
}

/// Whether a route may return this code. `method_not_allowed` belongs to no route, since another method would be
/// another operation.
fn may_answer(code: ErrorCode, route: &Route, view: &View<'_>) -> bool {
    let of_models = route.access.serves_models();
    let asks_for_token = match route.access {
        RouteAccess::Open | RouteAccess::Reduced => false,
        RouteAccess::Metrics => view.secured_metrics,
        RouteAccess::Listed | RouteAccess::Model => view.secured,
        RouteAccess::Admin => true,
    };
    match code {
        // Any request may have two Host headers, and any handler may panic.
        INVALID_HEADER | ErrorCode::Internal => true,
        ErrorCode::Unauthenticated => asks_for_token,
        ErrorCode::Forbidden => asks_for_token && route.access != RouteAccess::Listed,
        ErrorCode::RateLimited => of_models && view.metered,
        ErrorCode::Draining => of_models,
        NOT_FOUND => route.template.contains('{'),
        ErrorCode::UnknownModel | ErrorCode::NotReady => route.access == RouteAccess::Model,
        ErrorCode::UnknownVersion => route.template.contains("{version}"),
        METHOD_NOT_ALLOWED => false,
        MOVE_REFUSED | MOVE_CONFLICT | MOVE_NOT_RECORDED => route.access == RouteAccess::Admin,
        // The other codes concern a request body or running a model.
        _ => route.method == "POST",
    }
}
