//! The one declaration of the routes: path, method, who may ask, what it is. The router, the guard, the metrics' label,
//! OpenAPI and docs/access.md come from it.

use http::Method;

/// Who may ask a route, and what it shows to whom, where the server knows its callers (`security.tokens_file`). Without
/// that file everybody may ask everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteAccess {
    /// Everybody: it names no model.
    Open,
    /// Everybody; models are named only to callers, and only those that their token covers.
    Reduced,
    /// Callers that may read metrics, or everybody, as `security.metrics` says: the metrics name every model.
    Metrics,
    /// Every caller; it shows only the models that the token covers.
    Listed,
    /// Callers whose token covers the model. Whether there is such a model makes no difference for the others.
    Model,
}

impl RouteAccess {
    /// Whether the route works with models, so that it is refused while draining and counts against a caller's share.
    pub(super) fn serves_models(self) -> bool {
        matches!(self, Self::Listed | Self::Model)
    }
}

/// One route.
#[derive(Debug)]
pub struct Route {
    /// Which one, for those who have something to say about each.
    pub(super) name: RouteName,
    /// Its method: `GET` (which takes `HEAD` too) or `POST`.
    pub method: &'static str,
    /// Its path; names in braces stand for one step each.
    pub template: &'static str,
    /// Who may ask.
    pub access: RouteAccess,
    /// What it is, in a few words.
    pub about: &'static str,
}

/// Declares the routes once.
macro_rules! routes {
    ($($name:ident: $method:literal $template:literal, $access:ident, $about:literal;)*) => {
        /// The routes by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum RouteName { $($name),* }

        /// Every route. Those that are asked most come first.
        pub const ROUTES: &[Route] = &[$(Route {
            name: RouteName::$name,
            method: $method,
            template: $template,
            access: RouteAccess::$access,
            about: $about,
        }),*];
    };
}

routes! {
    Predict: "POST" "/predict", Model, "A prediction of the default model";
    PredictModel: "POST" "/models/{model}/predict", Model, "A prediction of a model";
    PredictVersion: "POST" "/models/{model}/versions/{version}/predict", Model, "A prediction of one version";
    Metrics: "GET" "/metrics", Metrics, "Prometheus text, or OpenMetrics with exemplars";
    Healthz: "GET" "/healthz", Open, "The process is alive";
    Livez: "GET" "/livez", Open, "The process is alive";
    Readyz: "GET" "/readyz", Reduced, "Every required model is ready; else 503 with the reasons";
    Models: "GET" "/models", Listed, "What is loaded";
    Model: "GET" "/models/{model}", Model, "One model: versions, states, limits, provenance";
    Contract: "GET" "/models/{model}/contract", Model, "The contract of the version that answers";
    Version: "GET" "/models/{model}/versions/{version}", Model, "One version";
    VersionContract: "GET" "/models/{model}/versions/{version}/contract", Model, "The contract of one version";
    OpenApi: "GET" "/openapi.json", Listed, "This document: how each model is asked";
    Docs: "GET" "/docs", Open, "A page that shows this document, with a form to try it";
    Problems: "GET" "/problems", Open, "Every error code, with its status";
    Problem: "GET" "/problems/{code}", Open, "What an error code means and what to do";
    Root: "GET" "/", Reduced, "What is served, and a command that works";
}

/// The template that a path fits; `_other` for none. The router's own answer would come after the handler's.
pub(super) fn route_template(path: &str) -> &'static str {
    ROUTES.iter().map(|route| route.template).find(|template| matches(template, path)).unwrap_or("_other")
}

/// The method as the log names it; `_other` for one that nobody has heard of, whose name the client chose.
pub(super) fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = ["POST", "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| method.as_str() == *known).unwrap_or("_other")
}

fn matches(route: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (route.split('/'), path.split('/'));
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return true,
            (Some(name), Some(part)) if name == part || name.starts_with('{') && !part.is_empty() => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::{ROUTES, method_label, route_template};

    #[test]
    fn a_path_fits_its_template() {
        let cases = [
            ("/predict", "/predict"),
            ("/models/churn/predict", "/models/{model}/predict"),
            ("/models/churn/versions/2026-03-01/predict", "/models/{model}/versions/{version}/predict"),
            ("/models/models", "/models/{model}"),
            ("/", "/"),
            ("/predict/", "_other"),
            ("/models/", "_other"),
            ("/models//predict", "_other"),
            ("/models/a/b/predict", "_other"),
            ("", "_other"),
            ("*", "_other"),
        ];
        for (path, expected) in cases {
            assert_eq!(route_template(path), expected, "{path}");
        }
    }

    #[test]
    fn a_method_that_nobody_knows_is_another() {
        for route in ROUTES {
            assert_eq!(method_label(&route.method.parse().expect("a method")), route.method);
        }
        assert_eq!(method_label(&Method::TRACE), "TRACE");
        assert_eq!(method_label(&"X".repeat(1_000_000).parse().expect("a method")), "_other");
    }
}
