//! Loads models from disk: scans the repository, loads and verifies each version, and publishes an immutable catalog.

mod admit;
mod announce;
mod automatic_moves;
mod baseline;
mod canary_watch;
mod catalog;
mod check_repository;
mod checked_version;
mod contract_document;
mod coordinator;
mod default_model;
mod error;
mod event;
mod evidence;
mod file_names;
mod files;
mod gate;
mod golden;
mod inferred_contract;
mod listing;
mod load_job;
mod load_supervisor;
mod loader;
mod model_control;
mod model_entry;
mod model_repository;
mod model_settings;
mod model_source;
mod model_version;
mod move_request;
mod observer;
mod open;
mod open_source;
mod package;
mod profile;
mod publish;
mod published;
mod reference_instances;
mod remote;
mod remote_source;
mod retirement;
mod rollout_settings;
mod rollout_store;
mod rollout_warnings;
mod routing;
mod running_canary;
mod scan;
mod schema_validator;
mod served_calibration;
mod shape_trial;
mod snapshot;
mod start_version;
mod text_pattern;
mod verification;
mod verified_version;
mod watch;

use std::{num::NonZeroU64, path::PathBuf, time::Duration};

use serde::{Deserialize, Serialize};

pub use admit::admit_features;
pub use baseline::{Baseline, BaselineState};
pub use canary_watch::{ArmOutcome, CanaryArm, CanaryWatch};
pub use catalog::{Catalog, ModelEntry, ResolveError, VersionEntry, VersionState};
pub use check_repository::{check_all, verify_all};
pub use checked_version::CheckedVersion;
pub use default_model::name_errors;
pub use error::{LoadError, ModelError};
pub use file_names::{CALIBRATION, GOLDEN, PACKAGE, PROFILE};
pub(crate) use files::{parent_of, sync_directory, write_and_sync};
pub use gate::gate_failures;
pub use loader::Loader;
pub use model_repository::{ReloadError, Repository};
pub use model_settings::{Limits, ModelSettings};
pub use model_version::ModelVersion;
pub use move_request::{MoveMaker, MoveRefused, MoveRequest};
pub use open::Opened;
pub use package::{Provenance, TrainingData};
pub use reference_instances::{ReferenceInstance, ReferenceOrigin, distinct_instances};
pub use remote::{
    Cloud, RemoteOptions, RemoteStore, StateTag, StoreAddress, StoreError, StoredState, WriteStateError, is_remote,
};
pub use rollout_settings::{ArmSettings, ExperimentSettings, Promotion, ShadowSettings};
pub use rollout_store::{ReadStateError, RolloutWriteError};
pub use routing::{CanaryRouting, ExperimentRouting, RequestAssignment, RolloutStatus, Routing, ShadowRouting, Split};
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
    /// How often the repository is listed again, in milliseconds; 0 to list it only on request.
    pub poll_interval_ms: u64,
    /// How long the files of a version must not have changed before it is loaded, in milliseconds, unless version.json
    /// lists digests that match.
    pub settle_ms: u64,
    /// The most bytes of files that are loaded at once. A larger version is loaded alone.
    pub max_loading_bytes: u64,
    /// The directory of the states of rollouts; empty: each is beside the versions of its model.
    pub state_directory: PathBuf,
    /// Where models of an object store are mirrored; empty: `candor` in the user's cache directory.
    pub cache_directory: PathBuf,
}

impl Settings {
    /// Returns the default settings for the models at a path.
    pub fn at(models: PathBuf) -> Self {
        Self {
            models,
            default_model: String::new(),
            coverage: Coverage::DEFAULT,
            load_timeout_ms: LOAD_TIMEOUT_MS,
            poll_interval_ms: 5000,
            settle_ms: 2000,
            max_loading_bytes: 2 << 30,
            state_directory: PathBuf::new(),
            cache_directory: PathBuf::new(),
        }
    }

    /// How often the repository is listed again; `None` to list it only on request.
    pub fn poll_interval(&self) -> Option<Duration> {
        (self.poll_interval_ms > 0).then(|| Duration::from_millis(self.poll_interval_ms))
    }

    /// Where models of an object store are mirrored.
    ///
    /// # Errors
    /// Returns [`ModelError`] if neither the setting nor the environment names a directory.
    fn mirror_directory(&self) -> Result<PathBuf, ModelError> {
        let set = |path: PathBuf| Some(path).filter(|path| !path.as_os_str().is_empty());
        let of_user = || {
            let variable = |name| std::env::var_os(name).map(PathBuf::from).and_then(set);
            let root = variable("XDG_CACHE_HOME").or_else(|| Some(variable("HOME")?.join(".cache")))?;
            Some(root.join("candor"))
        };
        set(self.cache_directory.clone()).or_else(of_user).ok_or_else(|| ModelError::Content {
            path: self.models.clone(),
            detail: "needs a local copy: set repository.cache_directory".to_owned(),
        })
    }

    /// How long the files of a version must not have changed before it is loaded.
    pub fn settle(&self) -> Duration {
        Duration::from_millis(self.settle_ms)
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
