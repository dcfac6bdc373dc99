//! Opens a graph by itself, within the limits of a load: for the one who makes a package of it.

use std::path::Path;

use super::{
    error::LoadError,
    loader::{Loader, OPENING, READING},
    snapshot::Snapshot,
};
use crate::runtime::{OrtExecutor, SessionOptions};

/// A graph that was opened by itself.
pub struct Opened {
    /// Its bytes, and those of its weights.
    pub snapshot: Snapshot,
    /// A session of it, whose runs are limited as loads are.
    pub executor: OrtExecutor,
}

impl Loader {
    /// Opens a graph alone, without a package.
    ///
    /// # Errors
    /// Every reason why it cannot be run.
    pub fn open(&self, graph: &Path) -> Result<Opened, Vec<LoadError>> {
        let (loader, path) = (self.clone(), graph.to_path_buf());
        let opened = self.loads.supervise(move |load| {
            let begin = |stage| load.enter(stage).map_err(|_| vec![LoadError::Stopped]);
            begin(READING)?;
            let snapshot = Snapshot::read(&path)?;
            begin(OPENING)?;
            let options = SessionOptions::new(&loader.library, 1, &loader.settings.providers);
            let mut executor = OrtExecutor::open(&loader.library, snapshot.model(), &options, load)
                .map_err(|source| vec![LoadError::Graph { path, source }])?;
            executor.limit_runs(&loader.watchdog, loader.loads.limit);
            Ok(Opened { snapshot, executor })
        });
        opened.unwrap_or_else(|error| Err(vec![error]))
    }
}
