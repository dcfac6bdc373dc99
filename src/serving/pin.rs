//! Chooses the version that answers a request. The catalog is read once a request: authorization, execution and record
//! use the version that was pinned from that snapshot.

use std::sync::Arc;

use super::ServeError;
use crate::{
    domain::{error_code::ErrorCode, violation::quote},
    repository::{Catalog, ModelVersion},
    security::Principal,
};

/// Refuses a known caller a model that its token does not cover, whether there is such a model or not. `model` is the
/// name in the path; `None` for the default model.
///
/// # Errors
/// [`ErrorCode::Forbidden`].
pub fn authorize(catalog: &Catalog, model: Option<&str>, caller: Option<&Principal>) -> Result<(), ServeError> {
    let Some(caller) = caller else { return Ok(()) };
    match model.or_else(|| catalog.default_name()) {
        Some(name) if !caller.can_use(name) => {
            // Which one is the default is not told to those who may not use it.
            let what =
                model.map_or_else(|| "the default model".to_owned(), |name| format!("the model {}", quote(name)));
            Err(ServeError::new(ErrorCode::Forbidden, format!("the caller {} may not use {what}", caller.name)))
        }
        _ => Ok(()),
    }
}

/// The version of a model (`None`: the default model) with this name (`None`: the stable version).
///
/// # Errors
/// [`ServeError`] when there is none, or none that is ready. It names no models that the caller may not use.
pub fn pin(
    catalog: &Catalog,
    model: Option<&str>,
    version: Option<&str>,
    caller: Option<&Principal>,
) -> Result<Arc<ModelVersion>, ServeError> {
    let known = |model: &str| caller.is_none_or(|caller| caller.can_use(model));
    catalog.resolve_within(model, version, &known).map(Arc::clone).map_err(ServeError::from_resolve_error)
}
