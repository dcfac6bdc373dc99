//! Why a model or a version cannot be served: the file, what was found, what would be right.

use std::{path::PathBuf, time::Duration};

use crate::{
    domain::contract::ContractProblem,
    runtime::{OpenError, RunError},
};

/// A version cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// A file cannot be read.
    #[error("{}: cannot be read: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A file is not what it should be.
    #[error("{}: {detail}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// Line, column and cause.
        detail: String,
    },
    /// A file has another digest than version.json lists.
    #[error("{}: its digest is sha256:{found}, version.json lists {expected}", path.display())]
    Digest {
        /// The file.
        path: PathBuf,
        /// What version.json says.
        expected: String,
        /// What the file has, in hexadecimal.
        found: String,
    },
    /// The graph cannot be used.
    #[error("{}: {source}", path.display())]
    Graph {
        /// The ONNX file.
        path: PathBuf,
        /// Why.
        source: OpenError,
    },
    /// The contract does not fit the graph, or is none.
    #[error("{}: {problem}", path.display())]
    Contract {
        /// contract.json, or the ONNX file where the contract is derived from it.
        path: PathBuf,
        /// One difference.
        problem: ContractProblem,
    },
    /// A golden case is answered otherwise than it says.
    #[error("{}: case {line}: {detail}", path.display())]
    Golden {
        /// golden.jsonl.
        path: PathBuf,
        /// The case's line, from 1.
        line: usize,
        /// What was expected and what came.
        detail: String,
    },
    /// The graph fails on an instance that the contract admits.
    #[error("{}: fails on an instance that its contract admits: {source}", path.display())]
    Run {
        /// The ONNX file.
        path: PathBuf,
        /// What the runtime said.
        source: RunError,
    },
    /// Its threads cannot be started.
    #[error("its threads cannot be started: {source}")]
    Workers {
        /// Why.
        source: std::io::Error,
    },
    /// It took too long.
    #[error(
        "loading took longer than {} ms (repository.load_timeout_ms), in the stage: {stage}{}",
        limit.as_millis(),
        if *stuck { "; its thread does not react and was left behind" } else { "" }
    )]
    TimedOut {
        /// How long it may take.
        limit: Duration,
        /// What it did then.
        stage: &'static str,
        /// Whether its thread goes on.
        stuck: bool,
    },
    /// The server stops.
    #[error("loading was interrupted, since the server is stopping")]
    Stopped,
    /// The thread that loaded it panicked.
    #[error("loading ended with a panic, in the stage: {stage}")]
    Panicked {
        /// What it did then.
        stage: &'static str,
    },
}

/// A model, or the repository itself, cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum ModelError {
    /// A directory cannot be read.
    #[error("{}: {}", path.display(), crate::telemetry::reason(source))]
    Read {
        /// The directory.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Something in a directory is not what it should be.
    #[error("{}: {detail}", path.display())]
    Content {
        /// The file or directory.
        path: PathBuf,
        /// What is wrong and what would be right.
        detail: String,
    },
}

/// The error for a text that is JSON, perhaps, but no object.
pub(super) fn not_an_object() -> serde_json::Error {
    serde::de::Error::custom("must be a JSON object")
}
