//! What the log says of loads and moves.

use super::{
    error::LoadError,
    model_control::ModelControl,
    model_version::ModelVersion,
    move_request::{MoveMaker, MoveRequest},
};
use crate::{
    domain::{
        name::{ModelName, VersionName},
        rollout::Move,
    },
    telemetry::{Metrics, error_chain},
};

pub(super) fn log_failure(model: &ModelName, version: &VersionName, errors: &[LoadError], metrics: &Metrics) {
    for error in errors {
        if matches!(error, LoadError::Stopped) {
            tracing::info!(%model, %version, "{}", error_chain(error));
        } else {
            tracing::error!(%model, %version, "{}", error_chain(error));
        }
        if matches!(error, LoadError::TimedOut { stuck: true, .. }) {
            metrics.count_abandoned_load();
        }
    }
}

pub(super) fn log_move(request: &MoveRequest, control: &ModelControl) {
    let MoveRequest { model, made, by, why } = request;
    let stable = control.stable().map(ToString::to_string).unwrap_or_default();
    let (generation, name) = (control.rollout.generation, made.name());
    if *by == MoveMaker::Server && matches!(made, Move::Rollback { .. }) {
        tracing::warn!(%model, stable, generation, %by, why, "move: {name}");
    } else {
        tracing::info!(%model, stable, generation, %by, why, "move: {name}");
    }
}

/// Logs a move of the server that is in memory only.
pub(super) fn log_unrecorded(model: &str, error: &str) {
    tracing::error!(model, "a move is not recorded and lasts until the server restarts: {error}");
}

/// Logs a loaded version and its notes.
pub(super) fn log_loaded(version: &ModelVersion) {
    let cost = version.probe.cost.batch_time(1);
    tracing::info!(
        model = %version.model,
        version = %version.version,
        contract = version.contract_id,
        providers = version.providers.join(","),
        placement = version.plan.placement.as_str(),
        workers = version.plan.workers,
        intra_threads = version.plan.intra_threads,
        row_cost_us = u64::try_from(cost.as_micros()).unwrap_or(u64::MAX),
        batch_max_abs_diff = version.probe.largest_difference,
        uncertainty_method = version.uncertainty_method(),
        load_ms = u64::try_from(version.load.as_millis()).unwrap_or(u64::MAX),
        "loaded"
    );
    for note in &version.notes {
        tracing::warn!(model = %version.model, version = %version.version, "{note}");
    }
}
