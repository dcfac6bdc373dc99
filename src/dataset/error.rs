//! Errors of reading a table: the file, the row, what was found and what was expected.

use std::{fmt, path::PathBuf};

/// The location of a row in its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RowLocation {
    /// A line number, counted from 1 including the header.
    Line(u64),
    /// A row number, counted from 1, for formats without lines.
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

/// An error of reading a table.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// The file cannot be read.
    #[error("{}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The I/O error.
        source: std::io::Error,
    },
    /// The file as a whole is invalid.
    #[error("{}: {detail}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What was found and what was expected.
        detail: String,
    },
    /// A row is invalid.
    #[error("{}, {place}: {detail}", path.display())]
    Row {
        /// The file.
        path: PathBuf,
        /// The location of the row.
        place: RowLocation,
        /// The column, what was found and what was expected.
        detail: String,
    },
}
