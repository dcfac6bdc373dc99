//! What happened to one request, as plain values.
//!
//! The serving layer fills one [`RequestEvent`] per request, answered or rejected. The event borrows everything, so
//! that filling it allocates nothing. It never carries feature values.

use std::{net::IpAddr, time::Duration};

/// The target of request lines, so that `candor::request=off` silences only them.
pub const REQUEST_TARGET: &str = "candor::request";

/// What happened to one request, for metrics and log.
#[derive(Debug, Clone, Copy)]
pub struct RequestEvent<'a> {
    /// The request id.
    pub request_id: &'a str,
    /// The W3C trace id (32 hex digits), if the client sent one.
    pub trace_id: Option<&'a str>,
    /// The API protocol, such as `native`.
    pub protocol: &'static str,
    /// The HTTP method, such as `POST`; `_other` if no route accepts it.
    pub method: &'static str,
    /// The route template, such as `/models/{model}/predict`.
    pub route: &'static str,
    /// The name of the authenticated caller, if any.
    pub caller: Option<&'a str>,
    /// The peer address of the connection, if it is to be logged.
    pub client: Option<IpAddr>,
    /// The size of the decompressed request body, in bytes, if it was read.
    pub request_bytes: Option<usize>,
    /// The size of the response body, in bytes, if it is known when the response head is sent.
    pub response_bytes: Option<u64>,
    /// The HTTP status, or its nearest equivalent.
    pub status: u16,
    /// `ok`, or the error code of the response.
    pub code: &'static str,
    /// From the arrival of the request head until the response is ready to be sent.
    pub duration: Duration,
    /// How long each stage took.
    pub stages: Stages,
    /// Number of rows in the batch that the request was part of.
    pub batch_rows: Option<usize>,
    /// Number of rows that were run to explain the prediction, if an explanation was requested.
    pub explain_rows: Option<usize>,
    /// The uncertainty of the prediction: in `[0, 1]` for classification, in the unit of the target for regression.
    pub uncertainty: Option<f64>,
    /// What was predicted.
    pub outcome: PredictedValue,
    /// The contract violations: the feature as the contract names it (or `_unknown`) and the code of the violation.
    pub violations: &'a [(&'a str, &'static str)],
    /// The features that satisfy the contract but violate one of its soft rules.
    pub warnings: &'a [&'a str],
    /// Why the request was shed, if it was: `queue_full`, `deadline`, `rate_limit`, `draining` or `memory`.
    pub shed: Option<ShedReason>,
    /// The arm of an A/B experiment that the request is part of.
    pub variant: Option<&'a str>,
    /// The stage that the request had reached when its client disconnected, if it did: `body` or `request`.
    pub cancelled: Option<CancelStage>,
}

impl<'a> RequestEvent<'a> {
    /// An answered request (status 200, code `ok`) without further details; set the rest with struct update syntax.
    pub fn new(request_id: &'a str, protocol: &'static str, route: &'static str) -> Self {
        Self {
            request_id,
            trace_id: None,
            protocol,
            method: "POST",
            route,
            caller: None,
            client: None,
            request_bytes: None,
            response_bytes: None,
            status: 200,
            code: "ok",
            duration: Duration::ZERO,
            stages: Stages::default(),
            batch_rows: None,
            explain_rows: None,
            uncertainty: None,
            outcome: PredictedValue::None,
            violations: &[],
            warnings: &[],
            shed: None,
            cancelled: None,
            variant: None,
        }
    }
}

impl RequestEvent<'_> {
    /// The outcome of the request.
    pub(super) fn outcome_kind(&self) -> RequestOutcome {
        match self.status {
            _ if self.cancelled.is_some() => RequestOutcome::Cancelled,
            // 503 is a rejection: the server chose not to do the work.
            400..=499 | 503 => RequestOutcome::Refused,
            500.. => RequestOutcome::Failed,
            _ => RequestOutcome::Ok,
        }
    }
}

