//! The service of a listener, around the handlers: request id, record, access check, panics, byte budget. The data and
//! the admin listener share it; each has its own routes and rules.

use std::{any::Any, panic::AssertUnwindSafe, pin::pin, sync::Arc, time::Instant};

use axum::{Router, body::Body, response::Response};
use futures_util::FutureExt as _;
use http::{HeaderMap, HeaderValue, Request, Version, header};
use http_body::Body as _;
use hyper::body::Incoming;
use tower::Service as _;

use super::{
    super::transport::{Connection, Handler},
    access_control::{Access, AccessControl, set_rate_limit_headers},
    body::RequestBody,
    compression::AcceptEncoding,
    context::RequestContext,
    error_codes::INVALID_HEADER,
    headers,
    response_budget::{hold_and_send, send_unheld},
    routes::{self, Route, RouteAccess},
};
use crate::{
    lifecycle::{Phase, Shutdown},
    security::RateDecision,
    serving::{Recorder, RequestMeta, RequestRecord, Sent, ServeError},
    telemetry::TraceContext,
};

/// Answers the requests of one listener.
#[derive(Clone)]
pub struct HttpService {
    /// The name of the protocol in log and metrics.
    pub(super) protocol: &'static str,
    pub(super) routes: &'static [Route],
    pub(super) router: Router,
    /// The access that paths without a route require.
    pub(super) unrouted: RouteAccess,
    pub(super) access: Arc<AccessControl>,
    pub(super) recorder: Recorder,
    pub(super) shutdown: Shutdown,
}

impl HttpService {
    /// Answers one request.
    pub async fn answer<B: RequestBody>(&self, request: Request<B>, connection: &Arc<Connection>) -> Response {
        let arrived = Instant::now();
        let (template, route) = routes::find(self.routes, request.uri().path(), request.method());
        let meta = RequestMeta {
            request_id: headers::request_id(request.headers()),
            trace: headers::trace(request.headers()),
            protocol: self.protocol,
            method: routes::method_label(request.method()),
            route: template,
            client: connection.peer.0,
            arrived,
        };
        let context = Arc::new(RequestContext::new(RequestRecord::new(meta), Arc::clone(connection)));
        let active = self.recorder.start(&context.record);
        let (version, accepted) = (request.version(), AcceptEncoding::of(request.headers()));

        // Pinned on the stack: a combinator would move the whole future.
        let handling = pin!(self.handle(request, route, &context));
        let response = AssertUnwindSafe(handling)
            .catch_unwind()
            .await
            .unwrap_or_else(|panic| context.refuse(&ServeError::internal().with_cause(panic_message(&*panic))));
        let mut response = match hold_and_send(response, &accepted, connection).await {
            Ok(response) => response,
            Err(_) => send_unheld(context.refuse(&ServeError::out_of_memory()), connection).await,
        };
        // Close the connection while draining: later requests on it would be rejected.
        if version <= Version::HTTP_11 && self.shutdown.has_reached(Phase::Draining) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Ok(id) = HeaderValue::from_str(context.request_id()) {
            response.headers_mut().insert(headers::X_REQUEST_ID, id);
        }
        if let Some(trace) = &context.record.meta.trace {
            set_traceparent(trace, response.headers_mut());
        }
        active.finish(Sent { status: response.status().as_u16(), bytes: response.body().size_hint().exact() });
        response
    }

    /// Checks access and calls the handler of the route.
    async fn handle<B: RequestBody>(
        &self,
        request: Request<B>,
        route: Option<&Route>,
        context: &Arc<RequestContext>,
    ) -> Response {
        if let Err(error) = check_host(&request) {
            return context.refuse(&error);
        }
        // Without a route the router answers: with 404 or 405, or a CORS preflight.
        let required = route.map_or(self.unrouted, |route| route.access);
        let (Access { visibility, allowance }, verdict) =
            self.access.check(required, request.headers(), context.connection.peer);
        context.set_visibility(visibility);
        if let Err(error) = verdict {
            return with_rate_limit(context.refuse(&error), allowance);
        }
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(Arc::clone(context));
        let Ok(response) = self.router.clone().call(request).await;
        with_rate_limit(response, allowance)
    }
}

impl Handler for HttpService {
    async fn answer(&self, request: Request<Incoming>, connection: &Arc<Connection>) -> Response {
        Self::answer(self, request, connection).await
    }
}

fn with_rate_limit(mut response: Response, allowance: Option<RateDecision>) -> Response {
    if let Some(allowance) = allowance {
        set_rate_limit_headers(allowance, response.headers_mut());
    }
    response
}

/// Returns the message of a panic.
fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a handler panicked: {}", text.unwrap_or("no message"))
}

/// Sets the `traceparent` header of the response to a new server span.
fn set_traceparent(context: &TraceContext, headers: &mut HeaderMap) {
    // The low half of a version 7 UUID is random, which is what a span id must be; zero is not allowed.
    let span = uuid::Uuid::now_v7().as_u64_pair().1.max(1);
    if let Ok(value) = HeaderValue::from_str(&context.child_span(span).to_string()) {
        headers.insert("traceparent", value);
    }
}

/// Checks that an HTTP/1.1 request has exactly one Host header (RFC 9112, section 3.2).
fn check_host<B>(request: &Request<B>) -> Result<(), ServeError> {
    if request.version() != Version::HTTP_11 {
        return Ok(());
    }
    let hosts = request.headers().get_all(header::HOST).iter().count();
    if hosts != 1 {
        let detail = format!("an HTTP/1.1 request needs exactly one Host header; got {hosts}");
        return Err(ServeError::new(INVALID_HEADER, detail));
    }
    Ok(())
}
