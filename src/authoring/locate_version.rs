//! Locates the version that a command works on and loads it as `serve` would.

use std::path::{Path, PathBuf};

use crate::{
    authoring::error::AuthoringError,
    domain::{comparison::GateLimits, name::ModelName},
    repository::{LoadError, Loader, ModelSettings, VerifiedVersion, VersionDirectory, scan},
};

/// Returns the version directory for a path: the path itself, or the only version in a model directory.
pub(super) fn version_directory(path: &Path) -> Result<PathBuf, AuthoringError> {
    let wrong = |detail: String| Err(AuthoringError::NeedsDecision(format!("{}: {detail}", path.display())));
    if path.is_file() {
        return wrong(
            "is a file; expected the directory of a version, such as models/churn/1: `candor init` creates one from a \
             model and a table"
                .to_owned(),
        );
    }
    let Ok(entries) = std::fs::read_dir(path) else {
        return wrong("is not a directory; expected the directory of a version, such as models/churn/1".to_owned());
    };
    if path.join("model.onnx").is_file() {
        if path.join("contract.json").is_file() {
            return Ok(path.to_path_buf());
        }
        return wrong("has no contract.json; `candor init` creates a package from a model and a table".to_owned());
    }
    let inside: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    let mut versions: Vec<&PathBuf> = inside.iter().filter(|inside| inside.join("model.onnx").is_file()).collect();
    versions.sort();
    match versions.as_slice() {
        [] => wrong("contains no model.onnx; expected the directory of a version, such as models/churn/1".to_owned()),
        [version] => version_directory(version),
        several => {
            let names: Vec<String> = several.iter().map(|version| version.display().to_string()).collect();
            wrong(format!("has {} versions; choose one of {}", names.len(), names.join(", ")))
        }
    }
}

/// A version on disk, with the settings of its model.
pub(super) struct LocatedVersion {
    model: ModelName,
    version: VersionDirectory,
    settings: ModelSettings,
}

impl LocatedVersion {
    /// Finds the version in a directory.
    pub(super) fn find(directory: &Path) -> Result<Self, AuthoringError> {
        let undecided = |error: &dyn std::fmt::Display| AuthoringError::NeedsDecision(error.to_string());
        let listing = scan(directory).map_err(|error| undecided(&error))?;
        let found =
            listing.models.into_iter().next().and_then(|model| Some((model.name, model.versions.into_iter().next()?)));
        let (model, version) =
            found.ok_or_else(|| undecided(&format!("{}: contains no model.onnx", directory.display())))?;
        let above = directory.canonicalize().ok().and_then(|path| path.parent().map(Path::to_path_buf));
        let settings = ModelSettings::read(above.as_deref()).map_err(|error| undecided(&error))?;
        Ok(Self { model, version, settings })
    }

    /// The name of the model.
    pub(super) fn model(&self) -> &ModelName {
        &self.model
    }

    /// The limits of `[gate]` in its model.toml.
    pub(super) fn gate(&self) -> GateLimits {
        self.settings.gate
    }

    /// Loads and verifies it as `serve` would.
    pub(super) fn verify(&self, loader: &Loader) -> Result<VerifiedVersion, Vec<LoadError>> {
        loader.verify_package(&self.model, &self.version, &self.settings)
    }
}

/// Loads the version in a directory as `serve` would, except for what the loader passes over.
pub(super) fn load(loader: &Loader, directory: &Path) -> Result<VerifiedVersion, AuthoringError> {
    LocatedVersion::find(directory)?.verify(loader).map_err(|errors| AuthoringError::refused(&errors))
}
