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
    "/problems",
    "/problems/{code}",
    "/",
];

/// The template that a path fits; `_other` for none. The router's own answer would come after the handler's.
pub(super) fn template(path: &str) -> &'static str {
    ROUTES.iter().copied().find(|route| fits(route, path)).unwrap_or("_other")
}

fn fits(route: &str, path: &str) -> bool {
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
    use super::template;

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
            assert_eq!(template(path), expected, "{path}");
        }
    }
}
