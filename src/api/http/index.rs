//! `GET /`: the models served, and a command that works as it is.

use std::fmt::Write as _;

use axum::{extract::State, response::IntoResponse};
use http::{HeaderMap, header};

use super::{
    SharedState,
    context::{Context, ModelVisibility},
};
use crate::repository::{Catalog, ModelVersion};

/// `GET /`
pub(super) async fn index_text(
    State(state): State<SharedState>,
    Context(context): Context,
    headers: HeaderMap,
) -> impl IntoResponse {
    let page = page(&state.repository.catalog(), host(&headers), context.visibility());
    ([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], page)
}

/// Maximum length in bytes of a host name that is repeated; the limit of DNS.
const MAX_HOST: usize = 255;

/// Returns the Host header if it looks like a host, since the page is meant to be copied into a shell.
fn host(headers: &HeaderMap) -> &str {
    let given = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-_:[]".contains(&byte);
    given.filter(|host| (1..=MAX_HOST).contains(&host.len()) && host.bytes().all(plain)).unwrap_or("localhost")
}

fn page(catalog: &Catalog, host: &str, visibility: &ModelVisibility) -> String {
    let mut page = format!(
        "Candor {}: ONNX models over HTTP, with data contracts and uncertainty estimates.\n\n",
        env!("CARGO_PKG_VERSION")
    );
    match visibility {
        ModelVisibility::Nothing => {
            page.push_str("Send `Authorization: Bearer <token>` to see the models that you may use.\n");
        }
        ModelVisibility::Everything | ModelVisibility::Of(_) => models(&mut page, catalog, host, visibility),
    }
    page.push_str(
        "\nMore:\n  GET  /docs             how to call each model, in a browser\n\
         \x20 GET  /openapi.json     the same, as OpenAPI\n\
         \x20 GET  /models           all models and their states\n\
         \x20 GET  /readyz           whether every model is ready\n\
         \x20 GET  /metrics          Prometheus and OpenMetrics\n  POST /models/{model}/predict\n",
    );
    page
}

/// Lists the models that the caller may see, and how to call one.
fn models(page: &mut String, catalog: &Catalog, host: &str, visibility: &ModelVisibility) {
    page.push_str("Models:\n");
    for entry in catalog.models.values().filter(|entry| visibility.covers(entry.name.as_str())) {
        let versions: Vec<String> =
            entry.versions.iter().map(|version| format!("{} ({})", version.name, version.state.as_str())).collect();
        let default = if catalog.default_name() == Some(entry.name.as_str()) { "  the default" } else { "" };
        let _ = writeln!(page, "  {:<20} {}{default}", entry.name.as_str(), versions.join(", "));
    }
    match catalog.example_version_within(|name| visibility.covers(name)) {
        Some(version) => {
            let default = catalog.default_name() == Some(version.model.as_str());
            let token = matches!(visibility, ModelVisibility::Of(_));
            let _ = write!(page, "\nTry:\n  {}\n", example_curl(version, host, default, token));
        }
        None => page.push_str("\nNo model is ready yet; GET /readyz gives the reasons.\n"),
    }
}

/// Returns a curl command that sends a model its own example, with the token in a shell variable if the server requires
/// one.
pub fn example_curl(version: &ModelVersion, host: &str, default: bool, token: bool) -> String {
    let path = if default { "/predict".to_owned() } else { format!("/models/{}/predict", version.model) };
    let features = serde_json::to_string(&version.example).unwrap_or_default();
    // A single quote would end the quoting of the shell.
    let features = features.replace('\'', "'\\''");
    let token = if token { " -H \"authorization: Bearer $TOKEN\"" } else { "" };
    format!("curl -s http://{host}{path}{token} -H 'content-type: application/json' -d '{{\"features\":{features}}}'")
}
