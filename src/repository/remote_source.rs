//! An object store as the source of models and the place of their rollouts.

use std::{path::PathBuf, sync::Arc};

use super::{
    error::ModelError,
    model_source::ModelSource,
    remote::{RemoteStore, StateTag, WriteStateError},
    rollout_store::{ReadStateError, RolloutStore, RolloutWriteError, StoredRollout, parse, render},
    scan::{ModelDirectory, ScanResult},
};
use crate::{domain::rollout::Rollout, telemetry::error_chain};

/// Models in an object store, mirrored to the cache.
pub(super) struct RemoteSource(pub(super) Arc<RemoteStore>);

impl ModelSource for RemoteSource {
    fn scan(&mut self) -> Result<ScanResult, ModelError> {
        let found = self.0.sync()?;
        // The bytes of loaded versions are in memory, so only those of the last sync are needed.
        if let Err(error) = self.0.prune(&[]) {
            tracing::warn!("the cache cannot be pruned: {}", error_chain(&error));
        }
        Ok(found)
    }

    fn watched(&self) -> Option<PathBuf> {
        None
    }

    fn waits_until_whole(&self) -> bool {
        true
    }
}

/// Rollouts in an object store, beside the versions.
pub(super) struct RemoteRollouts(pub(super) Arc<RemoteStore>);

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
        next: &Rollout,
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
