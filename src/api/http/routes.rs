//! The declaration of the routes: path, method, access, purpose. The router, the access check, the labels in metrics
//! and log, the OpenAPI document and docs/access.md are derived from it.

use http::Method;

/// Who may call a route and what it shows, if tokens are required (`security.tokens_file`). Without that file all
/// routes are open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RouteAccess {
    /// Open to all: the response names no model.
    Open,
    /// Open to all. The response names models only to callers, and only those that their token covers.
    Reduced,
    /// Callers that may read metrics, or open to all, depending on `security.metrics`. The metrics name every model.
    Metrics,
    /// All callers. The response shows only the models that the token covers.
    Listed,
    /// Callers whose token covers the model. For others the response does not depend on whether the model exists.
    Model,
    /// Administrators, with a token of `admin.tokens_file`.
    Admin,
}

impl RouteAccess {
    /// Whether the route serves models: it is rejected while draining and counts towards the rate limit.
    pub(super) fn serves_models(self) -> bool {
        matches!(self, Self::Listed | Self::Model)
    }
}

/// One route.
#[derive(Debug)]
pub struct Route {
    pub(super) name: RouteName,
    /// Its method: `GET` (which also accepts `HEAD`), `POST` or `PUT`.
    pub method: &'static str,
    /// Its path; a name in braces matches one segment.
    pub template: &'static str,
    /// Who may call it.
    pub access: RouteAccess,
    /// Its purpose, in a few words.
    pub about: &'static str,
}

impl Route {
    fn takes(&self, method: &Method) -> bool {
        method.as_str() == self.method || self.method == "GET" && *method == Method::HEAD
    }
}

/// Declares the route tables and the enum of all route names.
macro_rules! routes {
    ($($(#[$doc:meta])* $table:ident { $($name:ident: $method:literal $template:literal, $access:ident, $about:literal;)* })*) => {
        /// The routes by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub(super) enum RouteName { $($($name),*),* }

        $($(#[$doc])* pub const $table: &[Route] = &[$(Route {
            name: RouteName::$name,
            method: $method,
            template: $template,
            access: RouteAccess::$access,
            about: $about,
        }),*];)*
    };
}

routes! {
    /// The routes of the data listener, the most frequent first.
    ROUTES {
        Predict: "POST" "/predict", Model, "Prediction by the default model";
        PredictModel: "POST" "/models/{model}/predict", Model, "Prediction by a model";
        PredictVersion: "POST" "/models/{model}/versions/{version}/predict", Model, "Prediction by one version";
        Metrics: "GET" "/metrics", Metrics, "Metrics as Prometheus text, or as OpenMetrics with exemplars";
        Healthz: "GET" "/healthz", Open, "Liveness of the process";
        Livez: "GET" "/livez", Open, "Liveness of the process";
        Readyz: "GET" "/readyz", Reduced, "Readiness of the required models; 503 with the reasons";
        Models: "GET" "/models", Listed, "All models and their states";
        Model: "GET" "/models/{model}", Model, "One model: versions, states, limits, provenance";
        Contract: "GET" "/models/{model}/contract", Model, "The contract of the stable version";
        Version: "GET" "/models/{model}/versions/{version}", Model, "One version of a model";
        VersionContract: "GET" "/models/{model}/versions/{version}/contract", Model, "The contract of one version";
        OpenApi: "GET" "/openapi.json", Listed, "The OpenAPI document, with a request schema for each model";
        Docs: "GET" "/docs", Open, "The API reference as a web page, with a form to send requests";
        Problems: "GET" "/problems", Open, "All error codes with their statuses";
        Problem: "GET" "/problems/{code}", Open, "Meaning and remedy of one error code";
        Root: "GET" "/", Reduced, "The served models and an example request";
    }
    /// The routes of the admin listener.
    ADMIN_ROUTES {
        LogLevel: "GET" "/admin/log-level", Admin, "The log level";
        SetLogLevel: "PUT" "/admin/log-level", Admin, "Sets the log level at run time";
        Reload: "POST" "/admin/reload", Admin, "Looks for changed models at once";
        Rollouts: "GET" "/admin/models", Admin, "All models: versions, their roles, the latest moves";
        Rollout: "GET" "/admin/models/{model}", Admin, "One model: versions, their roles, all moves";
        Promote: "POST" "/admin/models/{model}/promote", Admin, "Makes a version stable";
        Canary: "POST" "/admin/models/{model}/canary", Admin, "Lets a version serve a share of the callers, or ends that";
        Shadow: "POST" "/admin/models/{model}/shadow", Admin, "Sends copies of requests to a version, or ends that";
        Rollback: "POST" "/admin/models/{model}/rollback", Admin, "Ends the canary, or returns to the previous version";
        Load: "POST" "/admin/models/{model}/load", Admin, "Loads a version that is not loaded, or tries it again";
        Unload: "POST" "/admin/models/{model}/unload", Admin, "Unloads a version";
    }
}

