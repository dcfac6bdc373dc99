//! ONNX Runtime: the library, sessions, the workers that own them, and the queue in front of the workers.
//!
//! The only module that uses `ort`. It knows tensors and rows, but no contracts, model names, or requests.

mod admission;
mod batch;
mod batching;
mod cancellation;
mod convert;
mod detached;
mod engine;
mod error_message;
mod executor;
mod external_data;
mod file_kind;
mod leader;
mod model_bytes;
mod onnx;
mod onnx_proto;
mod onnxruntime;
mod onnxruntime_version;
mod open_error;
mod plan;
mod probe;
mod queue;
mod reply;
mod run;
mod run_control;
mod scheduler;
mod session;
mod session_io;
mod slow_runs;
mod slowdown;
mod thread_priority;
mod ticket;
mod watchdog;
mod worker;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use batch::{merge, pad, row_values};
pub use batching::{Policy, Priority};
pub use cancellation::{Cancellation, Cancelled};
pub use detached::{DetachedError, run_detached};
pub use engine::Engine;
pub use executor::{Executor, Interrupt, RunError};
pub use model_bytes::{ModelBytes, NestedWeights};
pub use onnxruntime::{DISABLE_TELEMETRY, EXPECTED_VERSION, OrtLibrary, OrtLibraryError};
pub use open_error::OpenError;
pub use plan::{ExecutionPlan, Placement, PlanInputs, ThreadCount, available_cpus, plan};
pub use probe::{Cost, Probe, median_run_time, probe};
pub use reply::{Completed, SubmitError};
pub use run::{BatchRun, RowResult, run_batch};
pub use scheduler::EngineOptions;
pub use session::{OrtExecutor, PROVIDERS, SessionOptions};
pub use thread_priority::{ComputeGuard, compute_threads_busy, lower_thread_priority, lowest_thread_priority};
pub use watchdog::Watchdog;

use crate::domain::setting::SettingError;

/// Settings of the runtime.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The shared library of ONNX Runtime; empty to search for it.
    pub library: PathBuf,
    /// Worker threads per version, or "auto".
    pub workers: ThreadCount,
    /// Threads that one session may use inside an operator, or "auto".
    pub intra_threads: ThreadCount,
    /// Execution providers in order of preference; a `?` at the end of a name makes it optional.
    pub providers: Vec<String>,
}

impl Settings {
    /// Returns the values that are invalid on any machine.
    pub fn errors(&self) -> Vec<SettingError> {
        let numbers = [self.workers.range_error("workers"), self.intra_threads.range_error("intra_threads")];
        numbers.into_iter().flatten().chain(session::provider_errors(&self.providers)).collect()
    }
}
