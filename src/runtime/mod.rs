//! ONNX Runtime: the library, sessions, the workers that own them, and the queue before the workers.
//!
//! The only module that names `ort`. It knows tensors and rows, nothing of contracts, models by name, or requests.

mod admission;
mod batch;
mod batching;
mod convert;
mod engine;
mod lease;
mod library;
mod mistaken;
mod onnx;
mod outlets;
mod plan;
mod probe;
mod processors;
mod queue;
mod run;
mod session;
mod stand_back;
mod strikes;
mod watch;
mod watchdog;
mod worker;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use batch::{merge, pad, row};
pub use batching::{Policy, Priority};
pub use engine::{Completed, Engine, EngineOptions, Interrupt, SubmitError};
pub use library::{DISABLE_TELEMETRY, Library, LibraryError};
pub use onnx::class_lists;
pub use plan::{Auto, Demand, Placement, Plan, plan};
pub use probe::{Cost, Probe, measure, probe};
pub use processors::processors;
pub use run::{Ran, RowResult, run};
pub use session::{OpenError, OrtExecutor, SessionOptions};
pub use stand_back::{Computing, computing, stand_back};

use crate::domain::tensor::{Inputs, Tensor};

/// What an operator can set about the runtime.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The shared library of ONNX Runtime; empty to search for it.
    pub library: PathBuf,
    /// Worker threads a version, or "auto".
    pub workers: Auto,
    /// Threads that one session may use inside an operator, or "auto".
    pub intra_threads: Auto,
    /// Execution providers in order of preference; a `?` at the end of a name makes it optional.
    pub providers: Vec<String>,
}

/// A run of the graph failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// The runtime reported a failure; its words are for the log, never for a client.
    #[error("{0}")]
    Failed(String),
    /// The executor panicked.
    #[error("the run panicked")]
    Panicked,
}

/// Something that runs a batch: a session, or a test's fake.
pub trait Executor: Send + 'static {
    /// Runs the graph; the outputs come in the order in which they were requested.
    ///
    /// # Errors
    /// [`RunError`] when the graph fails on these inputs.
    fn run(&mut self, inputs: &Inputs) -> Result<Vec<Tensor>, RunError>;

    /// How a run can be stopped from another thread, where it can.
    fn interrupt(&self) -> Option<Interrupt> {
        None
    }
}
