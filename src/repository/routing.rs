//! Which version serves a request that names none, and the state of the rollout behind that. Part of the catalog.

use std::sync::Arc;

use super::model_version::ModelVersion;
use crate::domain::{name::VersionName, rollout::Rollout};

/// Which versions serve the requests that name none.
#[derive(Default)]
pub struct Routing {
    /// The stable version; `None` while there is none that is ready.
    pub stable: Option<Arc<ModelVersion>>,
}

/// The state of a model's rollout.
#[derive(Debug, Clone, Default)]
pub struct RolloutStatus {
    /// The moves and what they led to.
    pub document: Rollout,
    /// The stable version: that of the document, else the newest when the server started.
    pub stable: Option<VersionName>,
    /// The versions on disk that are not loaded.
    pub not_loaded: Vec<VersionName>,
    /// Where the document is kept; `None` if there is no place for it.
    pub place: Option<String>,
    /// Why the rollout cannot be followed: a file that cannot be read, or a stable version that does not exist.
    pub problem: Option<String>,
}

impl RolloutStatus {
    /// The version with this alias.
    pub fn alias(&self, name: &str) -> Option<&VersionName> {
        self.document.alias(name, self.stable.as_ref())
    }
}
