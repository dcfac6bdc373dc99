//! The names of the routes, as metrics and the log say them.

/// The templates of the routes, as metrics name them.
const ROUTES: &[&str] = &[
    "/predict",
    "/models/{model}/predict",
    "/models/{model}/versions/{version}/predict",
    "/metrics",
    "/healthz",
    "/livez",
    "/readyz",
    "/models",
    "/models/{model}",
    "/models/{model}/contract",
    "/models/{model}/versions/{version}",
    "/models/{model}/versions/{version}/contract",
    "/openapi.json",
    "/docs",
    "/problems/{code}",
    "/",
];

/// The template of a route that was matched; `_other` for none.
pub(super) fn template(matched: Option<&str>) -> &'static str {
    matched.and_then(|path| ROUTES.iter().copied().find(|route| *route == path)).unwrap_or("_other")
}