/// The label of a path that matches no route.
const OTHER: &str = "_other";

/// Returns the templates of these routes without duplicates.
pub(super) fn templates(routes: &'static [Route]) -> impl Iterator<Item = &'static str> {
    let is_first =
        |(index, route): &(usize, &Route)| routes[..*index].iter().all(|before| before.template != route.template);
    routes.iter().enumerate().filter(is_first).map(|(_, route)| route.template)
}

/// Returns the template that a path matches, for labels (`_other` if none does), and the route with this method, if
/// there is one.
pub(super) fn find(routes: &'static [Route], path: &str, method: &Method) -> (&'static str, Option<&'static Route>) {
    let Some(first) = routes.iter().find(|route| matches(route.template, path)) else { return (OTHER, None) };
    let route = routes.iter().find(|route| route.template == first.template && route.takes(method));
    (first.template, route)
}

/// Returns the methods that a path accepts, for the detail of a 405: `GET`, or `GET or PUT`.
pub(super) fn methods(routes: &'static [Route], path: &str) -> String {
    let fitting = routes.iter().filter(|route| matches(route.template, path)).map(|route| route.method);
    fitting.collect::<Vec<_>>().join(" or ")
}

/// Returns the label of a method in the log; `_other` for an unknown one, whose name comes from the client.
pub(super) fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 9] = ["POST", "GET", "HEAD", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| method.as_str() == *known).unwrap_or(OTHER)
}

fn matches(template: &str, path: &str) -> bool {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
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

    use super::{ADMIN_ROUTES, ROUTES, find, method_label, methods};

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
            assert_eq!(find(ROUTES, path, &Method::POST).0, expected, "{path}");
        }
    }

    #[test]
    fn a_route_is_found_by_path_and_method() {
        let found = |routes, path, method| find(routes, path, &method).1.map(|route| route.about);
        assert_eq!(found(ROUTES, "/predict", Method::GET), None);
        assert_eq!(found(ROUTES, "/models", Method::HEAD), Some("All models and their states"));
        assert_eq!(found(ADMIN_ROUTES, "/admin/log-level", Method::GET), Some("The log level"));
        assert_eq!(found(ADMIN_ROUTES, "/admin/log-level", Method::PUT), Some("Sets the log level at run time"));
        assert_eq!(methods(ADMIN_ROUTES, "/admin/log-level"), "GET or PUT");
        assert_eq!(methods(ROUTES, "/models/churn/predict"), "POST");
    }

    #[test]
    fn an_unknown_method_has_the_label_other() {
        for route in ROUTES.iter().chain(ADMIN_ROUTES) {
            assert_eq!(method_label(&route.method.parse().expect("a method")), route.method);
        }
        assert_eq!(method_label(&Method::TRACE), "TRACE");
        assert_eq!(method_label(&"X".repeat(1_000_000).parse().expect("a method")), "_other");
    }
}
