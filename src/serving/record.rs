//! The only place that records requests: one event a request, answered or not, to metrics and log.

use std::{sync::Arc, time::Instant};

use super::{Answer, Failure, Road};
use crate::{
    domain::{code::ErrorCode, float::Float, prediction::Outcome},
    telemetry::{self, Event, Metrics, TraceContext, log_request},
};

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct Arrival {
    /// The id by which it can be found again.
    pub request_id: Arc<str>,
    /// The trace that it belongs to, where the caller sent one.
    pub trace: Option<TraceContext>,
    /// The protocol, such as `native`.
    pub protocol: &'static str,
    /// The route's template.
    pub route: &'static str,
    /// When the first byte was seen.
    pub arrived: Instant,
}

/// What became of a request, as far as it is to be recorded. Holds no values of features.
#[derive(Clone)]
pub struct PredictionEvent {
    code: &'static str,
    road: Road,
    model: String,
    uncertainty: Option<f64>,
    outcome: telemetry::Outcome,
    violations: Vec<(String, &'static str)>,
    warnings: Vec<String>,
    shed: Option<&'static str>,
    cause: Option<String>,
}

impl Default for PredictionEvent {
    fn default() -> Self {
        Self {
            code: "ok",
            road: Road::default(),
            model: String::new(),
            uncertainty: None,
            outcome: telemetry::Outcome::None,
            violations: Vec::new(),
            warnings: Vec::new(),
            shed: None,
            cause: None,
        }
    }
}

impl PredictionEvent {
    /// A request that was answered with a prediction.
    pub fn answered(answer: &Answer, road: Road) -> Self {
        let outcome = match &answer.prediction.outcome {
            Outcome::Classification { class, .. } => telemetry::Outcome::Class(*class),
            Outcome::Regression { value } => telemetry::Outcome::Value(value.as_f64()),
            Outcome::Tensors { .. } => telemetry::Outcome::None,
        };
        Self {
            road,
            uncertainty: answer.prediction.assessment.uncertainty.map(Float::as_f64),
            outcome,
            warnings: answer.warnings.iter().filter_map(|warning| warning.feature.clone()).collect(),
            ..Self::default()
        }
    }

    /// How far the request came.
    pub fn into_road(self) -> Road {
        self.road
    }

    /// A request that was refused or that failed.
    pub fn failed(failure: &Failure, road: Road) -> Self {
        let unknown = || "_unknown".to_owned();
        let violations = failure.violations.listed().iter();
        Self {
            code: failure.code.as_str(),
            road,
            model: if failure.code == ErrorCode::UnknownModel {
                unknown()
            } else {
                failure.model.clone().unwrap_or_default()
            },
            violations: violations
                .map(|violation| (violation.feature.clone().unwrap_or_else(unknown), violation.code.as_str()))
                .collect(),
            shed: failure.shed.or_else(|| shed(failure.code)),
            cause: failure.cause.clone(),
            ..Self::default()
        }
    }
}

/// Why a request was turned away, in the metrics' words, where its code alone says so.
fn shed(code: ErrorCode) -> Option<&'static str> {
    match code {
        ErrorCode::DeadlineExceeded => Some("deadline"),
        ErrorCode::RateLimited => Some("rate_limit"),
        ErrorCode::Draining => Some("draining"),
        _ => None,
    }
}

/// Routes that are asked every few seconds by machines; a line for each would drown the others.
const QUIET: &[&str] = &["/healthz", "/livez", "/readyz", "/metrics"];

/// Tells metrics and log about requests.
#[derive(Clone)]
pub struct Recorder {
    metrics: Arc<Metrics>,
}

impl Recorder {
    /// A recorder into these metrics.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics }
    }

    /// Records one request that was answered with `status`.
    pub fn record(&self, arrival: &Arrival, status: u16, event: &PredictionEvent) {
        let violations: Vec<(&str, &'static str)> =
            event.violations.iter().map(|(feature, code)| (feature.as_str(), *code)).collect();
        let warnings: Vec<&str> = event.warnings.iter().map(String::as_str).collect();
        self.tell(
            arrival,
            event,
            &Event {
                trace_id: arrival.trace.as_ref().map(|trace| trace.trace_id.as_str()),
                status,
                code: event.code,
                duration: arrival.arrived.elapsed(),
                stages: event.road.stages,
                batch_rows: event.road.batch_rows,
                explain_rows: event.road.explain_rows,
                uncertainty: event.uncertainty,
                outcome: event.outcome,
                violations: &violations,
                warnings: &warnings,
                shed: event.shed,
                ..Event::new(&arrival.request_id, arrival.protocol, arrival.route)
            },
        );
    }

    /// Records one request whose caller went away before the answer.
    pub fn record_cancelled(&self, arrival: &Arrival) {
        // 499 is what proxies call a client that closed its request.
        self.tell(
            arrival,
            &PredictionEvent::default(),
            &Event {
                trace_id: arrival.trace.as_ref().map(|trace| trace.trace_id.as_str()),
                status: 499,
                code: "cancelled",
                duration: arrival.arrived.elapsed(),
                cancelled: Some("request"),
                ..Event::new(&arrival.request_id, arrival.protocol, arrival.route)
            },
        );
    }

    fn tell(&self, arrival: &Arrival, event: &PredictionEvent, told: &Event<'_>) {
        let version = event.road.version.as_deref();
        self.metrics.record(version.map(|version| &*version.metrics), &event.model, told);
        if let Some(cause) = &event.cause {
            tracing::error!(request_id = &*arrival.request_id, code = event.code, "{cause}");
        }
        if !QUIET.contains(&arrival.route) {
            let (model, name) = version
                .map_or((event.model.as_str(), ""), |version| (version.model.as_str(), version.version.as_str()));
            log_request(told, model, name);
        }
    }
}
