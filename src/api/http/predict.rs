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
use http::{HeaderValue, header};

use super::{
    SharedState, body,
    context::{Context, RequestContext},
    envelope::{EnvelopeError, envelope},
    headers,
    path_params::PathParams,
};
use crate::{
    domain::error_code::ErrorCode,
    runtime::run_detached,
    serving::{CallerIdentity, PredictRequest, PredictResponse, RequestProgress, ServeError, assign, pin, predict},
    telemetry::Stages,
};

/// The number of headers of a response, including those that the service adds.
const RESPONSE_HEADER_CAPACITY: usize = 8;

/// A response with more elements than this, which takes about a millisecond to encode, is encoded off the server
/// threads.
const LARGE_ELEMENTS: usize = 16_384;

/// The typical size of an element in a response, in bytes.
const USUAL_BYTES_PER_ELEMENT: usize = 12;

/// `POST /predict`
pub(super) async fn default_model(state: State<SharedState>, Context(context): Context, request: Request) -> Response {
    answer(&state, &context, (None, None), request).await
}

/// `POST /models/{model}/predict`
pub(super) async fn stable_version(
    state: State<SharedState>,
    Context(context): Context,
    PathParams(model): PathParams<String>,
    request: Request,
) -> Response {
    answer(&state, &context, (Some(&model), None), request).await
}

/// `POST /models/{model}/versions/{version}/predict`
pub(super) async fn named_version(
    state: State<SharedState>,
    Context(context): Context,
    PathParams((model, version)): PathParams<(String, String)>,
    request: Request,
) -> Response {
    answer(&state, &context, (Some(&model), Some(&version)), request).await
}

/// Answers a request for a model (`None`: the default) and a version (`None`: the stable one).
async fn answer(
    state: &SharedState,
    context: &RequestContext,
    (model, version): (Option<&str>, Option<&str>),
    request: Request,
) -> Response {
    let pinned = match pin(&state.repository.catalog(), model, version, context.caller()) {
        Ok(pinned) => pinned,
        Err(error) => return context.refuse(&error),
    };
    context.record.pin(&pinned.version);
    // What errors name: the pinned version, until a rollout assigns another.
    let (mut version, mut progress) = (Arc::clone(&pinned.version), RequestProgress::default());
    let (parts, body) = request.into_parts();
    let result: Result<_, ServeError> = async {
        let client_timeout = headers::check_json_exchange(&parts.headers)?;
        let body = body::read(&parts.headers, body, state.settings.body_limits(), &context.connection).await?;
        progress.body_bytes = Some(body.bytes.len());
        let arrived = context.record.meta.arrived;
        let identity = CallerIdentity { request_id: context.request_id(), headers: &parts.headers, body: &body.bytes };
        let assigned = assign(pinned, identity);
        if assigned.split.is_some() {
            context.record.assign(&assigned);
            version = Arc::clone(&assigned.version);
        }
        let answer =
            predict(&version, PredictRequest { body: &body.bytes, arrived, client_timeout }, &mut progress).await?;
        let (max_bytes, started) = (state.settings.max_answer_bytes, Instant::now());
        let (answer, bytes) = if answer.elements <= LARGE_ELEMENTS {
            let bytes = envelope(&answer, context.request_id(), max_bytes);
            (answer, bytes)
        } else {
            encode_detached(answer, context, max_bytes).await?
        };
        let ended = Instant::now();
        progress.stages.encode = Some(ended - started);
        // Do not send a response after the deadline.
        let bytes = if ended > answer.due { Err(EnvelopeError::Late) } else { bytes };
        let bytes = bytes.map_err(|error| unwritten(error, &answer, max_bytes))?;
        let response = respond(&answer, assigned.variant.as_deref(), bytes, progress.stages, ended - arrived);
        context.record.answered(&answer, progress);
        state.shadows.copy(&assigned, context.request_id(), &body.bytes, (&answer, progress));
        Ok(response)
    }
    .await;
    result.unwrap_or_else(|error| {
        context.record.set_progress(progress);
        context.refuse(&error.of(&version))
    })
}

/// Encodes a large response off the server threads, which it would block. Reserves its estimated size in the byte
/// budget first.
async fn encode_detached(
    answer: PredictResponse,
    context: &RequestContext,
    max_bytes: usize,
) -> Result<(PredictResponse, Result<Vec<u8>, EnvelopeError>), ServeError> {
    let held = context.connection.hold(answer.elements.saturating_mul(USUAL_BYTES_PER_ELEMENT).min(max_bytes))?;
    let request_id = Arc::clone(context.request_id());
    let written = run_detached(move || {
        let bytes = envelope(&answer, &request_id, max_bytes);
        (answer, bytes)
    });
    let written = written.await.map_err(|error| ServeError::internal().with_cause(error))?;
    drop(held);
    Ok(written)
}

/// Maps an encoding error to the error of the request.
fn unwritten(error: EnvelopeError, answer: &PredictResponse, max_bytes: usize) -> ServeError {
    let model = &answer.version.model;
    match error {
        EnvelopeError::TooLarge => ServeError::answer_too_large(model, answer.elements, max_bytes),
        EnvelopeError::Late => {
            let detail = format!("the response of {model} was not encoded within the deadline");
            ServeError::new(ErrorCode::DeadlineExceeded, detail)
        }
        EnvelopeError::Json(error) => {
            ServeError::new(ErrorCode::Internal, "the response could not be encoded").with_cause(error)
        }
    }
}

fn respond(
    answer: &PredictResponse,
    variant: Option<&str>,
    bytes: Vec<u8>,
    stages: Stages,
    total: Duration,
) -> Response {
    let mut response = Response::new(Body::from(bytes));
    let headers = response.headers_mut();
    headers.reserve(RESPONSE_HEADER_CAPACITY);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(version) = HeaderValue::from_str(answer.version.version.as_str()) {
        headers.insert(headers::X_MODEL_VERSION, version);
    }
    if let Some(variant) = variant.and_then(|name| HeaderValue::from_str(name).ok()) {
        headers.insert(headers::X_VARIANT, variant);
    }
    if let Ok(timing) = HeaderValue::from_maybe_shared(server_timing(stages, total)) {
        headers.insert(headers::SERVER_TIMING, timing);
    }
    response
}

/// Formats the stages in milliseconds, for the Server-Timing header.
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
        // Three digits, with leading zeros.
        text.extend_from_slice(&digits.format(1000 + micros % 1000).as_bytes()[1..]);
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;

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
