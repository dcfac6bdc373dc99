//! Why a table cannot be read: the file, the row, what was found, what would be right.

use std::{fmt, path::PathBuf};

/// Where a row stands in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowLocation {
    /// A line of text, from 1, the header included.
    Line(u64),
    /// A row of a file that has no lines, from 1.
    Row(u64),
}

impl fmt::Display for RowLocation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(number) => write!(formatter, "line {number}"),
            Self::Row(number) => write!(formatter, "row {number}"),
        }
    }
}

/// A table cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file cannot be read.
    #[error("{}: {}", path.display(), crate::telemetry::reason(source))]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file as a whole is not what it should be.
    #[error("{}: {detail}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What was found, and what would be right.
        detail: String,
    },
    /// A row is not what it should be.
    #[error("{}, {place}: {detail}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The row.
        place: RowLocation,
        /// The column, what was found, and what would be right.
        detail: String,
    },
}
