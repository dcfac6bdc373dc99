//! Who may send work: none while draining, known callers only, each within its share.

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use http::{HeaderMap, HeaderValue, header};

use super::{Shared, accept::Accepted, connection::Peer, problem};
use crate::{
    domain::code::ErrorCode,
    lifecycle::Phase,
    security::{Allowance, AuthError, Caller},
    serving::{Failure, Road},
};

/// What is known of a caller once it was looked at.
#[derive(Default)]
pub(super) struct Guarded {
    /// The caller's name and rights, where callers are known.
    pub(super) caller: Option<Caller>,
    /// What is left of the caller's share, where there is a limit.
    pub(super) allowance: Option<Allowance>,
}

/// Looks at the caller of a request. A refusal comes beside what is known, because it is told the allowance too.
pub(super) fn look(services: &Shared, headers: &HeaderMap, peer: Peer) -> (Guarded, Result<(), Failure>) {
    let mut guarded = Guarded::default();
    if services.shutdown.is_at(Phase::Closing) {
        let failure = Failure::new(ErrorCode::Draining, "the server is shutting down")
            .retry_after(std::time::Duration::from_secs(1));
        return (guarded, Err(failure));
    }
    if let Some(tokens) = &services.tokens {
        let given = headers.get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or("?"));
        match tokens.authenticate(given) {
            Ok(caller) => guarded.caller = Some(caller),
            Err(error) => return (guarded, Err(unauthenticated(error))),
        }
    }
    let Some(rate) = &services.rate else { return (guarded, Ok(())) };
    let allowance = match &guarded.caller {
        Some(caller) => rate.check(&caller.name),
        None => rate.check(&peer.0.to_string()),
    };
    guarded.allowance = Some(allowance);
    if allowance.allowed {
        return (guarded, Ok(()));
    }
    let detail = format!("at most {} requests a second", services.rate_per_second);
    (guarded, Err(Failure::new(ErrorCode::RateLimited, detail).retry_after(allowance.retry_after)))
}

/// The same as a layer, for the routes that the router serves.
pub(super) async fn layer(State(services): State<Shared>, mut request: Request, next: Next) -> Response {
    let accepted = Accepted::of(request.extensions());
    let peer = request.extensions().get().copied().unwrap_or_default();
    let (Guarded { caller, allowance }, verdict) = look(&services, request.headers(), peer);
    let mut response = match verdict {
        Ok(()) => {
            if let Some(caller) = caller {
                request.extensions_mut().insert(caller);
            }
            next.run(request).await
        }
        Err(failure) => problem::respond(&failure, &accepted.request_id, Road::default()),
    };
    if let Some(allowance) = allowance {
        tell(allowance, response.headers_mut());
    }
    response
}

fn unauthenticated(error: AuthError) -> Failure {
    Failure::new(ErrorCode::Unauthenticated, error.to_string())
}

/// The header fields of the IETF draft "RateLimit header fields for HTTP".
pub(super) fn tell(allowance: Allowance, headers: &mut HeaderMap) {
    let seconds = allowance.retry_after.as_millis().div_ceil(1000);
    let remaining = format!("\"default\";r={};t={seconds}", allowance.remaining);
    let policy = format!("\"default\";q={};w=1", allowance.burst);
    for (name, text) in [("ratelimit", remaining), ("ratelimit-policy", policy)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}