/// Writes the fields of a request's log line, one format each.
pub(super) trait FieldWriter {
    fn text(&mut self, name: &'static str, value: &str);
    fn address(&mut self, name: &'static str, value: IpAddr);
    fn count(&mut self, name: &'static str, value: u64);
    /// Written in milliseconds with three decimals.
    fn time(&mut self, name: &'static str, value: Duration);
    fn number(&mut self, name: &'static str, value: f64);
}

impl RequestEvent<'_> {
    /// Writes the fields of the request's log line, in order: the one table of what a line holds. Fields without a value are
    /// left out.
    #[inline]
    pub(super) fn write_fields(&self, model: &str, version: &str, to: &mut impl FieldWriter) {
        let name = |name| Some(name).filter(|name: &&str| !name.is_empty());
        let texts = [
            ("request_id", Some(self.request_id)),
            ("trace_id", self.trace_id),
            ("method", Some(self.method)),
            ("route", Some(self.route)),
            ("model", name(model)),
            ("version", name(version)),
            ("caller", self.caller),
            ("variant", self.variant),
        ];
        for (name, value) in texts {
            if let Some(value) = value {
                to.text(name, value);
            }
        }
        if let Some(address) = self.client {
            to.address("client", address);
        }
        to.count("status", self.status.into());
        to.text("code", self.code);
        let stages = &self.stages;
        let times = [
            ("duration_ms", Some(self.duration)),
            ("admit_ms", stages.admit),
            ("queue_ms", stages.queue),
            ("infer_ms", stages.infer),
            ("interpret_ms", stages.interpret),
            ("explain_ms", stages.explain),
            ("encode_ms", stages.encode),
        ];
        for (name, took) in times {
            if let Some(took) = took {
                to.time(name, took);
            }
        }
        if let Some(rows) = self.batch_rows {
            to.count("batch_rows", rows as u64);
        }
        if let Some(uncertainty) = self.uncertainty {
            to.number("uncertainty", uncertainty);
        }
        if let Some(bytes) = self.request_bytes {
            to.count("request_bytes", bytes as u64);
        }
        if let Some(bytes) = self.response_bytes {
            to.count("response_bytes", bytes);
        }
    }
}

/// The outcome of a request, which is the label `outcome` of its duration. Rejections take microseconds and would make
/// the other durations look better than they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestOutcome {
    /// It was answered.
    Ok,
    /// It was rejected: the request was invalid, or the server had no capacity or time for it.
    Refused,
    /// It failed, or timed out.
    Failed,
    /// Its client disconnected.
    Cancelled,
}

/// The number of outcomes.
pub(super) const REQUEST_OUTCOMES: usize = 4;

impl RequestOutcome {
    /// The value of the label `outcome`.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Why a request was turned away for lack of room or time: the label `reason` of `candor_requests_shed_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShedReason {
    /// The model's queue is full.
    QueueFull,
    /// It would not be, or was not, answered before its deadline.
    Deadline,
    /// The caller exceeds its rate limit.
    RateLimit,
    /// The server is shutting down.
    Draining,
    /// The budget of buffered bytes is used up.
    Memory,
}

impl ShedReason {
    /// Returns the reason as a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::Deadline => "deadline",
            Self::RateLimit => "rate_limit",
            Self::Draining => "draining",
            Self::Memory => "memory",
        }
    }
}

/// How far a request had come when its client went away: the label `stage` of `candor_cancelled_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelStage {
    /// Its body was not complete.
    Body,
    /// Its response was not ready.
    Request,
}

impl CancelStage {
    /// Returns the stage as a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Body => "body",
            Self::Request => "request",
        }
    }
}

/// How long each stage of a request took; `None` for a stage that it did not reach.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stages {
    /// Parsing and validating: from the body to the input tensors.
    pub admit: Option<Duration>,
    /// Waiting in the queue.
    pub queue: Option<Duration>,
    /// Running in the session.
    pub infer: Option<Duration>,
    /// From the model outputs to a prediction with its uncertainty.
    pub interpret: Option<Duration>,
    /// The whole explanation, including the time of its rows in the queue and in the session.
    pub explain: Option<Duration>,
    /// Encoding the response.
    pub encode: Option<Duration>,
}

/// The names of the stages, in the order of [`Stages::in_order`].
pub(super) const STAGE_NAMES: [&str; 6] = ["admit", "queue", "infer", "interpret", "explain", "encode"];

impl Stages {
    /// The durations in the order of processing.
    pub(super) fn in_order(self) -> [Option<Duration>; 6] {
        [self.admit, self.queue, self.infer, self.interpret, self.explain, self.encode]
    }
}

/// The prediction, as far as the metrics need it.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum PredictedValue {
    /// No prediction, or raw tensors.
    #[default]
    None,
    /// The index of the predicted class in the contract.
    Class(usize),
    /// The predicted value, in the unit of the target.
    Value(f64),
}

#[cfg(test)]
mod tests {
    use super::{CancelStage, RequestEvent, RequestOutcome};

    #[test]
    fn the_status_tells_the_ending() {
        let of = |status, cancelled| {
            RequestEvent { status, cancelled, ..RequestEvent::new("r", "native", "/predict") }.outcome_kind()
        };
        let cases = [
            (200, RequestOutcome::Ok),
            (304, RequestOutcome::Ok),
            (400, RequestOutcome::Refused),
            (429, RequestOutcome::Refused),
            (503, RequestOutcome::Refused),
            (500, RequestOutcome::Failed),
            (504, RequestOutcome::Failed),
        ];
        for (status, expected) in cases {
            assert_eq!(of(status, None), expected, "{status}");
        }
        assert_eq!(of(499, Some(CancelStage::Request)), RequestOutcome::Cancelled);
    }
}
