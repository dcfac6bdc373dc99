//! An object of the store, as a listing has it, and a download of it.

use std::{path::PathBuf, time::SystemTime};

use super::super::files::digest;

/// An object in a listing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct RemoteObject {
    pub(super) key: String,
    pub(super) size: u64,
    pub(super) e_tag: Option<String>,
    pub(super) modified: SystemTime,
}

impl RemoteObject {
    /// Text that differs between two contents of the object: the `ETag`, or without one, the time of its last change.
    fn content_id(&self) -> String {
        self.e_tag.clone().unwrap_or_else(|| {
            let since = self.modified.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            format!("modified {}", since.as_nanos())
        })
    }

    /// A digest of its key, content id and size: objects with the same one have the same bytes.
    pub(super) fn fingerprint(&self) -> String {
        digest(format!("{}\0{}\0{}", self.key, self.content_id(), self.size).as_bytes())
    }
}

/// An object to be downloaded to a new file.
#[derive(Debug, Clone)]
pub(super) struct Download {
    pub(super) object: RemoteObject,
    /// Where to write; the file does not exist yet.
    pub(super) target: PathBuf,
}
