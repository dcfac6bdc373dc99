//! What is loaded: models, versions, contracts.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use http::header;
use serde_json::{Value, json};

use super::{
    SharedState,
    context::{Context, RequestContext},
    path_params::PathParams,
};
use crate::{
    domain::calibration::{CoverageLaw, coverage_law},
    repository::{Catalog, ModelEntry, ModelVersion, ServedCalibration, VersionEntry, VersionState},
    serving::{ServeError, find_model, pin},
};

/// `GET /models`
pub(super) async fn list(State(state): State<SharedState>, Context(context): Context) -> impl IntoResponse {
    let (catalog, visibility) = (state.repository.catalog(), context.visibility());
    let visible = catalog.models.values().filter(|entry| visibility.covers(entry.name.as_str()));
    let models: Vec<Value> = visible.map(|entry| model_summary(&catalog, entry)).collect();
    let default = catalog.default_name().filter(|name| visibility.covers(name));
    Json(json!({ "default_model": default, "models": models }))
}

/// `GET /models/{model}`
pub(super) async fn model(
    State(state): State<SharedState>,
    Context(context): Context,
    PathParams(model): PathParams<String>,
) -> Response {
    let catalog = state.repository.catalog();
    let found = find_model(&catalog, &model, context.caller());
    context.respond(found.map(|entry| Json(model_detail(&catalog, entry))))
}

/// `GET /models/{model}/versions/{version}`
pub(super) async fn version(
    State(state): State<SharedState>,
    Context(context): Context,
    PathParams((model, version)): PathParams<(String, String)>,
) -> Response {
    let (catalog, caller) = (state.repository.catalog(), context.caller());
    let found = find_model(&catalog, &model, caller).and_then(|entry| {
        let find = |name: &str| entry.versions.iter().find(|found| found.name.as_str() == name);
        let found = find(&version).or_else(|| find(entry.rollout.alias(&version)?.as_str()));
        let found = found.ok_or_else(|| ServeError::from_resolve_error(entry.unknown_version(&version)))?;
        Ok(Json(version_detail(entry, found.name.as_str(), &found.state)))
    });
    context.respond(found)
}

/// `GET /models/{model}/contract`
pub(super) async fn stable_contract(
    State(state): State<SharedState>,
    Context(context): Context,
    PathParams(model): PathParams<String>,
) -> Response {
    contract_of(&state.repository.catalog(), &model, None, &context)
}

/// `GET /models/{model}/versions/{version}/contract`
pub(super) async fn contract(
    State(state): State<SharedState>,
    Context(context): Context,
    PathParams((model, version)): PathParams<(String, String)>,
) -> Response {
    contract_of(&state.repository.catalog(), &model, Some(&version), &context)
}

fn contract_of(catalog: &Catalog, model: &str, version: Option<&str>, context: &RequestContext) -> Response {
    context.respond(pin(catalog, Some(model), version, context.caller()).map(|pinned| {
        let version = pinned.version;
        let body = serde_json::to_vec_pretty(&version.document).unwrap_or_default();
        let id = format!("\"{}\"", version.contract_id);
        ([(header::CONTENT_TYPE, "application/schema+json".to_owned()), (header::ETAG, id)], body)
    }))
}

fn model_summary(catalog: &Catalog, entry: &ModelEntry) -> Value {
    let stable = entry.stable();
    json!({
        "name": entry.name.as_str(),
        "default": catalog.default_name() == Some(entry.name.as_str()),
        "required": entry.required,
        "ready": stable.is_some(),
        "stable_version": stable.map(|version| version.version.as_str()),
        "task": stable.map(|version| version.contract.output.task().as_str()),
        "description": stable.and_then(|version| version.contract.description.as_deref()),
        "versions": entry.versions.iter().map(version_summary).collect::<Vec<_>>(),
    })
}

/// Returns a version for the list of all models: its state, calibration and profile.
fn version_summary(entry: &VersionEntry) -> Value {
    let mut value = json!({ "version": entry.name.as_str(), "state": entry.state.as_str() });
    if let VersionState::Ready(version) = &entry.state {
        value["uncertainty_method"] = json!(version.uncertainty_method());
        value["calibration"] = json!(version.calibrated.as_ref().map(|calibrated| json!({
            "method": calibrated.calibrator.method(),
            "probabilities_method": calibrated.calibrator.probabilities_method(),
            "coverage": calibrated.calibrator.claimed_coverage(),
            "real_coverage": real_coverage(calibrated),
            "uncertainty": uncertainty(calibrated),
            "rows": calibrated.calibration.data.rows,
        })));
        value["profile"] = json!(version.profile.as_ref().map(|profile| json!({ "rows": profile.rows })));
    }
    value
}

fn model_detail(catalog: &Catalog, entry: &ModelEntry) -> Value {
    let mut value = model_summary(catalog, entry);
    value["versions"] =
        entry.versions.iter().map(|version| version_detail(entry, version.name.as_str(), &version.state)).collect();
    value
}

/// Returns how good the uncertainty of a classification is; `None` for a regression.
fn uncertainty(calibrated: &ServedCalibration) -> Option<Value> {
    let after = calibrated.calibration.report.after.as_ref()?;
    Some(json!({
        "ece": after.ece,
        "ece_by_chance": after.ece_by_chance,
        "within_chance": !after.is_miscalibrated(),
    }))
}

/// Returns the law of the coverage that sets or intervals really have; `None` if no coverage is claimed.
fn real_coverage(calibrated: &ServedCalibration) -> Option<CoverageLaw> {
    let coverage = calibrated.calibrator.claimed_coverage()?;
    coverage_law(coverage, calibrated.calibration.report.conformal_rows)
}

/// Returns a calibration with its report, without its tables.
fn calibration(calibrated: &ServedCalibration) -> Value {
    let of = &calibrated.calibration;
    json!({
        "method": calibrated.calibrator.method(),
        "probabilities_method": calibrated.calibrator.probabilities_method(),
        "coverage": calibrated.calibrator.claimed_coverage(),
        "real_coverage": real_coverage(calibrated),
        "uncertainty": uncertainty(calibrated),
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
        VersionState::Loading | VersionState::Unloading => {
            json!({ "version": name, "state": state.as_str(), "reasons": [] })
        }
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
