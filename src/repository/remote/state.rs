//! The rollout state as the store has it: its bytes, and the tag that a conditional write refers to.

use super::store_error::StoreError;

/// Identifies one content of an object in the store. Opaque; compare tags only for equality.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateTag {
    pub(super) e_tag: Option<String>,
    /// The generation, which Google Cloud Storage compares instead of the `ETag`.
    pub(super) version: Option<String>,
}

impl StateTag {
    /// The tag of a file, by the digest of its content.
    pub(in super::super) fn of_digest(digest: String) -> Self {
        Self { e_tag: Some(digest), version: None }
    }
}

/// The rollout state of a model, as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredState {
    /// The content of rollout.json.
    pub bytes: Vec<u8>,
    /// What a write that replaces this content has to name.
    pub tag: StateTag,
}

/// Why the rollout state was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteStateError {
    /// Another server wrote since the state was read. Read it again and decide anew.
    #[error("{url}: another server has changed it")]
    Conflict {
        /// The object.
        url: String,
    },
    /// The store can be read but not written.
    #[error("{url}: cannot be written")]
    ReadOnly {
        /// The object.
        url: String,
        /// The answer of the store.
        source: StoreError,
    },
    /// The store failed. Whether the state was written is not known.
    #[error("{url}")]
    Store {
        /// The object.
        url: String,
        /// The cause.
        source: StoreError,
    },
}

/// How a put failed.
#[derive(Debug)]
#[cfg_attr(not(feature = "object-store"), expect(dead_code, reason = "the client that fails like this is not built"))]
pub(super) enum PutError {
    /// The condition did not hold.
    Conflict,
    /// The store refuses writes, or conditional ones.
    ReadOnly(StoreError),
    /// Anything else.
    Other(StoreError),
}
