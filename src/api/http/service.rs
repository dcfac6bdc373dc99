//! What happens to every request before and after it is handled: its id, its record, and what becomes of a panic.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    pin::pin,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use axum::{Router, body::Body, response::Response};
use futures_util::FutureExt as _;
use http::{Extensions, HeaderMap, HeaderValue, Request, Version, header, request::Parts};
use http_body::Body as _;
use hyper::body::Incoming;
use tower::Service as _;

use super::{
    super::transport::{Connection, Handler},
    SharedState,
    body::RequestBody,
    headers,
    predict::{self, Context, PredictTarget},
    problem,
    response_budget::{hold_and_send, send_unheld},
    routes,
};
use crate::{
    domain::error_code::ErrorCode,
    lifecycle::Phase,
    repository::ModelVersion,
    serving::{PredictionEvent, Recorder, RequestMeta, RequestProgress, Sent, ServeError},
};

/// What handlers know of the request they handle.
#[derive(Clone)]
pub(super) struct RequestContext {
    pub(super) request_id: Arc<str>,
    pub(super) arrived: Instant,
    /// The version that answers, once it is pinned: the record names it, whatever becomes of the request after that.
    pinned: Arc<OnceLock<Arc<ModelVersion>>>,
}

impl RequestContext {
    fn new(request_id: Arc<str>, arrived: Instant) -> Self {
        Self { request_id, arrived, pinned: Arc::default() }
    }

    /// Notes the version that answers.
    pub(super) fn pin(&self, version: &Arc<ModelVersion>) {
        self.pinned.get_or_init(|| Arc::clone(version));
    }

    fn version(&self) -> Option<Arc<ModelVersion>> {
        self.pinned.get().map(Arc::clone)
    }

    /// Taken from a request's extensions, where [`Front::answer`] put it.
    pub(super) fn of(extensions: &Extensions) -> Self {
        extensions.get().cloned().unwrap_or_else(|| Self::new(Arc::from(""), Instant::now()))
    }
}

/// An answer and what is to be recorded of it.
pub(super) struct HandledRequest {
    pub(super) response: Response,
    pub(super) event: PredictionEvent,
}

impl HandledRequest {
    /// A request that was refused or that failed.
    pub(super) fn failed(failure: &ServeError, request_id: &str, road: RequestProgress) -> Self {
        let response = problem::response(failure, request_id);
        Self { response, event: PredictionEvent::failed(failure, road) }
    }
}

/// Records a request whose caller went away: the handler's future is then dropped before there is a response.
struct CancellationRecorder<'a> {
    arrival: Option<RequestMeta>,
    recorder: &'a Recorder,
    accepted: &'a RequestContext,
}

impl Drop for CancellationRecorder<'_> {
    fn drop(&mut self) {
        if let Some(arrival) = self.arrival.take() {
            self.recorder.record_cancelled(&arrival, self.accepted.version());
        }
    }
}

/// The front of the server: every request comes in here.
///
/// Nearly all of them ask for a prediction. These go straight to their handler; the layers of a router, each of which boxes
/// its future, cost as much as checking the request. Everything else goes through the router.
#[derive(Clone)]
pub struct HttpService {
    services: SharedState,
    router: Router,
}

impl HttpService {
    /// In front of this router, over the same services.
    pub(super) fn new(services: SharedState, router: Router) -> Self {
        Self { services, router }
    }

