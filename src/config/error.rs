//! The source of a setting, and configuration errors.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The built-in default.
    Default,
    /// A configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag on the command line.
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File(path) => write!(formatter, "file {}", path.display()),
            Self::Environment(name) => write!(formatter, "environment {name}"),
            Self::Flag => formatter.write_str("flag"),
        }
    }
}

/// A configuration error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The reason.
        reason: String,
    },
    /// The file is not TOML.
    #[error("{}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column and cause.
        reason: String,
    },
    /// The key does not exist.
    #[error("{place}: unknown key {key:?}{hint}")]
    Unknown {
        /// File and line, variable, or flag.
        place: String,
        /// The key.
        key: String,
        /// A suggestion, or empty.
        hint: String,
    },
    /// A value has the wrong type or is out of range.
    #[error("{place}: {key} {reason}")]
    Value {
        /// File and line, variable, or flag.
        place: String,
        /// The key.
        key: String,
        /// What is expected, and what was found.
        reason: String,
    },
}

impl ConfigError {
    /// The error for a file that cannot be read.
    pub(super) fn read(path: &Path, error: &std::io::Error) -> Self {
        Self::Read { path: path.to_path_buf(), reason: crate::telemetry::reason(error) }
    }
}
