//! Errors of an object store and of its local cache. The caller adds the URL.

use std::{io, path::PathBuf, time::Duration};

/// Why an object store, or the local cache of it, cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The bucket or the object does not exist.
    #[error("does not exist: {detail}")]
    NotFound {
        /// The answer of the store.
        detail: String,
    },
    /// The credentials are missing, wrong, or do not permit it.
    #[error("access was denied: {detail}")]
    Denied {
        /// The answer of the store.
        detail: String,
    },
    /// The object has changed since it was listed or read.
    #[error("changed while it was read")]
    Changed,
    /// There was no answer in time.
    #[error("the store did not answer within {} ms", limit.as_millis())]
    TimedOut {
        /// The time that it had.
        limit: Duration,
    },
    /// An object is larger than it may be.
    #[error("it has {size} bytes; the limit is {limit}")]
    TooLarge {
        /// Its size in bytes.
        size: u64,
        /// The limit in bytes.
        limit: u64,
    },
    /// The store cannot be reached, or its answer cannot be used.
    #[error("{detail}")]
    Failed {
        /// The cause.
        detail: String,
    },
    /// A file of the local cache cannot be written or read.
    #[error("{}", path.display())]
    Cache {
        /// The file or directory in the cache.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
}

impl StoreError {
    /// An error of the local cache.
    pub(super) fn cache(path: impl Into<PathBuf>, source: io::Error) -> Self {
        Self::Cache { path: path.into(), source }
    }
}
