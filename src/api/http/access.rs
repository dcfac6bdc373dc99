//! Generates docs/access.md, the access of every route, from the declaration of the routes.

use std::fmt::Write as _;

use super::routes::{ADMIN_ROUTES, ROUTES, RouteAccess};

const OPENING: &str = "# Who may see what

Generated from the declaration of the routes in `src/api/http/routes.rs`; `make docs` writes it anew. A test walks every route
with each kind of token.

Without `security.tokens_file` everybody may ask everything. With it, this table holds. A token is for all models, or for those
that its `models` lists ([the file](packages.md#who-may-ask)). It is sent as `Authorization: Bearer <token>`.

| method and path | what it is | without a token | a token for some models | a token for all models |
|---|---|---|---|---|
";

const BETWEEN: &str = "
A caller is refused every model that its token does not list with the same 403, whether there is such a model or not.

Paths that are none of these are 404 for everybody, and other methods 405 with `Allow`: that tells nothing about the models.

## The admin listener

It has a socket and a file of tokens of its own (`admin.tokens_file`); a token of the one opens nothing on the other. Without a
token everything on it is a 401.
";

const CLOSING: &str = "
## `/docs`

The page itself is open and names no model. Where the server wants a token, the page asks for it, keeps it in the memory of the
tab, never in storage, and sends it to this server alone.

## `/metrics`

The metrics name every model, so a token for some models does not open them. Give the scraper a token of its own, which may read
the metrics and nothing else:

```toml
[[caller]]
name = \"prometheus\"
token_sha256 = \"2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae\"
models = []
metrics = true
```

Prometheus sends it:

```yaml
scrape_configs:
  - job_name: candor
    authorization:
      credentials_file: /etc/prometheus/candor.token
    static_configs:
      - targets: [\"candor:8080\"]
```

`security.metrics = \"open\"` lets everybody read them, as where nobody but the scraper reaches the port.
";

impl RouteAccess {
    /// Describes the access without a token, with a token for some models, and with a token for all models.
    fn told(self) -> [&'static str; 3] {
        match self {
            Self::Open => ["yes", "yes", "yes"],
            Self::Reduced => ["yes, without any name of a model", "yes, with the names of these models", "yes"],
            Self::Metrics => [
                "401; yes with `security.metrics = \"open\"`",
                "403; yes with `metrics = true` beside the token",
                "yes, unless `metrics = false` stands beside the token",
            ],
            Self::Listed => ["401", "yes, these models only", "yes"],
            Self::Admin => ["401"; 3],
            Self::Model => ["401", "these models; 403 for every other name", "yes"],
        }
    }
}

/// Returns the text of docs/access.md.
pub fn markdown_reference() -> String {
    let mut text = OPENING.to_owned();
    for route in ROUTES {
        let [stranger, some, all] = route.access.told();
        let _ =
            writeln!(text, "| `{} {}` | {} | {stranger} | {some} | {all} |", route.method, route.template, route.about);
    }
    text += BETWEEN;
    text += "\n| method and path | what it is |\n|---|---|\n";
    for route in ADMIN_ROUTES {
        let _ = writeln!(text, "| `{} {}` | {} |", route.method, route.template, route.about);
    }
    text + CLOSING
}
