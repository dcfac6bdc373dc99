//! The only place that records requests: one event a request, answered or not, to metrics and log.

use std::{net::IpAddr, sync::Arc, time::Instant};

use super::{PredictResponse, RequestProgress, ServeError};
use crate::{
    domain::{error_code::ErrorCode, float::Float, prediction::Outcome},
    repository::ModelVersion,
    telemetry::{self, Metrics, RequestEvent, TraceContext, log_request},
};

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct RequestMeta {
    /// The id by which it can be found again.
    pub request_id: Arc<str>,
    /// The trace that it belongs to, where the caller sent one.
    pub trace: Option<TraceContext>,
    /// The protocol, such as `native`.
    pub protocol: &'static str,
    /// The method; `_other` for one that no route takes.
    pub method: &'static str,
    /// The route's template.
    pub route: &'static str,
    /// The address at the other end of the connection.
    pub client: IpAddr,
    /// When the first byte was seen.
    pub arrived: Instant,
}

/// The answer, as far as it is recorded.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// The status.
    pub status: u16,
    /// The size of the body, where it is known.
    pub bytes: Option<u64>,
}

/// The status of a request whose client went away; proxies use it so.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// The code of such a request, in the log and in the metrics.
const CANCELLED: &str = "cancelled";

/// What became of a request, as far as it is to be recorded. Holds no values of features.
#[derive(Clone)]
pub struct PredictionEvent {
    code: &'static str,
    road: RequestProgress,
    model: String,
    uncertainty: Option<f64>,
    outcome: telemetry::Outcome,
    violations: Vec<(String, &'static str)>,
    warnings: Vec<String>,
    shed: Option<&'static str>,
    cancelled: Option<&'static str>,
    cause: Option<String>,
    caller: Option<Arc<str>>,
}

impl Default for PredictionEvent {
    fn default() -> Self {
        Self {
            code: "ok",
            road: RequestProgress::default(),
            model: String::new(),
            uncertainty: None,
            outcome: telemetry::Outcome::None,
            violations: Vec::new(),
            warnings: Vec::new(),
            shed: None,
            cancelled: None,
            cause: None,
            caller: None,
        }
    }
}

impl PredictionEvent {
    /// A request that was answered with a prediction.
    pub fn answered(answer: &PredictResponse, road: RequestProgress) -> Self {
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

    /// The same request, whose answer could not be handed over.
    #[must_use]
    pub fn refused(self, failure: &ServeError) -> Self {
        Self { caller: self.caller, ..Self::failed(failure, self.road) }
    }

    /// A request that was refused or that failed.
    pub fn failed(failure: &ServeError, road: RequestProgress) -> Self {
        let unknown = || "_unknown".to_owned();
        let violations = failure.violations.first_n().iter();
        Self {
            code: if failure.cut_off { CANCELLED } else { failure.code.as_str() },
            cancelled: failure.cut_off.then_some("body"),
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

    /// Notes who asked.
    pub fn asked_by(&mut self, caller: Arc<str>) {
        self.caller = Some(caller);
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
const UNLOGGED_ROUTES: &[&str] = &["/healthz", "/livez", "/readyz", "/metrics"];

/// Tells metrics and log about requests.
#[derive(Clone)]
pub struct Recorder {
    metrics: Arc<Metrics>,
    client_addresses: bool,
}

impl Recorder {
    /// A recorder into these metrics, which logs no address of a client.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, client_addresses: false }
    }

    /// The same; it logs the addresses of clients where that is wanted.
    #[must_use]
    pub fn with_client_addresses(self, wanted: bool) -> Self {
        Self { client_addresses: wanted, ..self }
    }

    /// Records one request that was answered.
    pub fn record(&self, arrival: &RequestMeta, sent: Sent, event: &PredictionEvent) {
        let violations: Vec<(&str, &'static str)> =
            event.violations.iter().map(|(feature, code)| (feature.as_str(), *code)).collect();
        let warnings: Vec<&str> = event.warnings.iter().map(String::as_str).collect();
        self.emit(
            arrival,
            event,
            &RequestEvent {
                trace_id: arrival.trace.as_ref().map(|trace| trace.trace_id.as_str()),
                status: if event.cancelled.is_some() { CLIENT_CLOSED_REQUEST } else { sent.status },
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
                cancelled: event.cancelled,
                caller: event.caller.as_deref(),
                request_bytes: event.road.body_bytes,
                response_bytes: sent.bytes,
                ..self.arrived(arrival)
            },
        );
    }

    /// Records one request whose caller went away before the answer. `version` is the one that it asked for.
    pub fn record_cancelled(&self, arrival: &RequestMeta, version: Option<Arc<ModelVersion>>) {
        self.emit(
            arrival,
            &PredictionEvent {
                road: RequestProgress { version, ..RequestProgress::default() },
                ..PredictionEvent::default()
            },
            &RequestEvent {
                trace_id: arrival.trace.as_ref().map(|trace| trace.trace_id.as_str()),
                status: CLIENT_CLOSED_REQUEST,
                code: CANCELLED,
                duration: arrival.arrived.elapsed(),
                cancelled: Some("request"),
                ..self.arrived(arrival)
            },
        );
    }

    fn arrived<'a>(&self, arrival: &'a RequestMeta) -> RequestEvent<'a> {
        RequestEvent {
            method: arrival.method,
            client: self.client_addresses.then_some(arrival.client),
            ..RequestEvent::new(&arrival.request_id, arrival.protocol, arrival.route)
        }
    }

    fn emit(&self, arrival: &RequestMeta, event: &PredictionEvent, told: &RequestEvent<'_>) {
        let version = event.road.version.as_deref();
        self.metrics.record(version.map(|version| &*version.metrics), &event.model, told);
        let (model, name) =
            version.map_or((event.model.as_str(), ""), |version| (version.model.as_str(), version.version.as_str()));
        if told.status == INTERNAL || event.cause.is_some() {
            log_cause(event.cause.as_deref(), told, model, name);
        }
        if !UNLOGGED_ROUTES.contains(&arrival.route) {
            log_request(told, model, name);
        }
    }
}

/// The status of a request that the server failed to answer, which an operator must hear of.
const INTERNAL: u16 = 500;

/// Says why a request was not answered: an error where the server failed, and nothing an operator needs to see where the
/// client was at fault or went away.
fn log_cause(cause: Option<&str>, told: &RequestEvent<'_>, model: &str, version: &str) {
    let cause = cause.unwrap_or("no cause is known");
    let (request_id, method, route, code) = (told.request_id, told.method, told.route, told.code);
    if told.status == INTERNAL {
        tracing::error!(request_id, method, route, model, version, code, "{cause}");
    } else {
        tracing::debug!(request_id, method, route, model, version, code, "{cause}");
    }
}
