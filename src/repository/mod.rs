//! Models on disk and in memory: finds them, loads and proves them, and publishes one immutable catalog.

mod bare;
mod calibrated;
mod catalog;
mod error;
mod evidence;
mod golden;
mod judged;
mod listing;
mod load;
mod model_settings;
mod package;
mod prepared;
mod profile;
mod proof;
mod schema;
mod start;
mod trial;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use calibrated::Calibrated;
pub use catalog::{Catalog, ModelEntry, ModelVersion, Resolved, State, VersionEntry};
pub use error::{LoadError, ModelError};
pub use judged::Judged;
pub use listing::{Listing, ModelDirectory, VersionDirectory, list};
pub use load::Loader;
pub use model_settings::{Limits, ModelSettings};
pub use package::{CALIBRATION, Provenance, TrainingData};
pub use prepared::Prepared;
pub use schema::SchemaPass;
pub use start::{Repository, judge_all, prepare_all};

use crate::domain::uncertainty::Coverage;

/// What an operator can set about the repository.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// A directory of models, of one model, or of one version, or a single ONNX file.
    pub models: PathBuf,
    /// The model that /predict asks; empty: the only one there is.
    pub default_model: String,
    /// The coverage of sets and intervals, where neither model.toml nor the contract asks for another.
    pub coverage: Coverage,
}
