//! The engine of one version: submits rows to its sessions.
//!
//! A fast model has no threads of its own: a caller that finds the session free runs its row where it is, together with
//! the rows that wait, and passes the session on ([`super::leader`]). A slow model has workers and its callers only wait
//! ([`super::worker`]). The states of a row, a session and an engine are drawn in [`super::queue`].

use std::{
    io,
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use super::{
    batching::{Priority, QueuedRow},
    executor::Executor,
    leader::run_as_leader,
    plan::Placement,
    queue::SessionSlot,
    reply::{Completed, SubmitError},
    scheduler::{EngineOptions, Scheduler, SessionLease},
    ticket::QueueTicket,
    watchdog::{Watchdog, Watched},
    worker,
};
use crate::{
    domain::tensor::Inputs,
    telemetry::{AbandonStage, VersionMetrics},
};

/// The sessions of one version, and the queue before them.
pub struct Engine {
    scheduler: Arc<Scheduler>,
}

impl Engine {
    /// Starts an engine over these executors. `watchdog` keeps the deadlines of rows that run on callers' threads.
    ///
    /// # Errors
    /// Returns the OS error if a thread cannot be started.
    pub fn start(
        executors: Vec<Box<dyn Executor>>,
        options: EngineOptions,
        metrics: Arc<VersionMetrics>,
        watchdog: &Watchdog,
    ) -> io::Result<Self> {
        let scheduler = Scheduler::new(options, executors.len(), metrics, watchdog, worker::move_to_worker);
        // If a thread cannot be started, dropping the engine ends those that were.
        let engine = Self { scheduler: Arc::new(scheduler) };
        let mut slots = executors.into_iter().enumerate().map(|(number, executor)| SessionSlot::new(number, executor));
        match options.placement {
            Placement::Inline => {
                let mut state = engine.scheduler.lock();
                slots.for_each(|slot| state.release(slot));
                drop(state);
                let watched: Arc<dyn Watched> = Arc::clone(&engine.scheduler) as _;
                watchdog.watch(&watched)?;
            }
            Placement::Workers => slots.try_for_each(|slot| worker::start(&engine.scheduler, slot))?,
        }
        Ok(engine)
    }

    /// Runs one row, alone or in a batch. Dropping the future cancels the row; a run for which nobody waits any more is
    /// stopped.
    ///
    /// # Errors
    /// Returns a [`SubmitError`]: at once if there is no room for the row or it could not be answered in time, later if
    /// its deadline passes.
    pub async fn execute(
        &self,
        inputs: Inputs,
        deadline: Instant,
        priority: Priority,
    ) -> Result<Completed, SubmitError> {
        let (scheduler, now) = (&self.scheduler, Instant::now());
        let row = QueuedRow { queued: now, deadline, priority, group: shape_group(&inputs) };
        let admitted = {
            let mut state = scheduler.lock();
            scheduler.admit(&state, row, now)?;
            match state.acquire() {
                Some(slot) => Ok((SessionLease::new(scheduler, slot), state.should_yield_first(priority), inputs)),
                None => Err(scheduler.enqueue(&mut state, inputs, row)),
            }
        };
        match admitted {
            Ok((lease, yield_first, inputs)) => {
                if yield_first && scheduler.policy.max_rows > 1 {
                    // The session is not free meanwhile, so rows that come now gather in the queue and join the run.
                    tokio::task::yield_now().await;
                }
                self.lead(lease, &inputs, row)
            }
            Err(enqueued) => {
                if scheduler.uses_workers() {
                    scheduler.wake_worker();
                }
                QueueTicket::wait(scheduler, enqueued, row).await
            }
        }
    }

    /// Runs the row on this thread. An answer after the deadline is not given.
    fn lead(&self, lease: SessionLease, inputs: &Inputs, row: QueuedRow) -> Result<Completed, SubmitError> {
        let completed = run_as_leader(lease, inputs, row).ok_or(SubmitError::WorkerLost)?;
        if Instant::now() > row.deadline {
            self.scheduler.metrics.count_abandoned_row(AbandonStage::Infer);
            return Err(SubmitError::DeadlineExceeded);
        }
        Ok(completed)
    }

    /// How long a prediction that is submitted now would take.
    pub fn estimate(&self) -> Duration {
        self.scheduler.estimate(&self.scheduler.lock(), Priority::Predict)
    }

    /// Takes no more rows, finishes those that wait, and joins the workers. Blocks until they are done.
    pub fn stop(&self) {
        self.scheduler.close();
        let workers = std::mem::take(&mut *self.scheduler.workers.lock().unwrap_or_else(PoisonError::into_inner));
        for worker in workers {
            if worker.join().is_err() {
                tracing::error!("a worker panicked");
            }
        }
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The workers end by themselves when the queue is empty; dropping an engine must not block on a run.
        self.scheduler.close();
    }
}

/// Rows whose tensors have the same dimensions, except the first, may share a run.
fn shape_group(inputs: &Inputs) -> u64 {
    // FNV-1a over a few sizes. A clash is caught when the rows are merged.
    let sizes = inputs.tensors.iter().flat_map(|tensor| tensor.shape.iter().skip(1));
    sizes.fold(0xcbf2_9ce4_8422_2325, |hash, size| (hash ^ *size as u64).wrapping_mul(0x0100_0000_01b3))
}
