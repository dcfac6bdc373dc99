//! Generates docs/access.md, the access of every route, from the declaration of the routes.

use std::fmt::Write as _;

use super::routes::{ADMIN_ROUTES, ROUTES, RouteAccess};

const OPENING: &str = "# Access

Generated from the declaration of the routes in `src/api/http/routes.rs` by `make docs`. A test checks every route with
each kind of token.

Without `security.tokens_file`, all routes are open. With it, the following table applies. A token covers all models, or
those listed in its `models` ([file format](packages.md#who-may-ask)). Send it as `Authorization: Bearer <token>`.

| method and path | purpose | without a token | token for some models | token for all models |
|---|---|---|---|---|
";

const BETWEEN: &str = "
For a model that its token does not cover, a caller gets the same 403 whether or not the model exists.

Any other path returns 404, and any other method 405 with `Allow`; neither reveals anything about the models.

## The admin listener

It has its own socket and its own tokens file (`admin.tokens_file`). The tokens of one listener are not valid on the
other. Without a token, every request returns 401.
";

const CLOSING: &str = "
## `/docs`

The page itself is open and names no model. If the server requires a token, the page asks for it, keeps it only in the
memory of the tab, never in storage, and sends it only to this server.

## `/metrics`

The metrics name every model, so a token for some models does not give access to them. Give the scraper a separate token
that may read the metrics and nothing else:

```toml
[[caller]]
name = \"prometheus\"
token_sha256 = \"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae\"
models = []
metrics = true
```

Configure Prometheus to send it:

```yaml
scrape_configs:
  - job_name: candor
    authorization:
      credentials_file: /etc/prometheus/candor.token
    static_configs:
      - targets: [\"candor:8080\"]
```

`security.metrics = \"open\"` makes the metrics public, for example if only the scraper can reach the port.
";

impl RouteAccess {
    /// Describes the access without a token, with a token for some models, and with a token for all models.
    fn cells(self) -> [&'static str; 3] {
        match self {
            Self::Open => ["yes", "yes", "yes"],
            Self::Reduced => ["yes, without model names", "yes, with the names of these models", "yes"],
            Self::Metrics => [
                "401; yes with `security.metrics = \"open\"`",
                "403; yes with `metrics = true`",
                "yes, unless `metrics = false`",
            ],
            Self::Listed => ["401", "yes, only these models", "yes"],
            Self::Admin => ["401"; 3],
            Self::Model => ["401", "these models; 403 for any other name", "yes"],
        }
    }
}

/// Returns the text of docs/access.md.
pub fn markdown_reference() -> String {
    let mut text = OPENING.to_owned();
    for route in ROUTES {
        let [stranger, some, all] = route.access.cells();
        let _ =
            writeln!(text, "| `{} {}` | {} | {stranger} | {some} | {all} |", route.method, route.template, route.about);
    }
    text += BETWEEN;
    text += "\n| method and path | purpose |\n|---|---|\n";
    for route in ADMIN_ROUTES {
        let _ = writeln!(text, "| `{} {}` | {} |", route.method, route.template, route.about);
    }
    text + CLOSING
}
