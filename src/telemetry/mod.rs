//! Telemetry for operators: metrics, log lines and trace context.
//!
//! Each request is described by one [`RequestEvent`]. [`Metrics::record`] counts it and [`log_request`] writes its
//! line; nothing else records requests. This module does not export traces, serves no route and never sees feature
//! values, bodies or credentials.

mod buckets;
pub mod build;
#[cfg(test)]
mod captured_log;
mod connection_metrics;
mod error;
mod event;
mod exemplar;
mod family;
mod instrument;
mod io_reason;
mod json_format;
mod log_writer;
mod logging;
mod markdown;
mod metrics;
mod openmetrics;
#[cfg(target_os = "linux")]
mod process;
mod request_json;
mod request_log;
mod request_metrics;
mod sharded;
mod trace_context;
mod version_metrics;

pub use connection_metrics::{ConnectionMetrics, RefusedConnection, TimedOutConnection};
pub use error::TelemetryError;
pub use event::{CancelStage, Outcome, RequestEvent, ShedReason, Stages};
pub use instrument::{Counter, Gauge, Histogram, UpDownCounter, UpDownGuard};
pub use io_reason::reason;
pub use logging::{LogHandle, init};
pub use markdown::markdown_reference;
pub use metrics::{BuildInfo, MetricDescription, MetricKind, Metrics, ModelInfo, ModelState};
pub use openmetrics::OPENMETRICS_CONTENT_TYPE;
pub use request_log::{REQUEST_TARGET, log_request};
pub use trace_context::{TraceContext, TraceId};
pub use version_metrics::{BatchCloseReason, Task, VersionLabels, VersionMetrics};

use serde::{Deserialize, Serialize};

use crate::domain::setting::SettingError;

/// The content type of [`Metrics::text`].
pub const TEXT_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Telemetry settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The format of a log line.
    pub log_format: LogFormat,
    /// The log filter: a level (`info`), or a list of `target=level` directives (`info,candor::request=off`).
    pub log_level: String,
    /// Whether request lines include the client address, which is personal data.
    pub log_client_address: bool,
}

impl Settings {
    /// Returns the invalid settings.
    pub fn faults(&self) -> Vec<SettingError> {
        let error = logging::parse_level(&self.log_level).err();
        error.map(|error| SettingError::new("log_level", format!("cannot be used: {error}"))).into_iter().collect()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { log_format: LogFormat::Auto, log_level: "info".to_owned(), log_client_address: false }
    }
}

/// The format of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// One JSON object per line, for machines.
    Json,
    /// One readable line, for people.
    Text,
}

#[cfg(test)]
mod tests {
    use super::{LogFormat, Settings};

    #[test]
    fn settings_read_their_keys_and_refuse_others() {
        let cases = [
            ("{}", Some((LogFormat::Auto, "info"))),
            (r#"{"log_format":"json","log_level":"debug"}"#, Some((LogFormat::Json, "debug"))),
            (r#"{"log_format":"text"}"#, Some((LogFormat::Text, "info"))),
            (r#"{"log_format":"xml"}"#, None),
            (r#"{"level":"info"}"#, None),
        ];
        for (text, wanted) in cases {
            let got = serde_json::from_str::<Settings>(text).ok();
            let got = got.as_ref().map(|s| (s.log_format, s.log_level.as_str()));
            assert_eq!(got, wanted, "{text}");
        }
    }
}
