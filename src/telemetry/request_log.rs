//! Writes one log line per request.
//!
//! The line is written from the same event as the metrics. It never contains feature values, bodies or credentials,
//! because the event has none.

use std::{fmt::Write as _, net::IpAddr, sync::OnceLock, time::Duration};

use tracing::Level;

use super::{
    event::{FieldWriter, REQUEST_TARGET, RequestEvent},
    log_writer::LogWriter,
    request_json::format_line,
};

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
    if let Some(writer) = JSON_SINK.get() {
        format_line(event, model, version, |line| writer.add(line));
    } else {
        tracing::info!(target: REQUEST_TARGET, "{}", text_line(event, model, version));
    }
}

/// Writes the line as text: `request request_id="…" method="POST" …`.
fn text_line(event: &RequestEvent<'_>, model: &str, version: &str) -> String {
    let mut line = TextFields("request".to_owned());
    event.write_fields(model, version, &mut line);
    line.0
}

/// Writes fields as `name=value`. Writing to a `String` cannot fail.
struct TextFields(String);

impl FieldWriter for TextFields {
    fn text(&mut self, name: &'static str, value: &str) {
        let _ = write!(self.0, " {name}={value:?}");
    }

    fn address(&mut self, name: &'static str, value: IpAddr) {
        let _ = write!(self.0, " {name}={value}");
    }

    fn count(&mut self, name: &'static str, value: u64) {
        let _ = write!(self.0, " {name}={value}");
    }

    fn time(&mut self, name: &'static str, value: Duration) {
        let _ = write!(self.0, " {name}={:.3}", value.as_secs_f64() * 1e3);
    }

    fn number(&mut self, name: &'static str, value: f64) {
        let _ = write!(self.0, " {name}={value}");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{super::Stages, *};

    fn full() -> RequestEvent<'static> {
        let some = |nanos| Some(Duration::from_nanos(nanos));
        RequestEvent {
            trace_id: Some("4bf92f3577b34da6a3ce929d0e0e4736"),
            duration: Duration::from_micros(1_234),
            stages: Stages {
                admit: some(1_000),
                queue: some(0),
                infer: some(2_345_678),
                interpret: None,
                explain: some(77_000),
                encode: some(9_400),
            },
            batch_rows: Some(7),
            uncertainty: Some(0.125),
            method: "PUT",
            caller: Some("a \"caller\""),
            client: Some(std::net::Ipv6Addr::LOCALHOST.into()),
            request_bytes: Some(77),
            response_bytes: Some(1 << 40),
            ..RequestEvent::new("odd \" id \\ \u{1}é", "native", "/predict")
        }
    }

    #[test]
    fn a_json_line_has_every_field_with_its_value() {
        let mut line = Vec::new();
        format_line(&full(), "churn", "1", |bytes| line.extend_from_slice(bytes));
        let mut line: Value = serde_json::from_slice(&line).expect("the line is JSON");
        assert_eq!(line["timestamp"].take().as_str().map(str::len), Some(27));
        let expected = serde_json::json!({
            "timestamp": null, "level": "INFO", "message": "request", "request_id": "odd \" id \\ \u{1}é",
            "trace_id": "4bf92f3577b34da6a3ce929d0e0e4736", "method": "PUT", "route": "/predict", "model": "churn",
            "version": "1", "caller": "a \"caller\"", "client": "::1", "status": 200, "code": "ok", "duration_ms": 1.234,
            "admit_ms": 0.001, "queue_ms": 0.0, "infer_ms": 2.346, "explain_ms": 0.077, "encode_ms": 0.009,
            "batch_rows": 7, "uncertainty": 0.125, "request_bytes": 77, "response_bytes": 1_u64 << 40,
            "target": "candor::request",
        });
        assert_eq!(line, expected);
    }

    #[test]
    fn a_text_line_has_every_field_with_its_value() {
        let expected = "request request_id=\"odd \\\" id \\\\ \\u{1}é\" trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\" \
            method=\"PUT\" route=\"/predict\" model=\"churn\" version=\"1\" caller=\"a \\\"caller\\\"\" client=::1 status=200 \
            code=\"ok\" duration_ms=1.234 admit_ms=0.001 queue_ms=0.000 infer_ms=2.346 explain_ms=0.077 encode_ms=0.009 \
            batch_rows=7 uncertainty=0.125 request_bytes=77 response_bytes=1099511627776";
        assert_eq!(text_line(&full(), "churn", "1"), expected);
        let bare = RequestEvent { status: 404, code: "not_found", ..RequestEvent::new("id", "native", "_other") };
        let expected = "request request_id=\"id\" method=\"POST\" route=\"_other\" status=404 code=\"not_found\" duration_ms=0.000";
        assert_eq!(text_line(&bare, "", ""), expected);
    }
}
