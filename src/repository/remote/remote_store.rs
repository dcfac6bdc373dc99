//! A repository in an object store: mirrors its versions to the local cache, and reads and writes the rollout state.

use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    super::{error::ModelError, scan::ScanResult},
    Client,
    address::StoreAddress,
    cache::MirrorCache,
    options::RemoteOptions,
    state::{PutError, StateTag, StoredState, WriteStateError},
    store_error::StoreError,
    sync::{Mirror, Synced},
};
use crate::domain::name::ModelName;

/// A repository in an object store. Its functions block; each has a deadline.
#[derive(Debug)]
pub struct RemoteStore {
    address: StoreAddress,
    options: RemoteOptions,
    client: Client,
    cache: MirrorCache,
    synced: Mutex<Synced>,
}

impl RemoteStore {
    /// Opens a repository by its URL, such as `s3://bucket/prefix`. Does not contact the store.
    ///
    /// # Errors
    /// Returns [`ModelError`] if the URL or the environment variables are invalid, if the cache cannot be used, or if
    /// this build lacks the feature `object-store`.
    pub fn open(url: &str, options: RemoteOptions) -> Result<Self, ModelError> {
        let address = StoreAddress::parse(url)?;
        let failed = |source| ModelError::Store { url: address.to_string(), source };
        let client = Client::connect(&address, &options).map_err(failed)?;
        let cache = MirrorCache::open(&options.cache).map_err(failed)?;
        Ok(Self { address, options, client, cache, synced: Mutex::default() })
    }

    /// The URL of the repository.
    pub fn address(&self) -> &StoreAddress {
        &self.address
    }

    /// Lists the store, downloads what is new, and returns the models like `scan`, with directories in the cache.
    ///
    /// A version that is not whole, or that changes meanwhile, is left for a later sync; until then its previous
    /// content, if any, stays in the result. So does that of a version that could not be downloaded.
    ///
    /// # Errors
    /// Returns [`ModelError`] if the store cannot be listed or holds nothing that could be served. The directories of
    /// the last result stay usable. Other problems are part of the result.
    pub fn sync(&self) -> Result<ScanResult, ModelError> {
        let settle = self.options.settle;
        let mirror = Mirror { address: &self.address, client: &self.client, cache: &self.cache, settle };
        mirror.sync(&mut self.synced())
    }

    /// The versions that the last sync left out because they are not whole, as `<model>/<version>: <reason>`.
    pub fn waiting(&self) -> Vec<String> {
        self.synced().waiting.clone()
    }

    /// Removes cached versions that are neither in the result of the last sync nor in `keep`, and returns their number.
    /// Does nothing before the first sync.
    ///
    /// # Errors
    /// Returns [`ModelError`] if the cache cannot be changed.
    pub fn prune(&self, keep: &[PathBuf]) -> Result<usize, ModelError> {
        let synced = self.synced();
        if !synced.is_complete {
            return Ok(0);
        }
        let keep: BTreeSet<PathBuf> = keep.iter().chain(synced.directories.values()).cloned().collect();
        let cache = &self.options.cache;
        self.cache.prune(&keep, &synced.blobs).map_err(|source| ModelError::Read { path: cache.clone(), source })
    }

    /// Reads the rollout state of a model; `None` if the store has none.
    ///
    /// # Errors
    /// Returns [`ModelError`] if the store fails.
    pub fn read_state(&self, model: &ModelName) -> Result<Option<StoredState>, ModelError> {
        let state = self.client.get(&self.state_key(model));
        state.map_err(|source| ModelError::Store { url: self.state_url(model), source })
    }

    /// Writes the rollout state of a model if the store still has the expected content; with `None`, if it has none.
    /// Returns the tag of the new content.
    ///
    /// # Errors
    /// Returns [`WriteStateError::Conflict`] if another server wrote first, and other errors if the store refuses or
    /// fails.
    pub fn write_state(
        &self,
        model: &ModelName,
        bytes: &[u8],
        expected: Option<&StateTag>,
    ) -> Result<StateTag, WriteStateError> {
        let url = self.state_url(model);
        match self.client.put(&self.state_key(model), bytes, expected) {
            Ok(tag) => Ok(tag),
            Err(PutError::ReadOnly(source)) => Err(WriteStateError::ReadOnly { url, source }),
            Err(PutError::Other(source)) => Err(WriteStateError::Store { url, source }),
            // A retry after a lost answer finds what the first attempt wrote, which is no conflict.
            Err(PutError::Conflict) => match self.client.get(&self.state_key(model)) {
                Ok(Some(state)) if state.bytes == bytes => Ok(state.tag),
                Ok(_) | Err(StoreError::NotFound { .. }) => Err(WriteStateError::Conflict { url }),
                Err(source) => Err(WriteStateError::Store { url, source }),
            },
        }
    }

    fn state_key(&self, model: &ModelName) -> String {
        self.address.key(&format!("{model}/{ROLLOUT_STATE}"))
    }

    fn state_url(&self, model: &ModelName) -> String {
        self.address.url(&format!("{model}/{ROLLOUT_STATE}"))
    }

    fn synced(&self) -> MutexGuard<'_, Synced> {
        self.synced.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The object that holds the rollout state of a model, next to its versions.
const ROLLOUT_STATE: &str = "rollout.json";
