//! The counts of a canary while it runs.

use std::sync::Arc;

use super::{canary_watch::CanaryWatch, model_version::ModelVersion};

/// A running canary.
pub(super) struct RunningCanary {
    pub(super) version: Arc<ModelVersion>,
    pub(super) stable: Arc<ModelVersion>,
    pub(super) watch: Arc<CanaryWatch>,
    /// The share since the last step, in percent, and the canary's requests before it.
    pub(super) percent: f64,
    pub(super) requests_before: u64,
}
