//! The three predict routes.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{HeaderMap, HeaderValue, Method, header, request::Parts};

use super::{
    super::transport::Connection,
    SharedState,
    access_control::{self, Access},
    body::{self, RequestBody},
    envelope::{EnvelopeError, envelope},
    headers,
    path_params::PathParams,
    service::{HandledRequest, RequestContext},
};
use crate::{
    domain::error_code::ErrorCode,
    repository::{Catalog, ModelVersion},
    runtime::run_detached,
    serving::{PredictRequest, PredictResponse, PredictionEvent, RequestProgress, ServeError, authorize, pin, predict},
    telemetry::Stages,
};

/// Headers of an answer, with those that the connection adds.
const RESPONSE_HEADER_CAPACITY: usize = 8;

/// An answer with more elements than this is written beside the threads that serve: about a millisecond's work.
const LARGE_ELEMENTS: usize = 16_384;

/// What an element of an answer takes in most answers, in bytes.
const USUAL_BYTES_PER_ELEMENT: usize = 12;

/// What is asked: a model's name or the default one, a version's name or the stable one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct PredictTarget<'a> {
    model: Option<&'a str>,
    version: Option<&'a str>,
}

impl<'a> PredictTarget<'a> {
    /// The target of a request for a prediction, from its path as it is; `None` for other requests, and where a name would
    /// first have to be decoded.
    pub(super) fn of(parts: &'a Parts) -> Option<Self> {
        if parts.method != Method::POST {
            return None;
        }
        let path = parts.uri.path();
        if path == "/predict" {
            return Some(Self::default());
        }
        let names = path.strip_prefix("/models/")?.strip_suffix("/predict")?;
        let (model, version) = match names.bytes().position(|byte| byte == b'/') {
            Some(end) => (&names[..end], Some(names[end..].strip_prefix("/versions/")?)),
            None => (names, None),
        };
        let plain = |name: &str| !name.is_empty() && name.bytes().all(|byte| byte != b'/' && byte != b'%');
        (plain(model) && version.is_none_or(plain)).then_some(Self { model: Some(model), version })
    }

    /// The template of its route.
    pub(super) fn route(self) -> &'static str {
        match self {
            Self { model: None, .. } => "/predict",
            Self { version: None, .. } => "/models/{model}/predict",
            Self { .. } => "/models/{model}/versions/{version}/predict",
        }
    }
}

/// `POST /predict`, behind the router
pub(super) async fn default_model(State(services): State<SharedState>, request: Request) -> Response {
    predict_via_router(&services, PredictTarget::default(), request).await
}

/// `POST /models/{model}/predict`, behind the router
pub(super) async fn stable(
    State(services): State<SharedState>,
    PathParams(model): PathParams<String>,
    request: Request,
) -> Response {
    predict_via_router(&services, PredictTarget { model: Some(&model), version: None }, request).await
}

/// `POST /models/{model}/versions/{version}/predict`, behind the router
pub(super) async fn pinned(
    State(services): State<SharedState>,
    PathParams((model, version)): PathParams<(String, String)>,
    request: Request,
) -> Response {
    predict_via_router(&services, PredictTarget { model: Some(&model), version: Some(&version) }, request).await
}

async fn predict_via_router(services: &SharedState, target: PredictTarget<'_>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let accepted = RequestContext::of(&parts.extensions);
    let connection: &Arc<Connection> = parts.extensions.get().expect("the front puts it there");
    let catalog: &Arc<Catalog> = parts.extensions.get().expect("the guard puts it there");
    let pinned = pin(catalog, target.model, target.version, parts.extensions.get());
    let context = Context { accepted: &accepted, connection };
    let HandledRequest { mut response, event } = answer(services, pinned, &parts.headers, body, context).await;
    response.extensions_mut().insert(event);
    response
}

/// Answers a request that did not go through the router, whose layer would have looked at its caller.
pub(super) async fn predict_direct<B: RequestBody>(
    services: &SharedState,
    target: PredictTarget<'_>,
    parts: &Parts,
    body: B,
    context: Context<'_>,
) -> HandledRequest {
    let (Access { caller, allowance }, verdict) =
        access_control::check_access(services, &parts.headers, context.connection.peer);
    let pinned = verdict.and_then(|()| {
        let catalog = services.repository.catalog();
        authorize(&catalog, target.model, caller.as_ref())?;
        pin(&catalog, target.model, target.version, caller.as_ref())
    });
    let mut handled = answer(services, pinned, &parts.headers, body, context).await;
    if let Some(caller) = caller {
        handled.event.asked_by(caller.name);
    }
    if let Some(allowance) = allowance {
        access_control::set_rate_limit_headers(allowance, handled.response.headers_mut());
    }
    handled
}

/// What is known of a request beside its head and its body.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) accepted: &'a RequestContext,
    pub(super) connection: &'a Connection,
}

