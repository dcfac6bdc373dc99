//! Verifies every version of a repository without serving any. Used by `candor check`.

use super::{
    Settings,
    error::{LoadError, ModelError},
    loader::Loader,
    model_settings::ModelSettings,
    open_source::open_source,
    verified_version::VerifiedVersion,
};
use crate::{domain::findings::Finding, telemetry::error_chain};

/// Verifies every version of a repository in turn and passes each verified version, or all its errors, to `each`.
///
/// # Errors
/// Returns [`ModelError`] if the repository itself cannot be read.
pub fn verify_all(
    settings: &Settings,
    loader: &Loader,
    mut each: impl FnMut(&str, Result<VerifiedVersion, Vec<String>>),
) -> Result<(), ModelError> {
    check_all(settings, loader, |name, outcome, _| each(name, outcome))
}

/// Like [`verify_all`], but also passes the findings about each version. Used by `candor check`.
///
/// # Errors
/// As for [`verify_all`].
pub fn check_all(
    settings: &Settings,
    loader: &Loader,
    mut each: impl FnMut(&str, Result<VerifiedVersion, Vec<String>>, &[Finding]),
) -> Result<(), ModelError> {
    let listing = open_source(settings)?.0.scan()?;
    for problem in listing.problems {
        each("repository", Err(vec![problem.to_string()]), &[]);
    }
    for model in &listing.models {
        let (settings, chosen) = ModelSettings::for_model(model).unwrap_or_else(|error| {
            each(model.name.as_str(), Err(vec![error_chain(&error)]), &[]);
            // Check the versions anyway, so that all problems are reported at once.
            (ModelSettings::default(), model.versions.clone())
        });
        for version in &chosen {
            let name = format!("{} {}", model.name, version.name);
            let errors = |errors: Vec<LoadError>| errors.iter().map(|error| error_chain(error)).collect();
            let judged = loader.check(&model.name, version, &settings);
            each(&name, judged.outcome.map_err(errors), &judged.findings);
        }
    }
    Ok(())
}
