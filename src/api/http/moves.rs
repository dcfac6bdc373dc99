//! The admin routes that make moves: promote, canary, shadow, rollback, load, unload.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::json;

use super::{
    SharedState,
    body::{self, BodyLimits},
    context::{Context, RequestContext},
    error_codes::{MOVE_CONFLICT, MOVE_NOT_RECORDED, MOVE_REFUSED},
    path_params::PathParams,
    rollouts,
};
use crate::{
    domain::{
        error_code::ErrorCode,
        name::VersionName,
        rollout::{Move, MoveError, MoveOrigin},
    },
    repository::{MoveRefused, MoveRequest, gate_failures},
    serving::ServeError,
    telemetry::error_chain,
};

/// The body limits of a move.
const LIMITS: BodyLimits = BodyLimits { bytes: 16 << 10, timeout: Duration::from_secs(10) };

/// The longest reason, in characters.
const MAX_WHY: usize = 1000;

/// The body of `promote`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PromoteBody {
    version: VersionName,
    /// Whether to promote a version that the gate refuses.
    #[serde(default)]
    force: bool,
    #[serde(default)]
    why: String,
}

/// The body of `canary` and `shadow`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShareBody {
    version: Option<VersionName>,
    percent: Option<f64>,
    #[serde(default)]
    off: bool,
    #[serde(default)]
    why: String,
}

/// The body of `rollback`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct RollbackBody {
    from: Option<VersionName>,
    why: String,
}

/// The body of `load` and `unload`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionBody {
    version: VersionName,
    #[serde(default)]
    why: String,
}

/// `POST /admin/models/{model}/promote`
pub(super) async fn promote(
    State(state): State<SharedState>,
    Context(context): Context,
    PathParams(model): PathParams<String>,
    request: Request,
) -> Response {
    let mut forced = false;
    let asked = parse(&state, &context, &model, request, |body: PromoteBody| {
        forced = body.force;
        if body.force && body.why.trim().is_empty() {
            return Err(invalid("`force` needs a reason: give it in `why`"));
        }
        Ok((Move::Promote { version: body.version }, body.why))
    });
    let mut asked = asked.await;
    if let Ok((Move::Promote { version }, _)) = &asked
        && !forced
        && let Err(error) = pass_gate(&state, &context, &model, version).await
    {
        asked = Err(error);
    }
    answer(&state, &context, &model, asked).await
}

/// Runs the gate on a version that is to be promoted. What else is wrong with the move is reported when it is made.
async fn pass_gate(
    state: &SharedState,
    context: &RequestContext,
    model: &str,
    version: &VersionName,
) -> Result<(), ServeError> {
    let (old, new, limits) = {
        let catalog = state.repository.catalog();
        let entry = rollouts::find(&catalog, model, context.caller())?;
        let Some(old) = entry.stable().map(Arc::clone) else { return Ok(()) };
        let Ok(new) = catalog.resolve(Some(model), Some(version.as_str())).map(Arc::clone) else { return Ok(()) };
        (old, new, entry.rollout.gate)
    };
    if Arc::ptr_eq(&old, &new) {
        return Ok(());
    }
    let failures = gate_failures(&old, &new, &limits).await;
    if failures.is_empty() {
        return Ok(());
    }
    let (model, from) = (&old.model, &old.version);
    let detail = format!(
        "the gate refuses {model} {version}, compared with {from}: {}; promote it with `force` and `why` if that is \
         intended",
        failures.join("; ")
    );
    Err(ServeError::new(MOVE_REFUSED, detail))
}

/// `POST /admin/models/{model}/canary`
pub(super) async fn canary(
    State(state): State<SharedState>,
    Context(context): Context,
    PathParams(model): PathParams<String>,
    request: Request,
) -> Response {
    let defaults = default_percents(&state, &model);
    let asked = parse(&state, &context, &model, request, |body: ShareBody| {
        let made = match share(&body)? {
            None => Move::EndCanary,
            Some((version, percent)) => Move::Canary { version, percent: percent.unwrap_or(defaults.0) },
        };
        Ok((made, body.why))
    });
    answer(&state, &context, &model, asked.await).await
}

/// `POST /admin/models/{model}/shadow`
pub(super) async fn shadow(
    State(state): State<SharedState>,
    Context(context): Context,
    PathParams(model): PathParams<String>,
    request: Request,
) -> Response {
    let defaults = default_percents(&state, &model);
    let asked = parse(&state, &context, &model, request, |body: ShareBody| {
        let made = match share(&body)? {
            None => Move::EndShadow,
            Some((version, percent)) => Move::Shadow { version, percent: percent.unwrap_or(defaults.1) },
        };
        Ok((made, body.why))
    });
    answer(&state, &context, &model, asked.await).await
}

/// `POST /admin/models/{model}/rollback`
pub(super) async fn rollback(
    State(state): State<SharedState>,
    Context(context): Context,
    PathParams(model): PathParams<String>,
    request: Request,
) -> Response {
    let asked = parse(&state, &context, &model, request, |body: RollbackBody| {
        Ok((Move::Rollback { from: body.from }, body.why))
    });
    answer(&state, &context, &model, asked.await).await
}

