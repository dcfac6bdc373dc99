//! What the caller of a row gets: the outputs of its run, or the reason why there are none.

use std::time::Duration;

use super::run::RowResult;
use crate::domain::tensor::Tensor;

/// A row that was run.
#[derive(Debug)]
pub struct Completed {
    /// The outputs of the run that the row was part of, in the order in which they were requested, and its index there.
    pub result: RowResult,
    /// How many rows shared the run.
    pub batch_rows: usize,
    /// How long the row waited.
    pub queue: Duration,
    /// How long the run took.
    pub infer: Duration,
}

impl Completed {
    /// How many elements of the outputs are the row's own.
    pub fn row_elements(&self) -> usize {
        let Ok((outputs, _)) = &self.result else { return 0 };
        let of = |tensor: &Tensor| match tensor.shape.first() {
            Some(rows) if self.batch_rows > 1 => tensor.buffer.len() / (*rows).max(1),
            _ => tensor.buffer.len(),
        };
        outputs.iter().map(of).sum()
    }
}

/// Why a row was not run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// Rejected at once: the queue is full.
    #[error("the queue is full")]
    QueueFull {
        /// How long the queue takes to drain.
        wait: Duration,
    },
    /// Rejected at once: the row would not be answered before its deadline.
    #[error("the row would miss its deadline: it needs {wait:?}")]
    WouldMissDeadline {
        /// How long it would have taken.
        wait: Duration,
    },
    /// Rejected at once: the deadline leaves less time than a row takes on an idle engine.
    #[error("the deadline leaves less time than the {row:?} that one row takes")]
    DeadlineTooShort {
        /// How long a row takes.
        row: Duration,
    },
    /// The deadline passed while the row waited or was run.
    #[error("the deadline passed")]
    DeadlineExceeded,
    /// The version is being unloaded.
    #[error("the version accepts no more rows")]
    ShuttingDown,
    /// The thread that had the row ended without an answer.
    #[error("the row was lost")]
    WorkerLost,
}