async fn answer<B: RequestBody>(
    services: &SharedState,
    pinned: Result<Arc<ModelVersion>, ServeError>,
    headers: &HeaderMap,
    body: B,
    Context { accepted, connection }: Context<'_>,
) -> HandledRequest {
    let version = match pinned {
        Ok(version) => version,
        Err(failure) => return HandledRequest::failed(&failure, &accepted.request_id, RequestProgress::default()),
    };
    accepted.pin(&version);
    let mut road = RequestProgress { version: Some(Arc::clone(&version)), ..RequestProgress::default() };
    let result: Result<_, ServeError> = async {
        headers::check_accept(headers, "application/json")?;
        headers::check_content_type(headers)?;
        let patience = headers::client_timeout(headers)?;
        let body = body::read(headers, body, &services.settings, connection).await?;
        road.body_bytes = Some(body.bytes.len());
        let call = PredictRequest { body: &body.bytes, arrived: accepted.arrived, patience };
        let answer = predict(&version, call, &mut road).await?;
        let max_bytes = services.settings.max_answer_bytes;
        let started = Instant::now();
        let (answer, bytes) = if answer.elements <= LARGE_ELEMENTS {
            let bytes = envelope(&answer, &accepted.request_id, max_bytes);
            (answer, bytes)
        } else {
            encode_detached(answer, accepted, max_bytes, connection).await?
        };
        let ended = Instant::now();
        road.stages.encode = Some(ended - started);
        // An answer that comes late is none.
        let bytes = if ended > answer.due { Err(EnvelopeError::Late) } else { bytes };
        let bytes = bytes.map_err(|error| unwritten(error, &answer, max_bytes))?;
        Ok((respond(&answer, bytes, road.stages, ended - accepted.arrived), answer))
    }
    .await;
    match result {
        Ok((response, answer)) => HandledRequest { response, event: PredictionEvent::answered(&answer, road) },
        Err(failure) => HandledRequest::failed(&failure.of(&version), &accepted.request_id, road),
    }
}

/// Writes a large answer beside the threads that serve, which its size would hold up; its bytes are held before they are there.
async fn encode_detached(
    answer: PredictResponse,
    accepted: &RequestContext,
    max_bytes: usize,
    connection: &Connection,
) -> Result<(PredictResponse, Result<Vec<u8>, EnvelopeError>), ServeError> {
    let held = connection.hold(answer.elements.saturating_mul(USUAL_BYTES_PER_ELEMENT).min(max_bytes))?;
    let request_id = Arc::clone(&accepted.request_id);
    let written = run_detached(move || {
        let bytes = envelope(&answer, &request_id, max_bytes);
        (answer, bytes)
    });
    let written = written.await.map_err(|error| ServeError::internal().with_cause(error))?;
    drop(held);
    Ok(written)
}

/// Why an answer was not written.
fn unwritten(error: EnvelopeError, answer: &PredictResponse, max_bytes: usize) -> ServeError {
    let model = &answer.version.model;
    match error {
        EnvelopeError::TooLarge => ServeError::answer_too_large(model, answer.elements, max_bytes),
        EnvelopeError::Late => {
            let detail = format!("the answer of {model} was not written within the deadline");
            ServeError::new(ErrorCode::DeadlineExceeded, detail)
        }
        EnvelopeError::Json(error) => {
            ServeError::new(ErrorCode::Internal, "the answer could not be written").with_cause(error)
        }
    }
}

fn respond(answer: &PredictResponse, bytes: Vec<u8>, stages: Stages, total: Duration) -> Response {
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.reserve(RESPONSE_HEADER_CAPACITY);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(version) = HeaderValue::from_str(answer.version.version.as_str()) {
        headers.insert(headers::X_MODEL_VERSION, version);
    }
    if let Ok(timing) = HeaderValue::from_maybe_shared(server_timing(stages, total)) {
        headers.insert(headers::SERVER_TIMING, timing);
    }
    response
}

/// The stages in milliseconds, as the Server-Timing header wants them.
fn server_timing(stages: Stages, total: Duration) -> bytes::Bytes {
    let mut text = Vec::with_capacity(96);
    let mut digits = itoa::Buffer::new();
    let stages =
        [("admit", stages.admit), ("queue", stages.queue), ("infer", stages.infer), ("explain", stages.explain)];
    for (name, duration) in stages.into_iter().chain([("total", Some(total))]) {
        let Some(duration) = duration else { continue };
        if !text.is_empty() {
            text.extend_from_slice(b", ");
        }
        text.extend_from_slice(name.as_bytes());
        text.extend_from_slice(b";dur=");
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        text.extend_from_slice(digits.format(micros / 1000).as_bytes());
        text.push(b'.');
        // Three digits, the zeros in front of them too.
        text.extend_from_slice(&digits.format(1000 + micros % 1000).as_bytes()[1..]);
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::{super::routes, *};

    #[test]
    fn a_prediction_is_asked_for_by_its_path() {
        let target = |model, version| Some(PredictTarget { model, version });
        let cases = [
            ("/predict", target(None, None)),
            ("/models/churn/predict", target(Some("churn"), None)),
            ("/models/churn/versions/1/predict?x=1", target(Some("churn"), Some("1"))),
            ("/models/versions/predict", target(Some("versions"), None)),
            ("/models/ch%75rn/predict", None),
            ("/models//predict", None),
            ("/models/a/b/predict", None),
            ("/models/a/versions//predict", None),
            ("/models/a/versions/b/c/predict", None),
            ("/models/churn", None),
        ];
        for (path, expected) in cases {
            let (parts, ()) = http::Request::post(path).body(()).expect("a request").into_parts();
            assert_eq!(PredictTarget::of(&parts), expected, "{path}");
            if let Some(target) = expected {
                assert_eq!(target.route(), routes::route_template(parts.uri.path()));
            }
        }
        let (parts, ()) = http::Request::get("/predict").body(()).expect("a request").into_parts();
        assert_eq!(PredictTarget::of(&parts), None);
    }

    #[test]
    fn server_timing_is_in_milliseconds() {
        let stages = Stages {
            admit: Some(Duration::from_micros(7)),
            queue: None,
            infer: Some(Duration::from_micros(12_045)),
            ..Stages::default()
        };
        let text = server_timing(stages, Duration::from_micros(13_100));
        assert_eq!(&text[..], b"admit;dur=0.007, infer;dur=12.045, total;dur=13.100");
    }
}
