//! An object store as the source of models and the place of their rollouts.

use std::{path::PathBuf, sync::Arc};

use super::{
    Settings,
    error::ModelError,
    model_source::{DirectorySource, ModelSource},
    remote::{RemoteOptions, RemoteStore, StateTag, WriteStateError, is_remote},
    rollout_store::{DirectoryStore, ReadStateError, RolloutStore, RolloutWriteError, StoredRollout, parse, render},
    scan::{ModelDirectory, ScanResult},
};

/// Where models come from, and where their rollouts are kept.
pub(super) type SourceAndStore = (Box<dyn ModelSource>, Arc<dyn RolloutStore + Sync>);

/// Opens the repository that the settings name: a directory or an object store.
///
/// # Errors
/// Returns [`ModelError`] if an object store cannot be used.
pub(super) fn open(settings: &Settings) -> Result<SourceAndStore, ModelError> {
    let state_directory = Some(settings.state_directory.clone()).filter(|path| !path.as_os_str().is_empty());
    if !is_remote(&settings.models) {
        let source = Box::new(DirectorySource(settings.models.clone()));
        return Ok((source, Arc::new(DirectoryStore { state_directory })));
    }
    let options = RemoteOptions { settle: settings.settle(), ..RemoteOptions::new(settings.cache_directory()?) };
    let store = Arc::new(RemoteStore::open(&settings.models.to_string_lossy(), options)?);
    let source = Box::new(RemoteSource(Arc::clone(&store)));
    Ok(match state_directory {
        Some(_) => (source, Arc::new(DirectoryStore { state_directory })),
        None => (source, Arc::new(RemoteRollouts(store))),
    })
}

/// Models in an object store, mirrored to the cache.
struct RemoteSource(Arc<RemoteStore>);

impl ModelSource for RemoteSource {
    fn scan(&mut self) -> Result<ScanResult, ModelError> {
        let found = self.0.sync()?;
        // The bytes of loaded versions are in memory, so only those of the last sync are needed.
        if let Err(error) = self.0.prune(&[]) {
            tracing::warn!("the cache cannot be pruned: {}", crate::telemetry::error_chain(&error));
        }
        Ok(found)
    }

    fn watched(&self) -> Option<PathBuf> {
        None
    }
}

/// Rollouts in an object store, beside the versions.
struct RemoteRollouts(Arc<RemoteStore>);

impl RolloutStore for RemoteRollouts {
    fn read(&self, model: &ModelDirectory) -> Result<Option<StoredRollout>, ReadStateError> {
        let place = self.place(model).unwrap_or_default();
        let stored = self.0.read_state(&model.name);
        let stored = stored.map_err(|source| ReadStateError::Read { place: place.clone(), source: source.into() })?;
        stored.map(|state| Ok(StoredRollout { rollout: parse(&state.bytes, &place)?, tag: state.tag })).transpose()
    }

    fn write(
        &self,
        model: &ModelDirectory,
        next: &crate::domain::rollout::Rollout,
        expected: Option<&StateTag>,
    ) -> Result<StateTag, RolloutWriteError> {
        self.0.write_state(&model.name, &render(next), expected).map_err(|error| match error {
            WriteStateError::Conflict { .. } => RolloutWriteError::Conflict,
            WriteStateError::ReadOnly { url, source } | WriteStateError::Store { url, source } => {
                RolloutWriteError::Write { place: url, source: source.into() }
            }
        })
    }

    fn place(&self, model: &ModelDirectory) -> Option<String> {
        Some(format!("{}/{}/rollout.json", self.0.address(), model.name))
    }
}
