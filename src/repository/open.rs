//! Opens a graph without a package, within the load timeout. Used to make a package of a bare graph.

use std::path::Path;

use super::{
    error::LoadError,
    loader::{Loader, OPENING, READING},
    snapshot::Snapshot,
};
use crate::runtime::{OrtExecutor, SessionOptions};

/// A graph that was opened without a package.
pub struct Opened {
    /// The bytes of the graph and of its weights.
    pub snapshot: Snapshot,
    /// A session of the graph. Its runs are limited to the load timeout.
    pub executor: OrtExecutor,
}

impl Loader {
    /// Opens a graph without a package.
    ///
    /// # Errors
    /// Returns every reason why the graph cannot be run.
    pub fn open(&self, graph: &Path) -> Result<Opened, Vec<LoadError>> {
        let (loader, path) = (self.clone(), graph.to_path_buf());
        let opened = self.loads.supervise(move |load| {
            let begin = |stage| load.enter(stage).map_err(|_| vec![LoadError::Stopped]);
            begin(READING)?;
            let snapshot = Snapshot::read(&path)?;
            begin(OPENING)?;
            let options = SessionOptions::new(&loader.library, 1, &loader.settings.providers)
                .with_log_id(&path.display().to_string());
            let mut executor = OrtExecutor::open(&loader.library, snapshot.model(), &options, load)
                .map_err(|source| vec![LoadError::Graph { path, source }])?;
            executor.limit_runs(&loader.watchdog, loader.loads.limit);
            Ok(Opened { snapshot, executor })
        });
        opened.unwrap_or_else(|error| Err(vec![error]))
    }
}
