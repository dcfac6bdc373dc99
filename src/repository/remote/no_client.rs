//! The client of a build without the feature `object-store`: it refuses to connect, so none exists.

use super::{
    address::StoreAddress,
    object::{Download, RemoteObject},
    options::RemoteOptions,
    state::{PutError, StateTag, StoredState},
    store_error::StoreError,
};

/// A client that cannot exist.
#[derive(Debug)]
pub(super) enum NoClient {}

impl NoClient {
    /// Always fails.
    pub(super) fn connect(_address: &StoreAddress, _options: &RemoteOptions) -> Result<Self, StoreError> {
        Err(StoreError::Failed { detail: "needs a build with the feature object-store".to_owned() })
    }

    pub(super) fn list(&self, _prefix: &str) -> Result<Vec<RemoteObject>, StoreError> {
        match *self {}
    }

    pub(super) fn download(&self, _downloads: Vec<Download>) -> Vec<(Download, Result<(), StoreError>)> {
        match *self {}
    }

    pub(super) fn get(&self, _key: &str) -> Result<Option<StoredState>, StoreError> {
        match *self {}
    }

    pub(super) fn put(&self, _key: &str, _bytes: &[u8], _expected: Option<&StateTag>) -> Result<StateTag, PutError> {
        match *self {}
    }
}
