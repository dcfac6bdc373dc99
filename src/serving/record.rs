//! The record of a request: one event for metrics and log, written before the response is sent, or when the request is
//! cancelled. This is the only place that counts requests.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::{Assigned, PredictResponse, RequestProgress, ServeError};
use crate::{
    domain::{error_code::ErrorCode, float::Float, prediction::Outcome},
    repository::{ArmOutcome, CanaryArm, CanaryWatch, ModelVersion},
    telemetry::{self, CancelStage, Metrics, RequestEvent, ShedReason, Stages, TraceContext, log_request},
};

/// What is known of a request on arrival.
#[derive(Debug, Clone)]
pub struct RequestMeta {
    /// The request id.
    pub request_id: Arc<str>,
    /// The trace context, if the client sent one.
    pub trace: Option<TraceContext>,
    /// The protocol, such as `native`.
    pub protocol: &'static str,
    /// The method; `_other` for an unknown one.
    pub method: &'static str,
    /// The template of the route.
    pub route: &'static str,
    /// The peer address of the connection.
    pub client: IpAddr,
    /// When the request arrived.
    pub arrived: Instant,
}

/// The recorded properties of a response.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// The status.
    pub status: u16,
    /// The size of the body in bytes, if known.
    pub bytes: Option<u64>,
}

/// Status of a request whose client disconnected, as proxies (nginx) use it.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Code of such a request, in the log and in the metrics.
const CANCELLED: &str = "cancelled";

/// Collects what is known of a request. The stages that handle the request fill it in; [`Recorder::start`] returns the
/// handle that records it exactly once.
pub struct RequestRecord {
    /// What was known on arrival.
    pub meta: RequestMeta,
    event: Mutex<PredictionEvent>,
}

/// The outcome of a request. Holds no feature values.
struct PredictionEvent {
    code: &'static str,
    version: Option<Arc<ModelVersion>>,
    /// The model label if no version is pinned.
    model: String,
    progress: RequestProgress,
    uncertainty: Option<f64>,
    outcome: telemetry::PredictedValue,
    violations: Vec<(String, &'static str)>,
    warnings: Vec<String>,
    shed: Option<ShedReason>,
    cancelled: Option<CancelStage>,
    cause: Option<String>,
    caller: Option<Arc<str>>,
    counted: Option<(Arc<CanaryWatch>, CanaryArm)>,
    variant: Option<Arc<str>>,
}

impl Default for PredictionEvent {
    fn default() -> Self {
        Self {
            code: "ok",
            version: None,
            model: String::new(),
            progress: RequestProgress::default(),
            uncertainty: None,
            outcome: telemetry::PredictedValue::None,
            violations: Vec::new(),
            warnings: Vec::new(),
            shed: None,
            cancelled: None,
            cause: None,
            caller: None,
            counted: None,
            variant: None,
        }
    }
}

impl RequestRecord {
    /// Creates the record of a request on arrival.
    pub fn new(meta: RequestMeta) -> Self {
        Self { meta, event: Mutex::default() }
    }

    fn event(&self) -> MutexGuard<'_, PredictionEvent> {
        // Nothing under the lock panics, so a poisoned event is still consistent.
        self.event.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets the caller.
    pub fn set_caller(&self, caller: Arc<str>) {
        self.event().caller = Some(caller);
    }

    /// Sets the version that answers. The record names it even if the request fails later.
    pub fn pin(&self, version: &Arc<ModelVersion>) {
        self.event().version = Some(Arc::clone(version));
    }

    /// Sets the version that a rollout assigns the request to, and where it is counted.
    pub fn assign(&self, assigned: &Assigned) {
        let mut event = self.event();
        event.version = Some(Arc::clone(&assigned.version));
        event.counted.clone_from(&assigned.counted);
        event.variant.clone_from(&assigned.variant);
    }

    /// Records that the request was answered with a prediction.
    pub fn answered(&self, response: &PredictResponse, progress: RequestProgress) {
        let mut event = self.event();
        event.progress = progress;
        event.uncertainty = response.prediction.assessment.uncertainty.map(Float::as_f64);
        event.outcome = match &response.prediction.outcome {
            Outcome::Classification { class, .. } => telemetry::PredictedValue::Class(*class),
            Outcome::Regression { value } => telemetry::PredictedValue::Value(value.as_f64()),
            Outcome::Tensors { .. } => telemetry::PredictedValue::None,
        };
        event.warnings = response.warnings.iter().filter_map(|warning| warning.feature.clone()).collect();
    }

    /// Sets the progress of the request.
    pub fn set_progress(&self, progress: RequestProgress) {
        self.event().progress = progress;
    }

    /// Records that the request was rejected or failed. Replaces an earlier outcome; keeps caller, version and
    /// progress.
    pub fn failed(&self, error: &ServeError) {
        let unknown = || "_unknown".to_owned();
        let mut event = self.event();
        let known = std::mem::take(&mut *event);
        *event = PredictionEvent {
            code: if error.cut_off { CANCELLED } else { error.code.as_str() },
            model: match &error.model {
                _ if error.code == ErrorCode::UnknownModel => unknown(),
                model => model.clone().unwrap_or_default(),
            },
            violations: error
                .violations
                .first_n()
                .iter()
                .map(|violation| (violation.feature.clone().unwrap_or_else(unknown), violation.code.as_str()))
                .collect(),
            shed: error.shed.or_else(|| shed_reason(error.code)),
            cancelled: error.cut_off.then_some(CancelStage::Body),
            cause: error.cause.clone(),
            caller: known.caller,
            counted: known.counted,
            variant: known.variant,
            version: known.version,
            progress: known.progress,
            ..PredictionEvent::default()
        };
    }
}

/// Returns why a request was shed, if the error code alone determines it.
fn shed_reason(code: ErrorCode) -> Option<ShedReason> {
    match code {
        ErrorCode::DeadlineExceeded => Some(ShedReason::Deadline),
        ErrorCode::RateLimited => Some(ShedReason::RateLimit),
        ErrorCode::Draining => Some(ShedReason::Draining),
        _ => None,
    }
}

/// Routes that probes and scrapers request every few seconds. They are not logged, because they would dominate the log.
const UNLOGGED_ROUTES: &[&str] = &["/healthz", "/livez", "/readyz", "/metrics"];

/// Records requests in metrics and log.
#[derive(Clone)]
pub struct Recorder {
    metrics: Arc<Metrics>,
    client_addresses: bool,
}

impl Recorder {
    /// Creates a recorder that does not log client addresses.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, client_addresses: false }
    }

