//! The three predict routes.

use std::{fmt::Write as _, time::Instant};

use axum::{
    body::Body,
    extract::{Request, State},
    response::Response,
};
use http::{HeaderValue, StatusCode, header};

use super::{Shared, accept::Accepted, body, envelope::envelope, headers, names::Names, problem};
use crate::{
    domain::code::ErrorCode,
    security::Caller,
    serving::{Answer, Call, Failure, PredictionEvent, Road, predict},
    telemetry::Stages,
};

/// `POST /predict`
pub(super) async fn default_model(State(services): State<Shared>, request: Request) -> Response {
    answer(&services, None, None, request).await
}

/// `POST /models/{model}/predict`
pub(super) async fn stable(State(services): State<Shared>, Names(model): Names<String>, request: Request) -> Response {
    answer(&services, Some(&model), None, request).await
}

/// `POST /models/{model}/versions/{version}/predict`
pub(super) async fn pinned(
    State(services): State<Shared>,
    Names((model, version)): Names<(String, String)>,
    request: Request,
) -> Response {
    answer(&services, Some(&model), Some(&version), request).await
}

async fn answer(services: &Shared, model: Option<&str>, version: Option<&str>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let accepted = Accepted::of(&parts.extensions);
    let mut road = Road::default();
    let result = async {
        authorize(services, model, parts.extensions.get())?;
        headers::check_accept(&parts.headers, "application/json")?;
        headers::check_content_type(&parts.headers)?;
        let patience = headers::patience(&parts.headers)?;
        let body = body::read(&parts.headers, body, &services.settings).await?;
        let call = Call { model, version, body: &body, arrived: accepted.arrived, patience };
        predict(&services.repository, call, &mut road).await
    }
    .await;
    match result.and_then(|answer| encode(&answer, &accepted, road.clone())) {
        Ok(response) => response,
        Err(failure) => problem::respond(&failure, &accepted.request_id, road),
    }
}

/// Refuses a known caller a model that its token does not cover.
fn authorize(services: &Shared, model: Option<&str>, caller: Option<&Caller>) -> Result<(), Failure> {
    let Some(caller) = caller else { return Ok(()) };
    let catalog = services.repository.catalog();
    match model.or_else(|| catalog.default_name()) {
        Some(name) if !caller.may_use(name) => {
            let detail =
                format!("the caller {} may not use the model {}", caller.name, crate::domain::violation::quote(name));
            Err(Failure::new(ErrorCode::Forbidden, detail))
        }
        _ => Ok(()),
    }
}

fn encode(answer: &Answer, accepted: &Accepted, mut road: Road) -> Result<Response, Failure> {
    let started = Instant::now();
    let bytes = envelope(answer, &accepted.request_id)
        .map_err(|error| Failure::new(ErrorCode::Internal, "the answer could not be written").because(error))?;
    road.stages.encode = Some(started.elapsed());
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Ok(version) = HeaderValue::from_str(answer.version.version.as_str()) {
        headers.insert("x-model-version", version);
    }
    if let Ok(timing) = HeaderValue::from_str(&server_timing(road.stages, accepted.arrived)) {
        headers.insert("server-timing", timing);
    }
    response.extensions_mut().insert(PredictionEvent::answered(answer, road));
    Ok(response)
}

/// The stages in milliseconds, as the Server-Timing header wants them.
fn server_timing(stages: Stages, arrived: Instant) -> String {
    let mut text = String::with_capacity(80);
    for (name, duration) in
        [("parse", stages.admit), ("queue", stages.queue), ("infer", stages.infer), ("explain", stages.explain)]
    {
        if let Some(duration) = duration {
            let micros = duration.as_micros();
            let _ = write!(text, "{name};dur={}.{:03}, ", micros / 1000, micros % 1000);
        }
    }
    let micros = arrived.elapsed().as_micros();
    let _ = write!(text, "total;dur={}.{:03}", micros / 1000, micros % 1000);
    text
}
