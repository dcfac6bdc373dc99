//! The record of a request: one event, made here and recorded here, answered or not, before the response leaves. The only
//! place that counts requests.

use std::{
    net::IpAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::{PredictResponse, RequestProgress, ServeError};
use crate::{
    domain::{error_code::ErrorCode, float::Float, prediction::Outcome},
    repository::ModelVersion,
    telemetry::{self, CancelStage, Metrics, RequestEvent, ShedReason, TraceContext, log_request},
};

/// A request as it came in.
#[derive(Debug, Clone)]
pub struct RequestMeta {
    /// The id by which it can be found again.
    pub request_id: Arc<str>,
    /// The trace that it belongs to, if the client sent one.
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

/// The response, as far as it is recorded.
#[derive(Debug, Clone, Copy)]
pub struct Sent {
    /// The status.
    pub status: u16,
    /// The size of the body in bytes, if it is known.
    pub bytes: Option<u64>,
}

/// Status of a request whose client went away, as proxies use it.
const CLIENT_CLOSED_REQUEST: u16 = 499;

/// Code of such a request, in the log and in the metrics.
const CANCELLED: &str = "cancelled";

/// What is known of a request, from its arrival to its record. Everything that handles the request notes what it learns;
/// [`Recorder::start`] gives the handle that records it once.
pub struct RequestRecord {
    /// The request as it came in.
    pub meta: RequestMeta,
    event: Mutex<PredictionEvent>,
}

/// What became of a request. Holds no values of features.
struct PredictionEvent {
    code: &'static str,
    version: Option<Arc<ModelVersion>>,
    /// The label of the model if no version is pinned.
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
        }
    }
}

impl RequestRecord {
    /// The record of a request that has just come in.
    pub fn new(meta: RequestMeta) -> Self {
        Self { meta, event: Mutex::default() }
    }

    fn event(&self) -> MutexGuard<'_, PredictionEvent> {
        // Nothing under the lock panics, so a poisoned event is still consistent.
        self.event.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes who asks.
    pub fn set_caller(&self, caller: Arc<str>) {
        self.event().caller = Some(caller);
    }

    /// Notes the version that answers. From now on the record names it, whatever becomes of the request.
    pub fn pin(&self, version: &Arc<ModelVersion>) {
        self.event().version = Some(Arc::clone(version));
    }

    /// The request is answered with a prediction.
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

    /// The request came as far as this.
    pub fn set_progress(&self, progress: RequestProgress) {
        self.event().progress = progress;
    }

    /// The request is refused or fails. Replaces an earlier outcome, and keeps caller, version and progress.
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
            version: known.version,
            progress: known.progress,
            ..PredictionEvent::default()
        };
    }
}

/// Why a request was shed, if its code alone says so.
fn shed_reason(code: ErrorCode) -> Option<ShedReason> {
    match code {
        ErrorCode::DeadlineExceeded => Some(ShedReason::Deadline),
        ErrorCode::RateLimited => Some(ShedReason::RateLimit),
        ErrorCode::Draining => Some(ShedReason::Draining),
        _ => None,
    }
}

/// Routes that machines ask every few seconds; a line for each would drown the others.
const UNLOGGED_ROUTES: &[&str] = &["/healthz", "/livez", "/readyz", "/metrics"];

/// Records requests in metrics and log.
#[derive(Clone)]
pub struct Recorder {
    metrics: Arc<Metrics>,
    client_addresses: bool,
}

impl Recorder {
    /// A recorder into these metrics, which logs no client addresses.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, client_addresses: false }
    }

    /// Logs the addresses of clients, if `wanted`.
    #[must_use]
    pub fn with_client_addresses(self, wanted: bool) -> Self {
        Self { client_addresses: wanted, ..self }
    }

    /// Begins to handle a request. Its record is written when the response is handed over, or as cancelled when the
    /// returned value is dropped before, which happens when the client goes away.
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
            request_bytes: event.progress.body_bytes,
            response_bytes: sent.bytes,
            ..RequestEvent::new(&meta.request_id, meta.protocol, meta.route)
        };
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

/// A request that is being handled.
pub struct ActiveRequest<'r> {
    recorder: &'r Recorder,
    record: &'r RequestRecord,
    finished: bool,
}

impl ActiveRequest<'_> {
    /// Records the request: its response is about to leave.
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
                ..PredictionEvent::default()
            };
            drop(event);
            self.recorder.write(self.record, Sent { status: CLIENT_CLOSED_REQUEST, bytes: None });
        }
    }
}

/// Status of a request that the server failed to answer; the operator must see why.
const INTERNAL: u16 = 500;

/// Logs why a request was not answered: as an error if the server failed, at debug if the client was at fault or went
/// away.
fn log_cause(cause: Option<&str>, told: &RequestEvent<'_>, model: &str, version: &str) {
    let cause = cause.unwrap_or("no cause is known");
    let (request_id, method, route, code) = (told.request_id, told.method, told.route, told.code);
    if told.status == INTERNAL {
        tracing::error!(request_id, method, route, model, version, code, "{cause}");
    } else {
        tracing::debug!(request_id, method, route, model, version, code, "{cause}");
    }
}
