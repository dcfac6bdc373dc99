//! The admin routes that make moves: promote, canary, shadow, rollback, load, unload. They differ in their bodies only.

use std::{sync::Arc, time::Duration};

use axum::{
    Json,
    extract::{Request, State},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    SharedState,
    body::{self, BodyLimits},
    context::{Context, RequestContext},
    error_codes::{MOVE_CONFLICT, MOVE_NOT_RECORDED, MOVE_REFUSED},
    move_body::{AskedMove, MoveBody},
    path_params::PathParams,
    rollouts,
};
use crate::{
    domain::{
        error_code::ErrorCode,
        name::VersionName,
        rollout::{Move, MoveError},
    },
    repository::{MoveMaker, MoveRefused, MoveRequest, gate_failures},
    serving::{ServeError, find_model},
    telemetry::error_chain,
};

/// The body limits of a move.
const LIMITS: BodyLimits = BodyLimits { bytes: 16 << 10, timeout: Duration::from_secs(10) };

/// `POST /admin/models/{model}/…`: makes the move that the body asks for.
pub(super) async fn make<B: MoveBody>(
    State(state): State<SharedState>,
    Context(context): Context,
    PathParams(model): PathParams<String>,
    request: Request,
) -> Response {
    let made = make_move::<B>(&state, &context, &model, request).await;
    made.map_or_else(|error| context.refuse(&error), |value| Json(value).into_response())
}

/// Makes a move and returns the new state. The caller is authorized before the body is read.
async fn make_move<B: MoveBody>(
    state: &SharedState,
    context: &RequestContext,
    model: &str,
    request: Request,
) -> Result<Value, ServeError> {
    let rollout = Arc::clone(&find_model(&state.repository.catalog(), model, context.caller())?.rollout);
    let AskedMove { made, why, is_forced } = read::<B>(context, request).await?.into_move(&rollout)?;
    if let Move::Promote { version } = &made
        && !is_forced
    {
        pass_gate(state, context, model, version).await?;
    }
    let by = MoveMaker::Caller(context.caller().map_or_else(String::new, |caller| caller.name.to_string()));
    let request = MoveRequest { model: model.to_owned(), made, by, why };
    let changed = state.repository.make_move(request).await.map_err(|error| refusal(&error))?;
    let mut value = rollouts::rollout(find_model(&state.repository.catalog(), model, context.caller())?, 1);
    value["changed"] = json!(changed);
    Ok(value)
}

/// Reads the body of a move. An empty body is an empty object.
async fn read<B: MoveBody>(context: &RequestContext, request: Request) -> Result<B, ServeError> {
    let (parts, body) = request.into_parts();
    let received = body::read(&parts.headers, body, LIMITS, &context.connection).await?;
    let text: &[u8] = if received.bytes.trim_ascii().is_empty() { b"{}" } else { &received.bytes };
    serde_json::from_slice(text).map_err(|error| {
        let code = if error.is_data() { ErrorCode::DataContractViolation } else { ErrorCode::MalformedJson };
        ServeError::new(code, format!("the body cannot be used: {error}"))
    })
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
        let entry = find_model(&catalog, model, context.caller())?;
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

/// Maps a refused move to the error of the request.
fn refusal(error: &MoveRefused) -> ServeError {
    let code = match error {
        MoveRefused::UnknownModel { .. } => ErrorCode::UnknownModel,
        MoveRefused::Rule(MoveError::UnknownVersion { .. }) => ErrorCode::UnknownVersion,
        MoveRefused::Rule(MoveError::Percent { .. }) => ErrorCode::DataContractViolation,
        MoveRefused::Rule(_) | MoveRefused::Unreadable { .. } => MOVE_REFUSED,
        MoveRefused::Conflict { .. } => MOVE_CONFLICT,
        MoveRefused::Store { .. } => MOVE_NOT_RECORDED,
        MoveRefused::Busy => ErrorCode::Overloaded,
        MoveRefused::Stopping => ErrorCode::Draining,
    };
    ServeError::new(code, error_chain(error))
}
