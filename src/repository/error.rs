//! Errors that keep a model or a version from being served: the file, what was found and what was expected.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use super::{file_names::PACKAGE, remote::StoreError};

use crate::{
    domain::contract::ContractProblem,
    runtime::{OpenError, RunError},
};

/// The reason why a version cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("{}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The content of a file is invalid.
    #[error("{}: {detail}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Line, column and cause.
        detail: String,
    },
    /// The digest of a file differs from the one in version.json.
    #[error("{}: its digest is sha256:{found}, version.json lists {expected}{}", path.display(), digest_advice(path))]
    Digest {
        /// The file.
        path: PathBuf,
        /// The digest in version.json.
        expected: String,
        /// The actual digest, in hexadecimal.
        found: String,
    },
    /// The graph cannot be used.
    #[error("{}", path.display())]
    Graph {
        /// The ONNX file.
        path: PathBuf,
        /// The cause.
        source: OpenError,
    },
    /// The contract is invalid or does not match the graph.
    #[error("{}: {problem}", path.display())]
    Contract {
        /// contract.json, or the ONNX file if the contract is derived from it.
        path: PathBuf,
        /// One problem.
        problem: ContractProblem,
    },
    /// A golden case is not answered as expected.
    #[error("{}: case {line}: {detail}", path.display())]
    Golden {
        /// golden.jsonl.
        path: PathBuf,
        /// The line number of the case, from 1.
        line: usize,
        /// The expected and the actual value.
        detail: String,
    },
    /// The graph fails on an instance that the contract admits.
    #[error("{}: fails on an instance that its contract accepts", path.display())]
    Run {
        /// The ONNX file.
        path: PathBuf,
        /// The error of the runtime.
        source: RunError,
    },
    /// A thread cannot be started.
    #[error("cannot start its threads")]
    Workers {
        /// The cause.
        source: std::io::Error,
    },
    /// The load timed out.
    #[error(
        "loading took longer than {} ms (repository.load_timeout_ms), in the stage: {stage}{}",
        limit.as_millis(),
        if *stuck { "; its thread does not respond and was abandoned" } else { "" }
    )]
    TimedOut {
        /// The timeout.
        limit: Duration,
        /// The stage at the timeout.
        stage: &'static str,
        /// Whether its thread is still running.
        stuck: bool,
    },
    /// The server is stopping.
    #[error("loading was interrupted because the server is stopping")]
    Stopped,
    /// The thread of the load panicked.
    #[error("loading panicked in the stage: {stage}")]
    Panicked {
        /// The stage at the panic.
        stage: &'static str,
    },
}

impl LoadError {
    /// The file that the error is about, if it is about one.
    pub fn path(&self) -> Option<&Path> {
        match self {
            Self::Read { path, .. }
            | Self::Content { path, .. }
            | Self::Digest { path, .. }
            | Self::Graph { path, .. }
            | Self::Contract { path, .. }
            | Self::Golden { path, .. }
            | Self::Run { path, .. } => Some(path),
            Self::Workers { .. } | Self::TimedOut { .. } | Self::Stopped | Self::Panicked { .. } => None,
        }
    }
}

/// The reason why a model, or the repository itself, cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A directory cannot be read.
    #[error("{}", path.display())]
    Read {
        /// The directory.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// A thread cannot be started.
    #[error("the threads of the repository cannot be started")]
    Thread {
        /// The cause.
        source: std::io::Error,
    },
    /// A file or a directory has invalid content.
    #[error("{}: {detail}", path.display())]
    Content {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong and what is expected.
        detail: String,
    },
    /// An object store cannot be used.
    #[error("{url}")]
    Store {
        /// The URL of the repository or of the object.
        url: String,
        /// The cause.
        source: StoreError,
    },
}

/// What to do about a file that differs from its digest.
fn digest_advice(path: &Path) -> String {
    let directory = path.parent().unwrap_or(path).display();
    match path.file_name().and_then(|name| name.to_str()) {
        Some(name) if PACKAGE.contains(&name) => {
            format!("; if the change is intended, review and accept it with `candor seal {directory}`")
        }
        _ => "; another graph is another version: create it with `candor init`".to_owned(),
    }
}

/// The error for a text that is not a JSON object.
pub(super) fn not_an_object() -> serde_json::Error {
    serde::de::Error::custom("must be a JSON object")
}
