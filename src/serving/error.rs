//! Why a request is not answered with a prediction: for the client what to change, for the log the chain.

use std::{fmt, time::Duration};

use crate::{
    domain::{error_code::ErrorCode, name::ModelName, violation::Violations},
    repository::{ModelVersion, ResolveError},
    telemetry::ShedReason,
};

/// A request that was refused or that failed.
#[derive(Debug)]
pub struct ServeError {
    /// The kind.
    pub code: ErrorCode,
    /// In words, for the client: what was found, what would be right. Never internals.
    pub detail: String,
    /// The violations of the contract, where those are the reason.
    pub violations: Violations,
    /// Why it was turned away for lack of room or time, in the metrics' words; where that was the reason.
    pub shed: Option<ShedReason>,
    /// When the client may come again, where that is known.
    pub retry_after: Option<Duration>,
    /// The model, as far as it is known.
    pub model: Option<String>,
    /// The version, as far as it is known.
    pub version: Option<String>,
    /// The contract's id, as far as it is known.
    pub contract: Option<String>,
    /// The cause, for the log only.
    pub cause: Option<String>,
    /// Whether the client went away before its request was whole: nobody's failure, and recorded as cancelled.
    pub cut_off: bool,
}

impl ServeError {
    /// A failure of this kind.
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

    /// The connection ended before the body did. The answer says so, should anybody still read it.
    pub fn cut_off(cause: impl fmt::Display) -> Self {
        let failure = Self::new(ErrorCode::MalformedJson, "the body ended before it was whole");
        Self { cut_off: true, ..failure.with_cause(cause) }
    }

    /// Something went wrong that is not the request's fault.
    pub fn internal() -> Self {
        Self::new(ErrorCode::Internal, "the server failed; the log has the cause")
    }

    /// More work than can be done in time. `drain` is how long the work before it takes; the client is told to come back
    /// after that and a random part of it more, so that not all come at once.
    pub fn overloaded(detail: String, shed: ShedReason, drain: Duration) -> Self {
        use std::hash::{BuildHasher as _, RandomState};
        let jitter = f64::from(u16::try_from(RandomState::new().hash_one(()) % 1000).unwrap_or(0)) / 1000.0;
        let wait = drain.max(Duration::from_secs(1)).mul_f64(1.0 + jitter);
        Self { shed: Some(shed), ..Self::new(ErrorCode::Overloaded, detail).retry_after(wait) }
    }

    /// The budget of buffered bytes is used up.
    pub fn out_of_memory() -> Self {
        let detail = "the server holds as many bytes of requests and answers as it may";
        Self::overloaded(detail.to_owned(), ShedReason::Memory, Duration::ZERO)
    }

    /// An answer of more bytes than one may have, judged by what its elements take at least.
    pub fn answer_too_large(model: &ModelName, elements: usize, max_bytes: usize) -> Self {
        let detail =
            format!("{model} answers {elements} elements, which do not fit into the {max_bytes} bytes of an answer");
        Self::new(ErrorCode::AnswerTooLarge, detail)
    }

    /// The same, with the version that was asked.
    #[must_use]
    pub fn of(self, version: &ModelVersion) -> Self {
        Self {
            model: Some(version.model.to_string()),
            version: Some(version.version.to_string()),
            contract: Some(version.contract_id.clone()),
            ..self
        }
    }

    /// The same, with the cause for the log.
    #[must_use]
    pub fn with_cause(mut self, cause: impl fmt::Display) -> Self {
        self.cause = Some(cause.to_string());
        self
    }

    /// The same, with a time after which the client may come again.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// A name that leads to no version.
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
