//! The counts of a canary while it runs.

use std::sync::Arc;

use super::{canary_watch::CanaryWatch, model_version::ModelVersion};

/// A running canary. Its counts belong to one share: callers of a larger share are others, and while shares change, a
/// change of the world would look like a difference of the versions.
pub(super) struct RunningCanary {
    pub(super) version: Arc<ModelVersion>,
    pub(super) stable: Arc<ModelVersion>,
    /// Its share, in percent.
    pub(super) percent: f64,
    pub(super) watch: Arc<CanaryWatch>,
    /// How often this server has begun to count because a version was replaced.
    pub(super) replacements: u32,
}

impl RunningCanary {
    /// Whether its counts are of these versions and this share.
    pub(super) fn is_of(&self, version: &Arc<ModelVersion>, stable: &Arc<ModelVersion>, percent: f64) -> bool {
        Arc::ptr_eq(&self.version, version)
            && Arc::ptr_eq(&self.stable, stable)
            && self.percent.to_bits() == percent.to_bits()
    }
}
