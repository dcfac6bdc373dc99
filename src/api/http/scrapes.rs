//! Scrapes of the metrics: Prometheus text, or OpenMetrics with exemplars, depending on the Accept header.

use std::{sync::Arc, time::Instant};

use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, header};
use tokio::sync::Mutex;

use super::headers;
use crate::{
    runtime::{DetachedError, run_detached},
    telemetry::{Metrics, OPENMETRICS_CONTENT_TYPE, TEXT_CONTENT_TYPE},
};

/// Renders the metrics off the server threads, once for all requests that wait for them.
pub struct Scrapes {
    metrics: Arc<Metrics>,
    text: Mutex<Option<Rendered>>,
    openmetrics: Mutex<Option<Rendered>>,
}

/// A rendered scrape and the time its rendering began.
struct Rendered {
    begun: Instant,
    text: Bytes,
}

impl Scrapes {
    /// Renders these metrics.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, text: Mutex::default(), openmetrics: Mutex::default() }
    }

    /// Returns the response to a request with these headers.
    pub(super) async fn answer(&self, request: &HeaderMap) -> Result<Response, DetachedError> {
        let wanted = headers::accept_quality(request, "application/openmetrics-text");
        let named = request
            .get_all(header::ACCEPT)
            .iter()
            .any(|value| value.to_str().is_ok_and(|text| text.contains("application/openmetrics-text")));
        let openmetrics = named && wanted > 0 && wanted >= headers::accept_quality(request, "text/plain");
        let (kind, text) = if openmetrics {
            (OPENMETRICS_CONTENT_TYPE, self.render(&self.openmetrics, Metrics::openmetrics).await?)
        } else {
            (TEXT_CONTENT_TYPE, self.render(&self.text, Metrics::text).await?)
        };
        Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
    }

    /// A request that arrives during a scrape waits for the next one, which all waiting requests share.
    async fn render(
        &self,
        last: &Mutex<Option<Rendered>>,
        how: fn(&Metrics) -> String,
    ) -> Result<Bytes, DetachedError> {
        let asked = Instant::now();
        let mut last = last.lock().await;
        if let Some(rendered) = last.as_ref().filter(|rendered| rendered.begun >= asked) {
            return Ok(rendered.text.clone());
        }
        *last = None;
        let (metrics, begun) = (Arc::clone(&self.metrics), Instant::now());
        let text = Bytes::from(run_detached(move || how(&metrics)).await?);
        *last = Some(Rendered { begun, text: text.clone() });
        Ok(text)
    }
}
