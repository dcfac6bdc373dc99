//! Errors of authoring: what was found, and the flag or the change that fixes it.

use std::path::PathBuf;

use crate::{dataset::TableError, repository::LoadError, telemetry::error_chain};

/// A package or its files cannot be made; nothing was written.
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
    /// The input is ambiguous or inconsistent, and the operator must decide.
    #[error("{0}")]
    NeedsDecision(String),
    /// A file or directory cannot be written.
    #[error("{}: cannot be written", path.display())]
    Write {
        /// The file or directory.
        path: PathBuf,
        /// The I/O error.
        source: std::io::Error,
    },
    /// The new files do not load.
    #[error(transparent)]
    Load(LoadError),
}

impl AuthoringError {
    /// Joins the load errors of a model, one per line.
    pub(super) fn refused(errors: &[LoadError]) -> Self {
        let lines: Vec<String> = errors.iter().map(|error| error_chain(error)).collect();
        Self::NeedsDecision(lines.join("\n"))
    }
}

/// What the operator has to decide or to correct: what was found and what is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct DecisionError(pub(super) String);

impl From<String> for DecisionError {
    fn from(text: String) -> Self {
        Self(text)
    }
}
