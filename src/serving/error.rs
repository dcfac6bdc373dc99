//! The error of a request: code and detail for the client, cause for the log.

use std::{fmt, time::Duration};

use crate::{
    domain::{error_code::ErrorCode, name::ModelName, violation::Violations},
    repository::{ModelVersion, ResolveError},
    telemetry::ShedReason,
};

/// Why a request was rejected or failed.
#[derive(Debug)]
pub struct ServeError {
    /// The error code.
    pub code: ErrorCode,
    /// A message for the client: what was found, and what is expected. Holds no internals.
    pub detail: String,
    /// The contract violations, if they are the reason.
    pub violations: Violations,
    /// Why the request was shed, as a label of the metrics; `None` if it was not shed.
    pub shed: Option<ShedReason>,
    /// When the client may retry, if known.
    pub retry_after: Option<Duration>,
    /// The model, if known.
    pub model: Option<String>,
    /// The version, if known.
    pub version: Option<String>,
    /// The id of the contract, if known.
    pub contract: Option<String>,
    /// The cause. It goes to the log only.
    pub cause: Option<String>,
    /// Whether the client disconnected before it had sent the whole request. Such a request is recorded as cancelled.
    pub cut_off: bool,
}

impl ServeError {
    /// Creates an error with this code.
    pub fn new(code: ErrorCode, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            violations: Violations::default(),
            shed: None,
            retry_after: None,
            model: None,
            version: None,
            contract: None,
            cause: None,
            cut_off: false,
        }
    }

    /// The connection ended before the body did. A client that closed only its sending half still reads the response.
    pub fn cut_off(cause: impl fmt::Display) -> Self {
        let failure = Self::new(ErrorCode::MalformedJson, "the connection ended before the body was complete");
        Self { cut_off: true, ..failure.with_cause(cause) }
    }

    /// An internal error, which the request did not cause.
    pub fn internal() -> Self {
        Self::new(ErrorCode::Internal, "internal server error; the cause is in the log")
    }

    /// More work is queued than can be done in time. `drain` is how long the queued work takes. `Retry-After` is that
    /// time (at least a second) plus a random part of it, so that clients do not retry all at once.
    pub fn overloaded(detail: String, shed: ShedReason, drain: Duration) -> Self {
        use std::hash::{BuildHasher as _, RandomState};
        let jitter = f64::from(u16::try_from(RandomState::new().hash_one(()) % 1000).unwrap_or(0)) / 1000.0;
        let wait = drain.max(Duration::from_secs(1)).mul_f64(1.0 + jitter);
        Self { shed: Some(shed), ..Self::new(ErrorCode::Overloaded, detail).retry_after(wait) }
    }

    /// The budget of buffered bytes is used up.
    pub fn out_of_memory() -> Self {
        let detail = "the memory budget for requests and responses (http.max_buffered_bytes) is exhausted";
        Self::overloaded(detail.to_owned(), ShedReason::Memory, Duration::ZERO)
    }

    /// The response exceeds the limit on its size, by the minimum that its elements take.
    pub fn answer_too_large(model: &ModelName, elements: usize, max_bytes: usize) -> Self {
        let detail =
            format!("{model} returned {elements} elements, which exceed the response limit of {max_bytes} bytes");
        Self::new(ErrorCode::AnswerTooLarge, detail)
    }

    /// Sets model, version and contract from a version.
    #[must_use]
    pub fn of(self, version: &ModelVersion) -> Self {
        Self {
            model: Some(version.model.to_string()),
            version: Some(version.version.to_string()),
            contract: Some(version.contract_id.clone()),
            ..self
        }
    }

    /// Sets the cause for the log.
    #[must_use]
    pub fn with_cause(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// Sets the time after which the client may retry.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// The requested names resolve to no version.
    pub fn from_resolve_error(resolved: ResolveError) -> Self {
        let wait = (resolved.code == ErrorCode::NotReady).then_some(Duration::from_secs(1));
        Self {
            model: resolved.model.map(|name| name.to_string()),
            version: resolved.version.map(|name| name.to_string()),
            retry_after: wait,
            ..Self::new(resolved.code, resolved.detail)
        }
    }
}