    /// Sets whether client addresses are logged.
    #[must_use]
    pub fn with_client_addresses(self, wanted: bool) -> Self {
        Self { client_addresses: wanted, ..self }
    }

    /// Starts a request. Its record is written by [`ActiveRequest::finish`]. If the returned value is dropped before
    /// that, because the client disconnected, the request is recorded as cancelled.
    pub fn start<'r>(&'r self, record: &'r RequestRecord) -> ActiveRequest<'r> {
        ActiveRequest { recorder: self, record, finished: false }
    }

    fn write(&self, record: &RequestRecord, sent: Sent) {
        let (meta, event) = (&record.meta, &*record.event());
        let violations: Vec<(&str, &'static str)> =
            event.violations.iter().map(|(feature, code)| (feature.as_str(), *code)).collect();
        let warnings: Vec<&str> = event.warnings.iter().map(String::as_str).collect();
        let line = RequestEvent {
            trace_id: meta.trace.as_ref().map(|trace| trace.trace_id.as_str()),
            method: meta.method,
            client: self.client_addresses.then_some(meta.client),
            status: if event.cancelled.is_some() { CLIENT_CLOSED_REQUEST } else { sent.status },
            code: event.code,
            duration: meta.arrived.elapsed(),
            stages: event.progress.stages,
            batch_rows: event.progress.batch_rows,
            explain_rows: event.progress.explain_rows,
            uncertainty: event.uncertainty,
            outcome: event.outcome,
            violations: &violations,
            warnings: &warnings,
            shed: event.shed,
            cancelled: event.cancelled,
            caller: event.caller.as_deref(),
            variant: event.variant.as_deref(),
            request_bytes: event.progress.body_bytes,
            response_bytes: sent.bytes,
            ..RequestEvent::new(&meta.request_id, meta.protocol, meta.route)
        };
        if let Some((watch, arm)) = &event.counted
            && let Some(outcome) = arm_outcome(&line)
        {
            watch.count(*arm, outcome);
        }
        let version = event.version.as_deref();
        self.metrics.record(version.map(|version| &*version.metrics), &event.model, &line);
        let (model, name) =
            version.map_or((event.model.as_str(), ""), |version| (version.model.as_str(), version.version.as_str()));
        if line.status == INTERNAL || event.cause.is_some() {
            log_cause(event.cause.as_deref(), &line, model, name);
        }
        if !UNLOGGED_ROUTES.contains(&meta.route) {
            log_request(&line, model, name);
        }
    }
}

/// Returns how a request ended for the version that it was assigned to; `None` if that says nothing about the version.
fn arm_outcome(event: &RequestEvent<'_>) -> Option<ArmOutcome> {
    if event.cancelled.is_some() {
        return None;
    }
    if event.status == 200 {
        let Stages { admit, queue, infer, interpret, .. } = event.stages;
        let took = [admit, queue, infer, interpret].into_iter().flatten().sum();
        return Some(ArmOutcome::Answered { took, uncertainty: event.uncertainty });
    }
    // The other codes are refusals of the server, before or apart from the version.
    let refused = [ErrorCode::DataContractViolation, ErrorCode::Overloaded].map(ErrorCode::as_str);
    let is_failed = refused.contains(&event.code) || matches!(event.status, 422 | 500 | 504);
    is_failed.then_some(ArmOutcome::Failed)
}

/// A request that is being handled.
pub struct ActiveRequest<'r> {
    recorder: &'r Recorder,
    record: &'r RequestRecord,
    finished: bool,
}

impl ActiveRequest<'_> {
    /// Records the request, just before its response is sent.
    pub fn finish(mut self, sent: Sent) {
        self.finished = true;
        self.recorder.write(self.record, sent);
    }
}

impl Drop for ActiveRequest<'_> {
    fn drop(&mut self) {
        if !self.finished {
            let mut event = self.record.event();
            *event = PredictionEvent {
                code: CANCELLED,
                cancelled: Some(CancelStage::Request),
                version: event.version.take(),
                caller: event.caller.take(),
                variant: event.variant.take(),
                ..PredictionEvent::default()
            };
            drop(event);
            self.recorder.write(self.record, Sent { status: CLIENT_CLOSED_REQUEST, bytes: None });
        }
    }
}

/// Status of an internal error, whose cause is always logged as an error.
const INTERNAL: u16 = 500;

/// Logs the cause of a failed request: at level error if the server failed, else at debug.
fn log_cause(cause: Option<&str>, event: &RequestEvent<'_>, model: &str, version: &str) {
    let cause = cause.unwrap_or("unknown cause");
    let (request_id, method, route, code) = (event.request_id, event.method, event.route, event.code);
    if event.status == INTERNAL {
        tracing::error!(request_id, method, route, model, version, code, "{cause}");
    } else {
        tracing::debug!(request_id, method, route, model, version, code, "{cause}");
    }
}
