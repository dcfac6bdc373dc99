//! Publishes the catalog, and says in log and metrics what became ready, unavailable or unloading.

use std::sync::Arc;

use super::{
    announce::log_loaded,
    catalog::{Catalog, VersionState},
    coordinator::Coordinator,
    model_control::Activity,
    model_version::ModelVersion,
};
use crate::telemetry::ModelState;

impl Coordinator {
    /// Publishes what has changed. `ready` is announced after it is true, `unloading` before.
    pub(super) fn publish(&mut self) {
        let entries = self
            .models
            .iter()
            .map(|(name, control)| (name.clone(), control.entry(self.store.place(&control.listed.directory))));
        let catalog = Catalog { models: entries.collect(), default_model: self.default_model.clone() };
        let newly_ready = newly_ready(&self.published.catalog.load(), &catalog);
        let catalog = Arc::new(catalog);
        self.published.catalog.store(Arc::clone(&catalog));
        for version in newly_ready {
            log_loaded(&version);
            self.metrics.set_state(version.model.as_str(), version.version.as_str(), ModelState::Ready);
        }
        for (name, entry) in &catalog.models {
            for version in &entry.versions {
                if matches!(version.state, VersionState::Unavailable(_)) {
                    self.metrics.set_state(name.as_str(), version.name.as_str(), ModelState::Unavailable);
                }
            }
        }
        // Only now can no further request find the versions that are unloading.
        for (name, control) in &mut self.models {
            for (version, control) in &mut control.versions {
                if control.activity == Activity::Unloading
                    && let Some((_, serving)) = control.serving.take()
                {
                    self.retirement.retire(name.clone(), version.clone(), serving);
                }
            }
        }
    }
}

/// The versions that serve in the new catalog and did not in the old one.
fn newly_ready(old: &Catalog, new: &Catalog) -> Vec<Arc<ModelVersion>> {
    let ready = |catalog: &Catalog| -> Vec<Arc<ModelVersion>> {
        let versions = catalog.models.values().flat_map(|entry| &entry.versions);
        versions
            .filter_map(|version| match &version.state {
                VersionState::Ready(version) => Some(Arc::clone(version)),
                _ => None,
            })
            .collect()
    };
    let before = ready(old);
    ready(new).into_iter().filter(|version| !before.iter().any(|other| Arc::ptr_eq(other, version))).collect()
}
