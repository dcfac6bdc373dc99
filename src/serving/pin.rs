//! Chooses the version that answers a request. The catalog is read once a request: authorization, execution and record
//! use the version that was pinned from that snapshot.

use std::sync::Arc;

use super::Failure;
use crate::{
    domain::{code::ErrorCode, violation::quote},
    repository::{Catalog, ModelVersion},
    security::Caller,
};

/// Refuses a known caller a model that its token does not cover, whether there is such a model or not. `model` is the
/// name in the path; `None` for the default model.
///
/// # Errors
/// [`ErrorCode::Forbidden`].
pub fn authorize(catalog: &Catalog, model: Option<&str>, caller: Option<&Caller>) -> Result<(), Failure> {
    let Some(caller) = caller else { return Ok(()) };
    match model.or_else(|| catalog.default_name()) {
        Some(name) if !caller.may_use(name) => {
            // Which one is the default is not told to those who may not use it.
            let what =
                model.map_or_else(|| "the default model".to_owned(), |name| format!("the model {}", quote(name)));
            Err(Failure::new(ErrorCode::Forbidden, format!("the caller {} may not use {what}", caller.name)))
        }
        _ => Ok(()),
    }
}

/// The version of a model (`None`: the default model) with this name (`None`: the stable version).
///
/// # Errors
/// [`Failure`] when there is none, or none that is ready. It names no models that the caller may not use.
pub fn pin(
    catalog: &Catalog,
    model: Option<&str>,
    version: Option<&str>,
    caller: Option<&Caller>,
) -> Result<Arc<ModelVersion>, Failure> {
    let known = |model: &str| caller.is_none_or(|caller| caller.may_use(model));
    catalog.resolve_within(model, version, &known).map(Arc::clone).map_err(Failure::unresolved)
}
