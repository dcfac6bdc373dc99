//! What runs a batch: the interface of a session, and of a test's fake.

use std::{sync::Arc, time::Duration};

use crate::domain::tensor::{Inputs, Tensor};

/// Runs batches. Owned by one thread at a time.
pub trait Executor: Send + 'static {
    /// Runs the graph. Returns the outputs in the order in which they were requested.
    ///
    /// # Errors
    /// Returns [`RunError`] if the graph fails on these inputs.
    fn run(&mut self, inputs: &Inputs) -> Result<Vec<Tensor>, RunError>;

    /// Stops a run from another thread; `None` if runs cannot be stopped.
    fn interrupt(&self) -> Option<Interrupt> {
        None
    }
}

/// Stops a run from another thread (`true`), or lets the session run again (`false`).
pub type Interrupt = Arc<dyn Fn(bool) + Send + Sync>;

/// A run of the graph failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RunError {
    /// ONNX Runtime reported a failure. The text is safe to log: it holds no values of features. Never sent to a client.
    #[error("{0}")]
    Failed(String),
    /// The outputs have more elements than a response may have.
    #[error("the outputs have {elements} elements per row; the maximum is {max_elements}")]
    TooLarge {
        /// The elements of one row.
        elements: usize,
        /// The most elements of one row.
        max_elements: usize,
    },
    /// The run exceeded its time limit and was stopped.
    #[error("the run took longer than {} ms and was stopped", limit.as_millis())]
    TimedOut {
        /// The time limit.
        limit: Duration,
    },
    /// The executor panicked.
    #[error("the run panicked")]
    Panicked,
}
