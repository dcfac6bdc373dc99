//! The access check of a request: draining, authentication, rate limit. The access that a route requires is declared in
//! `routes`. The data and the admin listener share this check.

use http::{HeaderMap, HeaderValue, header};

use super::{super::transport::Peer, AccessSummary, context::ModelVisibility, routes::RouteAccess};
use crate::{
    domain::error_code::ErrorCode,
    lifecycle::{Phase, Shutdown},
    security::{MetricsAccess, Principal, RateDecision, RateLimiter, TokenStore},
    serving::ServeError,
};

/// The access rules of one listener.
pub struct AccessControl {
    /// The tokens of the callers; `None`: no token is required.
    pub tokens: Option<TokenStore>,
    /// The rate limit per caller, or per client address without tokens.
    pub rate: Option<RateLimiter>,
    /// That limit in requests per second, for messages.
    pub rate_limit_per_second: u32,
    /// Who may read the metrics if tokens are required.
    pub metrics: MetricsAccess,
    /// The shutdown phase of the process.
    pub shutdown: Shutdown,
}

/// The result of the check. Returned on errors too, because a 429 carries the RateLimit headers as well.
pub(super) struct Access {
    pub(super) visibility: ModelVisibility,
    /// The decision of the rate limiter, if there is a limit.
    pub(super) allowance: Option<RateDecision>,
}

impl AccessControl {
    /// Returns rules without tokens and without limits.
    pub fn open(shutdown: Shutdown) -> Self {
        Self { tokens: None, rate: None, rate_limit_per_second: 0, metrics: MetricsAccess::Token, shutdown }
    }

    /// Returns the summary of these rules for the OpenAPI document.
    pub fn summary(&self) -> AccessSummary {
        let secured = self.tokens.is_some();
        let secured_metrics = secured && self.metrics == MetricsAccess::Token;
        AccessSummary { secured, secured_metrics, metered: self.rate.is_some() }
    }

    /// Returns rules that require one of these tokens and have no rate limit.
    pub fn token_only(tokens: TokenStore, shutdown: Shutdown) -> Self {
        Self { tokens: Some(tokens), ..Self::open(shutdown) }
    }

    /// Checks a request to a route with this access.
    pub(super) fn check(
        &self,
        access: RouteAccess,
        headers: &HeaderMap,
        peer: Peer,
    ) -> (Access, Result<(), ServeError>) {
        let draining = access.serves_models() && self.shutdown.has_reached(Phase::Draining);
        if draining {
            let error = ServeError::new(ErrorCode::Draining, "the server is shutting down")
                .retry_after(std::time::Duration::from_secs(1));
            return (Access { visibility: ModelVisibility::Nothing, allowance: None }, Err(error));
        }
        let (visibility, verdict) = match (self.authenticate(headers), access) {
            (Ok(None), _) => (ModelVisibility::Everything, Ok(())),
            (Ok(Some(caller)), RouteAccess::Metrics) => {
                let verdict = self.check_metrics(&caller);
                (ModelVisibility::Of(caller), verdict)
            }
            (Ok(Some(caller)), _) => (ModelVisibility::Of(caller), Ok(())),
            // A sender without a valid token gets a reduced response.
            (Err(_), RouteAccess::Open | RouteAccess::Reduced) => (ModelVisibility::Nothing, Ok(())),
            (Err(_), RouteAccess::Metrics) if self.metrics == MetricsAccess::Open => (ModelVisibility::Nothing, Ok(())),
            (Err(error), _) => (ModelVisibility::Nothing, Err(error)),
        };
        let limit = self.rate.as_ref().filter(|_| access.serves_models() && verdict.is_ok());
        let Some(limit) = limit else { return (Access { visibility, allowance: None }, verdict) };
        let allowance = match &visibility {
            ModelVisibility::Of(caller) => limit.check(&caller.name),
            ModelVisibility::Everything | ModelVisibility::Nothing => limit.check(&peer.0.to_string()),
        };
        let verdict = if allowance.allowed {
            Ok(())
        } else {
            let detail = format!("the limit is {} requests per second", self.rate_limit_per_second);
            Err(ServeError::new(ErrorCode::RateLimited, detail).retry_after(allowance.retry_after))
        };
        (Access { visibility, allowance: Some(allowance) }, verdict)
    }

    /// Returns the caller of a request; `None` if the listener has no tokens.
    fn authenticate(&self, headers: &HeaderMap) -> Result<Option<Principal>, ServeError> {
        let Some(tokens) = &self.tokens else { return Ok(None) };
        let given = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or("?"));
        let caller = tokens.authenticate(given);
        caller.map(Some).map_err(|error| ServeError::new(ErrorCode::Unauthenticated, error.to_string()))
    }

    fn check_metrics(&self, caller: &Principal) -> Result<(), ServeError> {
        if self.metrics == MetricsAccess::Open || caller.can_read_metrics() {
            return Ok(());
        }
        let detail = format!(
            "the caller {} may not read the metrics, because they name every model; `metrics = true` for its token \
             allows it",
            caller.name
        );
        Err(ServeError::new(ErrorCode::Forbidden, detail))
    }
}

/// Sets the header fields of the IETF draft "RateLimit header fields for HTTP".
pub(super) fn set_rate_limit_headers(allowance: RateDecision, headers: &mut HeaderMap) {
    let seconds = allowance.retry_after.as_millis().div_ceil(1000);
    let remaining = format!("\"default\";r={};t={seconds}", allowance.remaining);
    let policy = format!("\"default\";q={};w=1", allowance.burst);
    for (name, text) in [("ratelimit", remaining), ("ratelimit-policy", policy)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}
