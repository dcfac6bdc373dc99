//! Where a value came from, and what can be wrong with it.

use std::{
    fmt,
    path::{Path, PathBuf},
};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The program's own default.
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

/// A fault of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
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
    /// There is no such key.
    #[error("{place}: unknown key {key:?}{hint}")]
    Unknown {
        /// File and line, variable, or flag.
        place: String,
        /// The key.
        key: String,
        /// The nearest known key, if one is near.
        hint: String,
    },
    /// A value has another type, or lies out of bounds.
    #[error("{place}: {key} {reason}")]
    Value {
        /// File and line, variable, or flag.
        place: String,
        /// The key.
        key: String,
        /// What would be right, and what was found.
        reason: String,
    },
}

impl ConfigError {
    /// A fault of a file that cannot be read.
    pub(super) fn read(path: &Path, error: &std::io::Error) -> Self {
        Self::Read { path: path.to_path_buf(), reason: crate::telemetry::reason(error) }
    }
}
