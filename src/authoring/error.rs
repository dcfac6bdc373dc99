//! Why a package cannot be made: what was found, and the flag or the change that would make it right.

use std::path::PathBuf;

use crate::{dataset::TableError, repository::LoadError};

/// A package cannot be made; nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum AuthoringError {
    /// The table cannot be read.
    #[error(transparent)]
    Table(#[from] TableError),
    /// The graph fails on a row of the table.
    #[error("{}: fails on a row of the table: {detail}", path.display())]
    Run {
        /// The ONNX file.
        path: PathBuf,
        /// The row, and why.
        detail: String,
    },
    /// Something is not decided, or does not fit.
    #[error("{0}")]
    NeedsDecision(String),
    /// A file or directory cannot be written.
    #[error("{}: cannot be written: {source}", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// What was made does not load.
    #[error(transparent)]
    Load(LoadError),
}

impl AuthoringError {
    /// Everything that refuses a model, a line each.
    pub(super) fn refused(errors: &[LoadError]) -> Self {
        let lines: Vec<String> = errors.iter().map(LoadError::to_string).collect();
        Self::NeedsDecision(lines.join("\n"))
    }
}
