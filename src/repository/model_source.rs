//! Where models come from: a directory, or what else can be brought to one. Lists and loads nothing.

use std::path::PathBuf;

use super::{
    error::ModelError,
    scan::{ScanResult, scan},
};

/// Where models come from.
pub(super) trait ModelSource: Send {
    /// Returns the models, as directories on this machine.
    fn scan(&mut self) -> Result<ScanResult, ModelError>;

    /// The directory or file whose changes the operating system can announce; `None` if it must be polled.
    fn watched(&self) -> Option<PathBuf>;

    /// Whether the source itself leaves a version out until all of its files are there.
    fn waits_until_whole(&self) -> bool;
}

/// Models in a directory.
pub(super) struct DirectorySource(pub(super) PathBuf);

impl ModelSource for DirectorySource {
    fn scan(&mut self) -> Result<ScanResult, ModelError> {
        scan(&self.0)
    }

    fn watched(&self) -> Option<PathBuf> {
        Some(self.0.clone())
    }

    fn waits_until_whole(&self) -> bool {
        false
    }
}
