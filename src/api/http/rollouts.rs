//! The admin routes that show rollouts, and the one that looks for changed models.

use axum::{
    Json,
    extract::State,
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{SharedState, context::Context, path_params::PathParams};
use crate::{
    domain::{
        error_code::ErrorCode,
        rollout::{CanaryObservation, Verdict, judge},
    },
    repository::{CanaryRouting, ModelEntry, VersionEntry, VersionState},
    serving::{ServeError, find_model},
};

/// The moves that the list of all models shows of each.
const LATEST_MOVES: usize = 5;

/// `GET /admin/models`
pub(super) async fn list(State(state): State<SharedState>, Context(context): Context) -> impl IntoResponse {
    let catalog = state.repository.catalog();
    let visible = catalog.models.values().filter(|entry| context.visibility().covers(entry.name.as_str()));
    let models: Vec<Value> = visible.map(|entry| rollout(entry, LATEST_MOVES)).collect();
    Json(json!({ "default_model": catalog.default_name(), "models": models }))
}

/// `GET /admin/models/{model}`
pub(super) async fn model(
    State(state): State<SharedState>,
    Context(context): Context,
    PathParams(model): PathParams<String>,
) -> Response {
    let catalog = state.repository.catalog();
    let found = find_model(&catalog, &model, context.caller());
    context.respond(found.map(|entry| Json(rollout(entry, usize::MAX))))
}

/// `POST /admin/reload`
pub(super) async fn reload(State(state): State<SharedState>, Context(context): Context) -> Response {
    let outcome = state.repository.reload().await;
    context.respond(outcome.map_err(|error| ServeError::new(ErrorCode::NotReady, error.to_string())).map(|()| {
        let catalog = state.repository.catalog();
        let not_ready: Vec<String> = catalog.not_ready();
        Json(json!({ "models": catalog.models.len(), "not_ready": not_ready }))
    }))
}

/// Returns the rollout of a model, with this many of its latest moves.
pub(super) fn rollout(entry: &ModelEntry, moves: usize) -> Value {
    let status = &entry.rollout;
    let document = &status.document;
    json!({
        "model": entry.name.as_str(),
        "ready": entry.stable().is_some(),
        "stable": status.stable,
        "pinned": document.stable.is_some(),
        "canary": document.canary,
        "guard": entry.routing.split.as_ref().and_then(|split| split.canary.as_ref()).map(guard),
        "shadow": document.shadow,
        "previous": document.earlier.first(),
        "versions": entry.versions.iter().map(|version| version_json(entry, version)).collect::<Vec<_>>(),
        "not_loaded": status.not_loaded,
        "generation": document.generation,
        "place": status.place,
        "problem": status.problem,
        "warnings": status.warnings,
        "history": document.history.iter().take(moves).collect::<Vec<_>>(),
    })
}

/// What the guard has observed of a canary, and what it makes of it.
fn guard(canary: &CanaryRouting) -> Value {
    let counts = canary.watch.counts();
    let (verdict, reason) = match judge(&canary.limits, &counts) {
        Verdict::Hold => ("hold", None),
        Verdict::Promote => ("promote", None),
        Verdict::RollBack(reason) => ("roll_back", Some(reason.to_string())),
    };
    json!({
        "verdict": verdict,
        "reason": reason,
        "min_requests": canary.limits.min_requests,
        "sticky_by": canary.sticky_by.to_string(),
        "observed": CanaryObservation::of(&counts),
    })
}

fn version_json(entry: &ModelEntry, version: &VersionEntry) -> Value {
    let reasons: &[String] = match &version.state {
        VersionState::Unavailable(reasons) => reasons,
        _ => &version.problems,
    };
    json!({
        "version": version.name,
        "state": version.state.as_str(),
        "roles": entry.rollout.document.roles(&version.name, entry.rollout.stable.as_ref()),
        "reasons": reasons,
    })
}
