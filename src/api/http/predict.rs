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
    Services, Shared,
    accept::{Accepted, Handled},
    body::{self, Arriving},
    envelope::envelope,
    guard::{self, Guarded},
    headers,
    names::Names,
    server::Peer,
};
use crate::{
    domain::code::ErrorCode,
    repository::ModelVersion,
    security::Caller,
    serving::{Answer, Call, Failure, PredictionEvent, Road, predict},
    telemetry::Stages,
};

/// Headers of an answer, with those that the connection adds.
const HEADERS: usize = 8;

/// What is asked: a model's name or the default one, a version's name or the stable one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Target<'a> {
    model: Option<&'a str>,
    version: Option<&'a str>,
}

impl<'a> Target<'a> {
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

    /// The version that it leads to, where it leads to one.
    pub(super) fn version(self, services: &Services) -> Option<Arc<ModelVersion>> {
        services.repository.catalog().resolve(self.model, self.version).ok().map(Arc::clone)
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
pub(super) async fn default_model(State(services): State<Shared>, request: Request) -> Response {
    routed(&services, Target::default(), request).await
}

/// `POST /models/{model}/predict`, behind the router
pub(super) async fn stable(State(services): State<Shared>, Names(model): Names<String>, request: Request) -> Response {
    routed(&services, Target { model: Some(&model), version: None }, request).await
}

/// `POST /models/{model}/versions/{version}/predict`, behind the router
pub(super) async fn pinned(
    State(services): State<Shared>,
    Names((model, version)): Names<(String, String)>,
    request: Request,
) -> Response {
    routed(&services, Target { model: Some(&model), version: Some(&version) }, request).await
}

async fn routed(services: &Shared, target: Target<'_>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let (accepted, caller) = (Accepted::of(&parts.extensions), parts.extensions.get());
    let Handled { mut response, event } = answer(services, target, &parts.headers, body, (&accepted, caller)).await;
    response.extensions_mut().insert(event);
    response
}

/// Answers a request that did not go through the router, whose layer would have looked at its caller.
pub(super) async fn guarded<B: Arriving>(
    services: &Shared,
    target: Target<'_>,
    parts: &Parts,
    body: B,
    (peer, accepted): (Peer, &Accepted),
) -> Handled {
    let (Guarded { caller, allowance }, verdict) = guard::look(services, &parts.headers, peer);
    let verdict = verdict.and_then(|()| guard::authorize(services, target.model, caller.as_ref()));
    let mut handled = match verdict {
        Ok(()) => answer(services, target, &parts.headers, body, (accepted, caller.as_ref())).await,
        Err(failure) => Handled::failed(&failure, &accepted.request_id, Road::default()),
    };
    if let Some(caller) = caller {
        handled.event.asked_by(caller.name);
    }
    if let Some(allowance) = allowance {
        guard::tell(allowance, handled.response.headers_mut());
    }
    handled
}

async fn answer<B: Arriving>(
    services: &Shared,
    Target { model, version }: Target<'_>,
    headers: &HeaderMap,
    body: B,
    (accepted, caller): (&Accepted, Option<&Caller>),
) -> Handled {
    let mut road = Road::default();
    let result = async {
        headers::check_accept(headers, "application/json")?;
        headers::check_content_type(headers)?;
        let patience = headers::patience(headers)?;
        let body = body::read(headers, body, &services.settings).await?;
        road.body_bytes = Some(body.len());
        let call = Call { model, version, body: &body, arrived: accepted.arrived, patience, caller };
        predict(&services.repository, call, &mut road).await
    }
    .await;
    let failure = match result {
        Ok(answer) => match encode(&answer, accepted, &mut road) {
            Ok(response) => return Handled { response, event: PredictionEvent::answered(&answer, road) },
            Err(failure) => failure,
        },
        Err(failure) => failure,
    };
    Handled::failed(&failure, &accepted.request_id, road)
}

fn encode(answer: &Answer, accepted: &Accepted, road: &mut Road) -> Result<Response, Failure> {
    let started = Instant::now();
    let bytes = envelope(answer, &accepted.request_id)
        .map_err(|error| Failure::new(ErrorCode::Internal, "the answer could not be written").because(error))?;
    let ended = Instant::now();
    road.stages.encode = Some(ended - started);
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(version) = HeaderValue::from_str(answer.version.version.as_str()) {
        headers.insert(headers::X_MODEL_VERSION, version);
    }
    if let Ok(timing) = HeaderValue::from_maybe_shared(server_timing(road.stages, ended - accepted.arrived)) {
        headers.insert(headers::SERVER_TIMING, timing);
    }
    Ok(response)
}

/// The stages in milliseconds, as the Server-Timing header wants them.
fn server_timing(stages: Stages, total: Duration) -> bytes::Bytes {
    let mut text = Vec::with_capacity(96);
    let mut digits = itoa::Buffer::new();
    let stages =
        [("parse", stages.admit), ("queue", stages.queue), ("infer", stages.infer), ("explain", stages.explain)];
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
        let target = |model, version| Some(Target { model, version });
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
            assert_eq!(Target::of(&parts), expected, "{path}");
            if let Some(target) = expected {
                assert_eq!(target.route(), routes::template(parts.uri.path()));
            }
        }
        let (parts, ()) = http::Request::get("/predict").body(()).expect("a request").into_parts();
        assert_eq!(Target::of(&parts), None);
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
        assert_eq!(&text[..], b"parse;dur=0.007, infer;dur=12.045, total;dur=13.100");
    }
}
