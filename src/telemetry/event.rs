//! What happened to one request, as plain values.
//!
//! The serving layer fills an [`Event`] once a request, whether it was answered
//! or refused. It borrows everything, so that filling it allocates nothing. It
//! never carries feature values.

use std::net::IpAddr;
use std::time::Duration;

/// What happened to one request.
#[derive(Debug, Clone, Copy)]
pub struct RequestEvent<'a> {
    /// The id by which the request can be found again.
    pub request_id: &'a str,
    /// The W3C trace id (32 hex digits), when the caller sent one.
    pub trace_id: Option<&'a str>,
    /// The protocol of the edge, such as `native`.
    pub protocol: &'static str,
    /// The request's method, such as `POST`; `_other` for one that no route takes.
    pub method: &'static str,
    /// The route's template, such as `/models/{model}/predict`.
    pub route: &'static str,
    /// The name of the caller, where its token told it.
    pub caller: Option<&'a str>,
    /// The address at the other end of the connection, where it is to be logged.
    pub client: Option<IpAddr>,
    /// The size of the body, decompressed, where it was read.
    pub request_bytes: Option<usize>,
    /// The size of the answer's body, where it is known when the head is sent.
    pub response_bytes: Option<u64>,
    /// The HTTP status, or its nearest equivalent.
    pub status: u16,
    /// `ok`, or the error code of the answer.
    pub code: &'static str,
    /// From the first byte seen to the last byte encoded.
    pub duration: Duration,
    /// How long each stage took.
    pub stages: Stages,
    /// Rows of the batch that the request was part of.
    pub batch_rows: Option<usize>,
    /// Rows that were run to explain the answer, where it was to be explained.
    pub explain_rows: Option<usize>,
    /// The uncertainty in the answer: in `[0, 1]` for classification, in the
    /// target's unit for regression.
    pub uncertainty: Option<f64>,
    /// What was predicted.
    pub outcome: Outcome,
    /// What the contract refused: the feature as the contract names it (or
    /// `_unknown`) and the violation's code.
    pub violations: &'a [(&'a str, &'static str)],
    /// The features that kept the contract but broke one of its soft rules.
    pub warnings: &'a [&'a str],
    /// Why the request was shed, if it was: `queue_full`, `deadline`,
    /// `rate_limit` or `draining`.
    pub shed: Option<&'static str>,
    /// The stage that the request had reached when its client went away, if it did.
    pub cancelled: Option<&'static str>,
}

impl<'a> RequestEvent<'a> {
    /// An answered request (status 200, code `ok`) about which nothing more is
    /// known yet; fill in the rest with struct update syntax.
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
            outcome: Outcome::None,
            violations: &[],
            warnings: &[],
            shed: None,
            cancelled: None,
        }
    }
}

impl RequestEvent<'_> {
    /// How the request ended.
    pub(super) fn outcome_kind(&self) -> RequestOutcome {
        match self.status {
            _ if self.cancelled.is_some() => RequestOutcome::Cancelled,
            // 503 is a refusal: the server chose not to do the work.
            400..=499 | 503 => RequestOutcome::Refused,
            500.. => RequestOutcome::Failed,
            _ => RequestOutcome::Ok,
        }
    }
}

/// How a request ended, the label `outcome` of its duration: refusals take microseconds, and would flatter the rest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum RequestOutcome {
    /// It was answered.
    Ok,
    /// It was refused: a fault of the request, or no room or time for it.
    Refused,
    /// It failed, or was not answered in time.
    Failed,
    /// Its client went away.
    Cancelled,
}

/// How many endings there are.
pub(super) const REQUEST_OUTCOMES: usize = 4;

impl RequestOutcome {
    /// The ending as a label.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How long each stage of a request took; `None` for a stage it never reached.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stages {
    /// From bytes to validated tensors.
    pub admit: Option<Duration>,
    /// Waiting for a worker.
    pub queue: Option<Duration>,
    /// Inside the session.
    pub infer: Option<Duration>,
    /// From outputs to a prediction with its uncertainty.
    pub interpret: Option<Duration>,
    /// All of an explanation, its rows in the queue and in the session too.
    pub explain: Option<Duration>,
    /// From the prediction to bytes.
    pub encode: Option<Duration>,
}

/// The names of the stages, in the order of [`Stages::in_order`].
pub(super) const STAGE_NAMES: [&str; 6] = ["admit", "queue", "infer", "interpret", "explain", "encode"];

impl Stages {
    /// The durations in the order of the road.
    pub(super) fn in_order(self) -> [Option<Duration>; 6] {
        [self.admit, self.queue, self.infer, self.interpret, self.explain, self.encode]
    }
}

/// What was predicted, as far as metrics care.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum Outcome {
    /// Nothing, or raw tensors.
    #[default]
    None,
    /// The index of the class in the contract's list.
    Class(usize),
    /// The predicted value, in the target's unit.
    Value(f64),
}

#[cfg(test)]
mod tests {
    use super::{RequestEvent, RequestOutcome};

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
        assert_eq!(of(499, Some("request")), RequestOutcome::Cancelled);
    }
}
