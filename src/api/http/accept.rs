//! What happens to every request before and after its handler: its id, its record, who asks, whether there is room.

use std::{net::IpAddr, sync::Arc, time::Instant};

use axum::{
    extract::{MatchedPath, Request, State},
    middleware::Next,
    response::Response,
};
use http::{Extensions, HeaderMap, HeaderValue, Version, header};

use super::{Shared, headers, problem, routes};
use crate::{
    domain::code::ErrorCode,
    lifecycle::Phase,
    security::{Allowance, AuthError},
    serving::{Arrival, Failure, PredictionEvent, Recorder, Road},
};

/// The address of the caller, put into each request by the server.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// A handler panicked; the cause is for the log.
#[derive(Debug, Clone)]
pub(super) struct Panicked(pub(super) String);

/// What handlers know of the request they handle.
#[derive(Debug, Clone)]
pub(super) struct Accepted {
    pub(super) request_id: Arc<str>,
    pub(super) arrived: Instant,
}

impl Accepted {
    /// Taken from a request's extensions, where [`accept`] put it.
    pub(super) fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_else(|| Self { request_id: Arc::from(""), arrived: Instant::now() })
    }
}

/// Records a request whose caller went away: the handler's future is then dropped before there is a response.
struct Pending {
    recorder: Recorder,
    arrival: Option<Arrival>,
}

impl Drop for Pending {
    fn drop(&mut self) {
        if let Some(arrival) = self.arrival.take() {
            self.recorder.record_cancelled(&arrival);
        }
    }
}

/// The outermost layer: gives the request its id, and records what became of it.
pub(super) async fn accept(State(services): State<Shared>, mut request: Request, next: Next) -> Response {
    let arrived = Instant::now();
    let request_id = headers::request_id(request.headers());
    let trace = headers::trace(request.headers());
    let route = routes::template(request.extensions().get::<MatchedPath>().map(MatchedPath::as_str));
    let arrival = Arrival { request_id: Arc::clone(&request_id), trace, protocol: "native", route, arrived };
    let host_fault = check_host(&request);
    let http1 = request.version() <= Version::HTTP_11;
    request.extensions_mut().insert(Accepted { request_id: Arc::clone(&request_id), arrived });

    let mut pending = Pending { recorder: services.recorder.clone(), arrival: Some(arrival) };
    let mut response = match host_fault {
        Err(failure) => problem::respond(&failure, &request_id, Road::default()),
        Ok(()) => next.run(request).await,
    };
    let arrival = pending.arrival.take();

    if let Some(Panicked(cause)) = response.extensions().get() {
        let failure = Failure::internal().because(cause);
        response = problem::respond(&failure, &request_id, Road::default());
    }
    // A later request on this connection would only be turned away.
    if http1 && services.shutdown.phase() >= Phase::Closing {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    if let Ok(id) = HeaderValue::from_str(&request_id) {
        response.headers_mut().insert("x-request-id", id);
    }
    if let Some(arrival) = arrival {
        if let Some(context) = &arrival.trace {
            continue_trace(context, response.headers_mut());
        }
        let event = response.extensions_mut().remove::<PredictionEvent>().unwrap_or_default();
        services.recorder.record(&arrival, response.status().as_u16(), &event);
    }
    response
}

/// Tells the caller under which span of its trace the request was handled.
fn continue_trace(context: &crate::telemetry::TraceContext, headers: &mut HeaderMap) {
    // The low half of a version 7 UUID is random, which is what a span id must be; zero is not allowed.
    let span = uuid::Uuid::now_v7().as_u64_pair().1.max(1);
    if let Ok(value) = HeaderValue::from_str(&context.child(span).to_string()) {
        headers.insert("traceparent", value);
    }
}

/// HTTP/1.1 wants exactly one Host (RFC 9112, section 3.2).
fn check_host(request: &Request) -> Result<(), Failure> {
    let hosts = request.headers().get_all(header::HOST).iter().count();
    if request.version() == Version::HTTP_11 && hosts != 1 {
        let detail = format!("an HTTP/1.1 request needs exactly one Host header; got {hosts}");
        return Err(Failure::new(ErrorCode::InvalidHeader, detail));
    }
    Ok(())
}

/// The layer of the routes that models answer: no new work while draining, known callers only, each within its share.
pub(super) async fn admit_caller(State(services): State<Shared>, mut request: Request, next: Next) -> Response {
    let accepted = Accepted::of(request.extensions());
    let refuse = |failure: &Failure| problem::respond(failure, &accepted.request_id, Road::default());
    if services.shutdown.phase() >= Phase::Closing {
        let failure = Failure::new(ErrorCode::Draining, "the server is shutting down")
            .retry_after(std::time::Duration::from_secs(1));
        return refuse(&failure);
    }
    let mut name = None;
    if let Some(tokens) = &services.tokens {
        let given = request.headers().get(header::AUTHORIZATION).map(|value| value.to_str().unwrap_or("?"));
        match tokens.authenticate(given) {
            Ok(caller) => {
                name = Some(caller.name.to_string());
                request.extensions_mut().insert(caller);
            }
            Err(error) => return refuse(&unauthenticated(error)),
        }
    }
    let Some(rate) = &services.rate else { return next.run(request).await };
    let peer = || request.extensions().get::<Peer>().map_or_else(String::new, |peer| peer.0.to_string());
    let allowance = rate.check(&name.unwrap_or_else(peer));
    let mut response = if allowance.allowed {
        next.run(request).await
    } else {
        let detail = format!("at most {} requests a second", services.rate_per_second);
        refuse(&Failure::new(ErrorCode::RateLimited, detail).retry_after(allowance.retry_after))
    };
    tell_allowance(allowance, response.headers_mut());
    response
}

fn unauthenticated(error: AuthError) -> Failure {
    Failure::new(ErrorCode::Unauthenticated, error.to_string())
}

/// The header fields of the IETF draft "RateLimit header fields for HTTP".
fn tell_allowance(allowance: Allowance, headers: &mut HeaderMap) {
    let seconds = allowance.retry_after.as_millis().div_ceil(1000);
    let remaining = format!("\"default\";r={};t={seconds}", allowance.remaining);
    let policy = format!("\"default\";q={};w=1", allowance.burst);
    for (name, text) in [("ratelimit", remaining), ("ratelimit-policy", policy)] {
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(name, value);
        }
    }
}
