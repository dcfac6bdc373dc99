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
mod description;
mod error;
mod error_chain;
mod event;
mod exemplar;
mod family;
mod instrument;
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
mod settings;
mod shadow_metrics;
mod sharded;
mod trace_context;
mod version_metrics;

pub use connection_metrics::{ConnectionMetrics, RefusedConnection, TimedOutConnection};
pub use description::{MetricDescription, MetricKind};
pub use error::TelemetryError;
pub use error_chain::{error_chain, reason};
pub use event::{CancelStage, PredictedValue, REQUEST_TARGET, RequestEvent, ShedReason, Stages};
pub use instrument::{Counter, Gauge, Histogram, UpDownCounter, UpDownGuard};
pub use logging::{LogHandle, init};
pub use markdown::markdown_reference;
pub use metrics::{BuildInfo, Metrics, ModelInfo, ModelState};
pub use openmetrics::OPENMETRICS_CONTENT_TYPE;
pub use request_log::log_request;
pub use settings::{LogFormat, Settings};
pub use shadow_metrics::{ShadowOutcome, ShadowRow};
pub use trace_context::{TraceContext, TraceId};
pub use version_metrics::{AbandonStage, BatchCloseReason, VersionLabels, VersionMetrics};

/// The content type of [`Metrics::text`].
pub const TEXT_CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
