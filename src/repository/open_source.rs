//! Opens the repository that the settings name: a directory or an object store.

use std::sync::Arc;

use super::{
    Settings,
    error::ModelError,
    model_source::{DirectorySource, ModelSource},
    remote::{RemoteOptions, RemoteStore, is_remote},
    remote_source::{RemoteRollouts, RemoteSource},
    rollout_store::{DirectoryStore, RolloutStore},
};

/// Where models come from, and where their rollouts are kept.
pub(super) type SourceAndStore = (Box<dyn ModelSource>, Arc<dyn RolloutStore + Sync>);

/// Opens the repository that the settings name: a directory or an object store.
///
/// # Errors
/// Returns [`ModelError`] if an object store cannot be used.
pub(super) fn open_source(settings: &Settings) -> Result<SourceAndStore, ModelError> {
    let state_directory = Some(settings.state_directory.clone()).filter(|path| !path.as_os_str().is_empty());
    if !is_remote(&settings.models) {
        let source = Box::new(DirectorySource(settings.models.clone()));
        return Ok((source, Arc::new(DirectoryStore { state_directory })));
    }
    let options = RemoteOptions { settle: settings.settle(), ..RemoteOptions::new(settings.mirror_directory()?) };
    let store = Arc::new(RemoteStore::open(&settings.models.to_string_lossy(), options)?);
    let source = Box::new(RemoteSource(Arc::clone(&store)));
    Ok(match state_directory {
        Some(_) => (source, Arc::new(DirectoryStore { state_directory })),
        None => (source, Arc::new(RemoteRollouts(store))),
    })
}
