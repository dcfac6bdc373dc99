//! `GET /`: what is served, and a command that works as it is.

use std::fmt::Write as _;

use axum::{extract::State, response::IntoResponse};
use http::{HeaderMap, header};

use super::Shared;
use crate::repository::{Catalog, ModelVersion};

/// `GET /`
pub(super) async fn text(State(services): State<Shared>, headers: HeaderMap) -> impl IntoResponse {
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or("localhost");
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], page(&services.repository.catalog(), host))
}

fn page(catalog: &Catalog, host: &str) -> String {
    let mut page = format!(
        "Candor {}: ONNX models over HTTP, with a contract and an honest uncertainty.\n\n",
        env!("CARGO_PKG_VERSION")
    );
    page.push_str("Models:\n");
    for entry in catalog.models.values() {
        let versions: Vec<String> =
            entry.versions.iter().map(|version| format!("{} ({})", version.name, version.state.as_str())).collect();
        let default = if catalog.default_name() == Some(entry.name.as_str()) { "  the default" } else { "" };
        let _ = writeln!(page, "  {:<20} {}{default}", entry.name.as_str(), versions.join(", "));
    }
    let version = catalog.showpiece();
    match version {
        Some(version) => {
            let default = catalog.default_name() == Some(version.model.as_str());
            let _ = write!(page, "\nTry:\n  {}\n", curl(version, host, default));
        }
        None => page.push_str("\nNo model is ready yet; GET /readyz says why.\n"),
    }
    page.push_str(
        "\nMore:\n  GET  /docs             how to ask each model, in a browser\n  GET  /openapi.json     the same for programs\n\
         \x20 GET  /models           what is loaded\n  GET  /readyz           whether every model is ready\n\
         \x20 GET  /metrics          Prometheus and OpenMetrics\n  POST /models/{model}/predict\n",
    );
    page
}

/// A command that asks a model for its own example.
pub fn curl(version: &ModelVersion, host: &str, default: bool) -> String {
    let path = if default { "/predict".to_owned() } else { format!("/models/{}/predict", version.model) };
    let features = serde_json::to_string(&version.example).unwrap_or_default();
    // A quotation mark inside the shell's own would end them.
    let features = features.replace('\'', "'\\''");
    format!("curl -s http://{host}{path} -H 'content-type: application/json' -d '{{\"features\":{features}}}'")
}
