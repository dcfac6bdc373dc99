//! How a repository in an object store is opened.

use std::{path::PathBuf, time::Duration};

/// Options of a repository in an object store.
#[derive(Debug, Clone)]
pub struct RemoteOptions {
    /// The directory of the local cache. It is created if it does not exist. Only one process can use it.
    pub cache: PathBuf,
    /// How long nothing of a version must have changed before it is taken, unless its digests match.
    pub settle: Duration,
    /// The time that the store has for a listing and for the rollout state, with retries. A download fails if nothing
    /// arrives for twice this time.
    pub timeout: Duration,
    /// The environment variables that select endpoint, region and credentials.
    pub environment: Vec<(String, String)>,
}

impl RemoteOptions {
    /// The default settle time.
    pub const SETTLE: Duration = Duration::from_secs(2);
    /// The default timeout.
    pub const TIMEOUT: Duration = Duration::from_secs(20);

    /// The defaults, with the environment variables of this process.
    pub fn new(cache: PathBuf) -> Self {
        let text = |(name, value): (std::ffi::OsString, std::ffi::OsString)| {
            Some((name.into_string().ok()?, value.into_string().ok()?))
        };
        let environment = std::env::vars_os().filter_map(text).collect();
        Self { cache, settle: Self::SETTLE, timeout: Self::TIMEOUT, environment }
    }
}
