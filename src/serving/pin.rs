//! Chooses the version that answers a request. A request reads the catalog once: authorization, assignment, execution and
//! record use the version that was pinned from that snapshot.

use std::sync::Arc;

use super::ServeError;
use crate::{
    domain::{error_code::ErrorCode, text::quote},
    repository::{Catalog, ModelEntry, ModelVersion, Split},
    security::Principal,
};

/// Checks that the token of the caller covers the model. The result does not depend on whether the model exists.
/// `model` is the name in the path; `None` for the default model.
///
/// # Errors
/// Returns [`ErrorCode::Forbidden`] if it does not.
fn authorize(catalog: &Catalog, model: Option<&str>, caller: Option<&Principal>) -> Result<(), ServeError> {
    let Some(caller) = caller else { return Ok(()) };
    match model.or_else(|| catalog.default_name()) {
        Some(name) if !caller.can_use(name) => {
            // Do not disclose the name of the default model.
            let what =
                model.map_or_else(|| "the default model".to_owned(), |name| format!("the model {}", quote(name)));
            Err(ServeError::new(ErrorCode::Forbidden, format!("the caller {} may not use {what}", caller.name)))
        }
        _ => Ok(()),
    }
}

/// Authorizes the caller and finds a model.
///
/// # Errors
/// Returns a [`ServeError`] if the caller may not use the model, or if it does not exist. The error names no models that
/// the caller may not use.
pub fn find_model<'c>(
    catalog: &'c Catalog,
    model: &str,
    caller: Option<&Principal>,
) -> Result<&'c ModelEntry, ServeError> {
    authorize(catalog, Some(model), caller)?;
    let known = |model: &str| caller.is_none_or(|caller| caller.can_use(model));
    catalog.entry_within(model, &known).map_err(ServeError::from_resolve_error)
}

/// The version of a request, before its body is known.
pub struct Pinned {
    /// The version that was named, or the stable one.
    pub version: Arc<ModelVersion>,
    /// How requests that name no version are shared; `None` if they are not, or the request names a version.
    pub split: Option<Arc<Split>>,
}

/// Authorizes the caller and pins the version of a model (`None`: the default model) with this name (`None`: the
/// stable version).
///
/// # Errors
/// Returns a [`ServeError`] if the caller may not use the model, or if there is no such version, or none that is ready.
/// The error names no models that the caller may not use.
pub fn pin(
    catalog: &Catalog,
    model: Option<&str>,
    version: Option<&str>,
    caller: Option<&Principal>,
) -> Result<Pinned, ServeError> {
    authorize(catalog, model, caller)?;
    let known = |model: &str| caller.is_none_or(|caller| caller.can_use(model));
    let (entry, pinned) = catalog.resolve_within(model, version, &known).map_err(ServeError::from_resolve_error)?;
    let split = entry.routing.split.as_ref().filter(|_| version.is_none());
    Ok(Pinned { version: Arc::clone(pinned), split: split.map(Arc::clone) })
}
