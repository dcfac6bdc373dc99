//! `GET /metrics`: Prometheus text, or OpenMetrics with exemplars, as the Accept header asks.

use axum::{
    extract::State,
    response::{IntoResponse, Response},
};
use http::{HeaderMap, header};

use super::{Shared, headers};
use crate::telemetry::{OPENMETRICS_CONTENT_TYPE, TEXT_CONTENT_TYPE};

/// `GET /metrics`
pub(super) async fn get(State(services): State<Shared>, request: HeaderMap) -> Response {
    let openmetrics = headers::preference(&request, "application/openmetrics-text");
    let named = request
        .get_all(header::ACCEPT)
        .iter()
        .any(|value| value.to_str().is_ok_and(|text| text.contains("application/openmetrics-text")));
    if named && openmetrics > 0 && openmetrics >= headers::preference(&request, "text/plain") {
        ([(header::CONTENT_TYPE, OPENMETRICS_CONTENT_TYPE)], services.metrics.openmetrics()).into_response()
    } else {
        ([(header::CONTENT_TYPE, TEXT_CONTENT_TYPE)], services.metrics.text()).into_response()
    }
}