/// `POST /admin/models/{model}/load`
pub(super) async fn load(
    State(state): State<SharedState>,
    Context(context): Context,
    PathParams(model): PathParams<String>,
    request: Request,
) -> Response {
    let asked = parse(&state, &context, &model, request, |body: VersionBody| {
        Ok((Move::Load { version: body.version }, body.why))
    });
    answer(&state, &context, &model, asked.await).await
}

/// `POST /admin/models/{model}/unload`
pub(super) async fn unload(
    State(state): State<SharedState>,
    Context(context): Context,
    PathParams(model): PathParams<String>,
    request: Request,
) -> Response {
    let asked = parse(&state, &context, &model, request, |body: VersionBody| {
        Ok((Move::Unload { version: body.version }, body.why))
    });
    answer(&state, &context, &model, asked.await).await
}

fn invalid(detail: impl Into<String>) -> ServeError {
    ServeError::new(ErrorCode::DataContractViolation, detail)
}

/// Returns the version and the share that a body asks for; `None` if it ends the canary or the shadow.
fn share(body: &ShareBody) -> Result<Option<(VersionName, Option<f64>)>, ServeError> {
    match (&body.version, body.percent, body.off) {
        (None, None, true) => Ok(None),
        (_, _, true) => Err(invalid("`off` ends it and takes neither `version` nor `percent`")),
        (Some(version), percent, false) => Ok(Some((version.clone(), percent))),
        (None, _, false) => Err(invalid("the body needs a `version`, or `\"off\": true` to end it")),
    }
}

/// The percentages of a canary and a shadow that model.toml sets.
fn default_percents(state: &SharedState, model: &str) -> (f64, f64) {
    let catalog = state.repository.catalog();
    // An unknown model is refused before these are used.
    catalog.models.get(model).map_or((0.0, 0.0), |entry| (entry.rollout.canary_percent, entry.rollout.shadow_percent))
}

/// Finds the model, reads the body of a move, and the move and its reason from it. An empty body is an empty object. The
/// caller is authorized before the body is read.
async fn parse<B: DeserializeOwned>(
    state: &SharedState,
    context: &RequestContext,
    model: &str,
    request: Request,
    read: impl FnOnce(B) -> Result<(Move, String), ServeError>,
) -> Result<(Move, String), ServeError> {
    rollouts::find(&state.repository.catalog(), model, context.caller())?;
    let (parts, body) = request.into_parts();
    let received = body::read(&parts.headers, body, LIMITS, &context.connection).await?;
    let text: &[u8] = if received.bytes.trim_ascii().is_empty() { b"{}" } else { &received.bytes };
    let body = serde_json::from_slice(text).map_err(|error| {
        let code = if error.is_data() { ErrorCode::DataContractViolation } else { ErrorCode::MalformedJson };
        ServeError::new(code, format!("the body cannot be used: {error}"))
    })?;
    let (made, why) = read(body)?;
    if why.chars().count() > MAX_WHY {
        return Err(invalid(format!("`why` may have at most {MAX_WHY} characters")));
    }
    Ok((made, why))
}

/// Makes the move and returns the new state.
async fn answer(
    state: &SharedState,
    context: &RequestContext,
    model: &str,
    asked: Result<(Move, String), ServeError>,
) -> Response {
    let moved = async {
        let (made, why) = asked?;
        let by = context.caller().map_or_else(String::new, |caller| caller.name.to_string());
        let origin = MoveOrigin { at: now(), by, why };
        let outcome = state.repository.make_move(MoveRequest { model: model.to_owned(), made, origin }).await;
        let outcome = outcome.map_err(|error| refusal(&error))?;
        let catalog = state.repository.catalog();
        let entry = rollouts::find(&catalog, model, context.caller())?;
        let mut value = rollouts::rollout(entry, 1);
        value["changed"] = json!(outcome.changed);
        Ok(Json(value))
    };
    moved.await.map_or_else(|error: ServeError| context.refuse(&error), IntoResponse::into_response)
}

/// Maps a refused move to the error of the request.
fn refusal(error: &MoveRefused) -> ServeError {
    let code = match error {
        MoveRefused::UnknownModel { .. } => ErrorCode::UnknownModel,
        MoveRefused::Rule(MoveError::UnknownVersion { .. }) => ErrorCode::UnknownVersion,
        MoveRefused::Rule(MoveError::Percent { .. }) => ErrorCode::DataContractViolation,
        MoveRefused::Rule(_) | MoveRefused::Unreadable { .. } => MOVE_REFUSED,
        MoveRefused::Conflict { .. } => MOVE_CONFLICT,
        MoveRefused::Store { .. } => MOVE_NOT_RECORDED,
        MoveRefused::Stopping => ErrorCode::Draining,
    };
    ServeError::new(code, error_chain(error))
}

/// The present time, in RFC 3339.
fn now() -> String {
    let time = chrono::DateTime::<chrono::Utc>::from(SystemTime::now());
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