    /// Answers one request.
    pub async fn answer<B: RequestBody>(&self, request: Request<B>, connection: &Arc<Connection>) -> Response {
        let arrived = Instant::now();
        let (parts, body) = request.into_parts();
        let request_id = headers::request_id(&parts.headers);
        let target = PredictTarget::of(&parts);
        let accepted = RequestContext::new(Arc::clone(&request_id), arrived);
        let arrival = RequestMeta {
            request_id,
            trace: headers::trace(&parts.headers),
            protocol: "native",
            method: routes::method_label(&parts.method),
            route: target.map_or_else(|| routes::route_template(parts.uri.path()), PredictTarget::route),
            client: connection.peer.0,
            arrived,
        };
        let http1 = parts.version <= Version::HTTP_11;

        let mut pending =
            CancellationRecorder { arrival: Some(arrival), recorder: &self.services.recorder, accepted: &accepted };
        // Pinned where it is: on its way into a combinator and out of it, all of it would be copied.
        let handling = pin!(self.handle(&parts, body, connection, &accepted));
        let handled = AssertUnwindSafe(handling).catch_unwind().await;
        let HandledRequest { response, mut event } = handled.unwrap_or_else(|panic| {
            // What the handler knew is gone with it; the log is to name the model all the same.
            let road = RequestProgress { version: accepted.version(), ..RequestProgress::default() };
            HandledRequest::failed(
                &ServeError::internal().with_cause(panic_message(&*panic)),
                &accepted.request_id,
                road,
            )
        });
        let handed_over = hold_and_send(response, &parts.headers, connection).await;
        let mut response = if let Ok(response) = handed_over {
            response
        } else {
            let failure = out_of_memory();
            event = event.refused(&failure);
            send_unheld(problem::response(&failure, &accepted.request_id), connection).await
        };
        let arrival = pending.arrival.take();

        // A later request on this connection would only be turned away.
        if http1 && self.services.shutdown.has_reached(Phase::Draining) {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Ok(id) = HeaderValue::from_str(&accepted.request_id) {
            response.headers_mut().insert(headers::X_REQUEST_ID, id);
        }
        if let Some(arrival) = arrival {
            if let Some(context) = &arrival.trace {
                set_traceparent(context, response.headers_mut());
            }
            let sent = Sent { status: response.status().as_u16(), bytes: response.body().size_hint().exact() };
            self.services.recorder.record(&arrival, sent, &event);
        }
        response
    }

    async fn handle<B: RequestBody>(
        &self,
        parts: &Parts,
        body: B,
        connection: &Arc<Connection>,
        accepted: &RequestContext,
    ) -> HandledRequest {
        if let Err(failure) = check_host(parts) {
            return HandledRequest::failed(&failure, &accepted.request_id, RequestProgress::default());
        }
        // Answers for pages of other origins need the router's layer for them.
        let straight = self.services.settings.cors.origins.is_empty();
        if let Some(target) = PredictTarget::of(parts).filter(|_| straight) {
            return predict::predict_direct(&self.services, target, parts, body, Context { accepted, connection })
                .await;
        }
        // In a box, because its size would be that of every request's future.
        Box::pin(self.route(parts.clone(), body, connection, accepted)).await
    }

    async fn route<B: RequestBody>(
        &self,
        parts: Parts,
        body: B,
        connection: &Arc<Connection>,
        accepted: &RequestContext,
    ) -> HandledRequest {
        let mut request = Request::from_parts(parts, Body::new(body));
        request.extensions_mut().insert(accepted.clone());
        request.extensions_mut().insert(connection.peer);
        request.extensions_mut().insert(Arc::clone(connection));
        let Ok(mut response) = self.router.clone().call(request).await;
        let event = response.extensions_mut().remove::<PredictionEvent>().unwrap_or_default();
        HandledRequest { response, event }
    }
}

impl Handler for HttpService {
    async fn answer(&self, request: Request<Incoming>, connection: &Arc<Connection>) -> Response {
        Self::answer(self, request, connection).await
    }
}

/// The refusal where the budget of bytes is used up.
pub(super) fn out_of_memory() -> ServeError {
    let detail = "the server holds as many bytes of requests and answers as it may";
    ServeError::overloaded(detail.to_owned(), "memory", Duration::ZERO)
}

/// What a panic said.
fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
    format!("a handler panicked: {}", text.unwrap_or("no message"))
}

/// Tells the caller under which span of its trace the request was handled.
fn set_traceparent(context: &crate::telemetry::TraceContext, headers: &mut HeaderMap) {
    // The low half of a version 7 UUID is random, which is what a span id must be; zero is not allowed.
    let span = uuid::Uuid::now_v7().as_u64_pair().1.max(1);
    if let Ok(value) = HeaderValue::from_str(&context.child_span(span).to_string()) {
        headers.insert("traceparent", value);
    }
}

/// HTTP/1.1 wants exactly one Host (RFC 9112, section 3.2).
fn check_host(parts: &Parts) -> Result<(), ServeError> {
    if parts.version != Version::HTTP_11 {
        return Ok(());
    }
    let hosts = parts.headers.get_all(header::HOST).iter().count();
    if hosts != 1 {
        let detail = format!("an HTTP/1.1 request needs exactly one Host header; got {hosts}");
        return Err(ServeError::new(ErrorCode::InvalidHeader, detail));
    }
    Ok(())
}
