//! The one log line of a request.
//!
//! It is written from the same event as the metrics. It never holds feature
//! values, bodies or credentials, because the event does not.

use std::time::Duration;

use super::event::Event;

/// The target of the lines, so that `candor::request=off` silences them alone.
pub const REQUEST_TARGET: &str = "candor::request";

/// Writes the line at level info. Fields without a value are left out; times
/// are in milliseconds with three decimals. `model` and `version` are empty
/// where the request has none.
pub fn log_request(event: &Event<'_>, model: &str, version: &str) {
    let named = |name| Some(name).filter(|name: &&str| !name.is_empty());
    tracing::info!(
        target: REQUEST_TARGET,
        request_id = event.request_id,
        trace_id = event.trace_id,
        route = event.route,
        model = named(model),
        version = named(version),
        status = event.status,
        code = event.code,
        duration_ms = millis(event.duration),
        admit_ms = event.stages.admit.map(millis),
        queue_ms = event.stages.queue.map(millis),
        infer_ms = event.stages.infer.map(millis),
        interpret_ms = event.stages.interpret.map(millis),
        explain_ms = event.stages.explain.map(millis),
        encode_ms = event.stages.encode.map(millis),
        batch_rows = event.batch_rows,
        uncertainty = event.uncertainty,
        "request"
    );
}

/// Milliseconds, rounded to a microsecond: more digits would only be noise.
fn millis(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}
