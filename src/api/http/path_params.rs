//! Path parameters, such as the names of a model and a version.

use axum::{
    extract::{FromRequestParts, Path},
    response::Response,
};
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::{context::Context, error_codes::NOT_FOUND};
use crate::{domain::text::quote, serving::ServeError};

/// Decoded path parameters. A path that is not UTF-8 is not found, since every name is UTF-8.
pub(super) struct PathParams<T>(pub(super) T);

impl<T, S> FromRequestParts<S> for PathParams<T>
where
    T: DeserializeOwned + Send,
    S: Send + Sync,
{
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Response> {
        match Path::from_request_parts(parts, state).await {
            Ok(Path(names)) => Ok(Self(names)),
            Err(error) => {
                let path = quote(parts.uri.path());
                let detail = format!("no route matches {path}; names in a path must be valid UTF-8");
                let Ok(Context(context)) = Context::from_request_parts(parts, state).await;
                Err(context.refuse(&ServeError::new(NOT_FOUND, detail).with_cause(error)))
            }
        }
    }
}
