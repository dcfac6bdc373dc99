//! The loaded models, versions and contracts.

use axum::{
    Extension, Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use http::header;
use serde_json::{Value, json};

use super::{
    AppState, SharedState,
    access_control::{CatalogSnapshot, ModelVisibility},
    path_params::PathParams,
    problem,
    service::RequestContext,
};
use crate::{
    repository::{Catalog, ModelEntry, ModelVersion, ServedCalibration, VersionEntry, VersionState},
    serving::{RequestProgress, ServeError},
};

/// `GET /models`
pub(super) async fn list(
    State(services): State<SharedState>,
    Extension(catalog): CatalogSnapshot,
    request: Request,
) -> impl IntoResponse {
    let sight = ModelVisibility::of(&services, request.extensions());
    let seen = catalog.models.values().filter(|entry| sight.covers(entry.name.as_str()));
    let models: Vec<Value> = seen.map(|entry| version_summary(&catalog, entry)).collect();
    let default = catalog.default_name().filter(|name| sight.covers(name));
    Json(json!({ "default_model": default, "models": models }))
}

/// `GET /models/{model}`
pub(super) async fn model(
    State(services): State<SharedState>,
    Extension(catalog): CatalogSnapshot,
    PathParams(model): PathParams<String>,
    request: Request,
) -> Response {
    match catalog.models.get(model.as_str()) {
        Some(entry) => Json(model_detail(&catalog, entry)).into_response(),
        None => not_found(&services, &catalog, (&model, None), &request),
    }
}

/// `GET /models/{model}/versions/{version}`
pub(super) async fn version(
    State(services): State<SharedState>,
    Extension(catalog): CatalogSnapshot,
    PathParams((model, version)): PathParams<(String, String)>,
    request: Request,
) -> Response {
    let entry = catalog.models.get(model.as_str());
    let found = entry.and_then(|entry| entry.versions.iter().find(|found| found.name.as_str() == version));
    match (entry, found) {
        (Some(entry), Some(found)) => Json(version_detail(entry, found.name.as_str(), &found.state)).into_response(),
        _ => not_found(&services, &catalog, (&model, Some(&version)), &request),
    }
}

/// `GET /models/{model}/contract`
pub(super) async fn stable_contract(
    State(services): State<SharedState>,
    Extension(catalog): CatalogSnapshot,
    PathParams(model): PathParams<String>,
    request: Request,
) -> Response {
    contract_of(&services, &catalog, (&model, None), &request)
}

/// `GET /models/{model}/versions/{version}/contract`
pub(super) async fn contract(
    State(services): State<SharedState>,
    Extension(catalog): CatalogSnapshot,
    PathParams((model, version)): PathParams<(String, String)>,
    request: Request,
) -> Response {
    contract_of(&services, &catalog, (&model, Some(&version)), &request)
}

fn contract_of(
    services: &AppState,
    catalog: &Catalog,
    (model, version): (&str, Option<&str>),
    request: &Request,
) -> Response {
    let sight = ModelVisibility::of(services, request.extensions());
    match catalog.resolve_within(Some(model), version, &|name| sight.covers(name)) {
        Ok(version) => {
            let body = serde_json::to_vec_pretty(&version.document).unwrap_or_default();
            let id = format!("\"{}\"", version.contract_id);
            ([(header::CONTENT_TYPE, "application/schema+json".to_owned()), (header::ETAG, id)], body).into_response()
        }
        Err(resolved) => model_response(&ServeError::from_resolve_error(resolved), request),
    }
}

fn not_found(
    services: &AppState,
    catalog: &Catalog,
    (model, version): (&str, Option<&str>),
    request: &Request,
) -> Response {
    let sight = ModelVisibility::of(services, request.extensions());
    match catalog.resolve_within(Some(model), version, &|name| sight.covers(name)) {
        Err(resolved) => model_response(&ServeError::from_resolve_error(resolved), request),
        // Unreachable: the name was just looked up in the same catalog and not found.
        Ok(_) => model_response(
            &ServeError::new(crate::domain::error_code::ErrorCode::Internal, "the server failed"),
            request,
        ),
    }
}

fn model_response(failure: &ServeError, request: &Request) -> Response {
    problem::problem_response(failure, &RequestContext::of(request.extensions()).request_id, RequestProgress::default())
}

fn version_summary(catalog: &Catalog, entry: &ModelEntry) -> Value {
    let stable = entry.stable();
    json!({
        "name": entry.name.as_str(),
        "default": catalog.default_name() == Some(entry.name.as_str()),
        "required": entry.required,
        "ready": stable.is_some(),
        "stable_version": stable.map(|version| version.version.as_str()),
        "task": stable.map(|version| version.contract.output.task().as_str()),
        "description": stable.and_then(|version| version.contract.description.as_deref()),
        "versions": entry.versions.iter().map(model_summary).collect::<Vec<_>>(),
    })
}

/// Returns a version for the list of all models: its state, calibration and profile.
fn model_summary(entry: &VersionEntry) -> Value {
    let mut value = json!({ "version": entry.name.as_str(), "state": entry.state.as_str() });
    if let VersionState::Ready(version) = &entry.state {
        value["uncertainty_method"] = json!(version.uncertainty_method());
        value["calibration"] = json!(version.calibrated.as_ref().map(|calibrated| json!({
            "method": calibrated.calibrator.method(),
            "coverage": calibrated.calibrator.claimed_coverage(),
            "rows": calibrated.calibration.data.rows,
        })));
        value["profile"] = json!(version.profile.as_ref().map(|profile| json!({ "rows": profile.rows })));
    }
    value
}

fn model_detail(catalog: &Catalog, entry: &ModelEntry) -> Value {
    let mut value = version_summary(catalog, entry);
    value["versions"] =
        entry.versions.iter().map(|version| version_detail(entry, version.name.as_str(), &version.state)).collect();
    value
}

/// Returns a calibration with its report, without its tables.
fn calibration(calibrated: &ServedCalibration) -> Value {
    let of = &calibrated.calibration;
    json!({
        "method": calibrated.calibrator.method(),
        "coverage": calibrated.calibrator.claimed_coverage(),
        "rows": of.data.rows,
        "groups": of.groups().map(|groups| json!({
            "feature": groups.feature,
            "values": groups.groups.iter().map(|group| &group.value).collect::<Vec<_>>(),
        })),
        "created": of.created,
        "data": of.data,
        "report": of.report,
    })
}

fn version_detail(entry: &ModelEntry, name: &str, state: &VersionState) -> Value {
    match state {
        VersionState::Ready(version) => ready_version_detail(entry, version),
        VersionState::Loading => json!({ "version": name, "state": "loading", "reasons": [] }),
        VersionState::Unavailable(reasons) => json!({ "version": name, "state": "unavailable", "reasons": &**reasons }),
    }
}

fn ready_version_detail(entry: &ModelEntry, version: &ModelVersion) -> Value {
    let inputs: Vec<String> = version.signature.inputs.iter().map(ToString::to_string).collect();
    let outputs: Vec<String> = version.signature.outputs.iter().map(ToString::to_string).collect();
    let model = version.model.as_str();
    json!({
        "model": model,
        "version": version.version.as_str(),
        "state": "ready",
        "reasons": [],
        "stable": entry.stable().is_some_and(|stable| stable.version == version.version),
        "task": version.contract.output.task().as_str(),
        "classes": version.contract.output.classes(),
        "contract": version.contract_id,
        "contract_url": format!("/models/{model}/versions/{}/contract", version.version.as_str()),
        "full_validation_keywords": version.contract.full_validation_keywords,
        "provenance": version.provenance,
        "model_sha256": version.graph_sha256,
        "uncertainty_method": version.uncertainty_method(),
        "calibration": version.calibrated.as_ref().map(calibration),
        "profile": version.profile.as_ref().map(|profile| json!({ "rows": profile.rows, "source": profile.source })),
        "limits": {
            "max_batch_rows": if version.contract.batched { version.limits.max_batch_rows } else { 1 },
            "max_queue_rows": version.limits.max_queue_rows,
            "deadline_ms": version.limits.deadline_ms,
            "max_explain_rows": version.limits.max_explain_rows,
        },
        "runtime": {
            "providers": version.providers,
            "plan": version.plan,
            "probe": version.probe,
            "inputs": inputs,
            "outputs": outputs,
            "load_seconds": version.load.as_secs_f64(),
        },
        "notes": version.notes,
        "example": { "features": version.example },
    })
}
