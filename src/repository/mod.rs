//! Loads models from disk: scans the repository, loads and verifies each version, and publishes an immutable catalog.

mod admit;
mod baseline;
mod catalog;
mod checked_version;
mod contract_document;
mod default_model;
mod error;
mod evidence;
mod file_names;
mod files;
mod golden;
mod inferred_contract;
mod load_supervisor;
mod loader;
mod model_repository;
mod model_settings;
mod open;
mod package;
mod profile;
mod remote;
mod scan;
mod schema_validator;
mod served_calibration;
mod shape_trial;
mod snapshot;
mod start_version;
mod text_pattern;
mod verification;
mod verified_version;

use std::{num::NonZeroU64, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

pub use admit::admit_features;
pub use baseline::{Baseline, BaselineState};
pub use catalog::{Catalog, ModelEntry, ModelVersion, ResolveError, VersionEntry, VersionState};
pub use checked_version::CheckedVersion;
pub use default_model::name_errors;
pub use error::{LoadError, ModelError};
pub use file_names::{CALIBRATION, GOLDEN, PACKAGE, PROFILE};
pub use loader::Loader;
pub use model_repository::{Repository, check_all, verify_all};
pub use model_settings::{Limits, ModelSettings};
pub use open::Opened;
pub use package::{Provenance, TrainingData};
pub use remote::{
    Cloud, RemoteOptions, RemoteStore, StateTag, StoreAddress, StoreError, StoredState, WriteStateError, is_remote,
};
pub use scan::{ModelDirectory, ScanResult, VersionDirectory, scan};
pub use schema_validator::SchemaValidator;
pub use served_calibration::ServedCalibration;
pub use snapshot::Snapshot;
pub use verified_version::VerifiedVersion;

use crate::domain::{name::ModelName, setting::SettingError, uncertainty::Coverage};

/// Default load timeout of one version, in milliseconds.
const LOAD_TIMEOUT_MS: NonZeroU64 = NonZeroU64::new(60_000).expect("it is not zero");

/// Operator settings of the repository.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A directory of models, of one model, or of one version, or a single ONNX file.
    pub models: PathBuf,
    /// The model that serves `/predict`. If empty: the one whose model.toml sets `default = true`, else the only model.
    pub default_model: String,
    /// Coverage of prediction sets and intervals if neither model.toml nor the contract sets one.
    pub coverage: Coverage,
    /// Load timeout of one version, in milliseconds. Commands also limit each single run to it.
    pub load_timeout_ms: NonZeroU64,
}

impl Settings {
    /// Returns the default settings for the models at a path.
    pub fn at(models: PathBuf) -> Self {
        let load_timeout_ms = LOAD_TIMEOUT_MS;
        Self { models, default_model: String::new(), coverage: Coverage::DEFAULT, load_timeout_ms }
    }

    /// The load timeout of one version.
    pub fn load_timeout(&self) -> Duration {
        Duration::from_millis(self.load_timeout_ms.get())
    }
}

impl Settings {
    /// Returns the settings that are invalid regardless of the models.
    pub fn errors(&self) -> Vec<SettingError> {
        let mut faults = Vec::new();
        if self.models.as_os_str().is_empty() {
            faults.push(SettingError::new("models", "must name a directory or an ONNX file, found \"\""));
        }
        if !self.default_model.is_empty()
            && let Err(error) = ModelName::new(&self.default_model)
        {
            faults.push(SettingError::new("default_model", format!("cannot name a model: {error}")));
        }
        if !Coverage::GRID.contains(&self.coverage) {
            let (grid, found) = (Coverage::grid_text(), self.coverage.as_f64());
            faults.push(SettingError::new("coverage", format!("must be one of {grid}, found {found}")));
        }
        faults
    }
}
