//! Writes one log line per request.
//!
//! The line is written from the same event as the metrics. It never contains feature values, bodies or credentials,
//! because the event has none.

use std::sync::OnceLock;
use std::time::Duration;

use tracing::Level;

use super::event::RequestEvent;
use super::log_writer::LogWriter;
use super::request_json::{format_line, write_name};

/// The target of request lines, so that `candor::request=off` silences only them.
pub const REQUEST_TARGET: &str = "candor::request";

/// The writer for JSON lines on the fast path; set when the log is installed.
static JSON_SINK: OnceLock<LogWriter> = OnceLock::new();

/// Switches request lines to JSON and sends them directly to this writer.
pub(super) fn set_json_sink(writer: LogWriter) {
    // The log is installed only once, and so is this.
    let _ = JSON_SINK.set(writer);
}

/// Writes the request line at level info. Fields without a value are left out; times are in milliseconds with three
/// decimals. `model` and `version` are empty if the request has none.
pub fn log_request(event: &RequestEvent<'_>, model: &str, version: &str) {
    if !tracing::enabled!(target: REQUEST_TARGET, Level::INFO) {
        return;
    }
    match JSON_SINK.get() {
        Some(writer) => format_line(event, model, version, |line| writer.add(line)),
        None => trace(event, model, version),
    }
}

fn trace(event: &RequestEvent<'_>, model: &str, version: &str) {
    tracing::info!(
        target: REQUEST_TARGET,
        request_id = event.request_id,
        trace_id = event.trace_id,
        method = event.method,
        route = event.route,
        model = write_name(model),
        version = write_name(version),
        caller = event.caller,
        client = event.client.map(tracing::field::display),
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
        request_bytes = event.request_bytes,
        response_bytes = event.response_bytes,
        "request"
    );
}

/// Milliseconds, rounded to a microsecond; more digits would only be noise.
fn millis(took: Duration) -> f64 {
    (took.as_secs_f64() * 1e6).round() / 1e3
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::Value;

    use super::super::captured_log::CapturedLog;
    use super::super::json_format::JsonLine;
    use super::super::{RequestEvent, Stages};
    use super::{format_line, trace};

    #[test]
    fn both_ways_write_the_same_line() {
        let some = |nanos| Some(Duration::from_nanos(nanos));
        let stages = Stages {
            admit: some(1_000),
            queue: some(0),
            infer: some(2_345_678),
            interpret: None,
            explain: some(77_000),
            encode: some(9_400),
        };
        let full = RequestEvent {
            trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
            duration: Duration::from_micros(1_234),
            stages,
            batch_rows: Some(7),
            uncertainty: Some(0.125),
            method: "PUT",
            caller: Some("a \"caller\""),
            client: Some(std::net::Ipv6Addr::LOCALHOST.into()),
            request_bytes: Some(77),
            response_bytes: Some(1 << 40),
            ..RequestEvent::new("odd \" id \\ \u{1}é", "native", "/predict")
        };
        let bare = RequestEvent { status: 404, code: "not_found", ..RequestEvent::new("id", "native", "_other") };
        for (event, model, version) in [(full, "churn", "1"), (bare, "", "")] {
            let kept = CapturedLog::default();
            let writer = kept.clone();
            let lines = tracing_subscriber::fmt().event_format(JsonLine).with_writer(move || writer.clone()).finish();
            tracing::subscriber::with_default(lines, || trace(&event, model, version));
            let general = kept.bytes();
            let mut straight = Vec::new();
            format_line(&event, model, version, |line| straight.extend_from_slice(line));
            let [general, straight] = [general, straight].map(|line| {
                let mut line: Value = serde_json::from_slice(&line).expect("the line is JSON");
                assert_eq!(line["timestamp"].take().as_str().map(str::len), Some(27));
                line
            });
            assert_eq!(straight, general);
        }
    }
}
