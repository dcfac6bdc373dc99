//! The engine of one version: where a row is run, and how its caller gets the answer, or learns that there is none.
//!
//! A cheap version has no threads of its own: a caller that finds its session free runs its row where it is, together with
//! what waits, and hands the session on. A heavy version has workers; callers only wait.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    Executor, Placement,
    batching::{Policy, Priority, QueuedRow},
    lease::{SessionLease, SessionSlot},
    queue::{EngineShared, Job, QueueReply, QueueState},
    run::RowResult,
    run_interest::RowInterest,
    watchdog::Watchdog,
    worker,
};
use crate::{
    domain::tensor::{Inputs, Tensor},
    telemetry::VersionMetrics,
};

/// What became of a row.
#[derive(Debug)]
pub struct Completed {
    /// The outputs of the run that the row was part of, in the order in which they were requested, and its place there.
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

/// Why a row has no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The queue is full. Refused at once.
    #[error("the queue is full")]
    QueueFull {
        /// How long the queue takes to drain.
        wait: Duration,
    },
    /// It could not have been answered before its deadline. Refused at once.
    #[error("the answer would have taken {wait:?}")]
    WouldMissDeadline {
        /// How long it would have taken.
        wait: Duration,
    },
    /// The deadline leaves less time than a row takes that nothing else delays. Refused at once.
    #[error("the deadline leaves less than the {row:?} that a row takes")]
    DeadlineTooShort {
        /// How long a row takes.
        row: Duration,
    },
    /// The deadline passed while the row waited or was run.
    #[error("the deadline passed")]
    DeadlineExceeded,
    /// The version is being unloaded.
    #[error("the version takes no more rows")]
    ShuttingDown,
    /// The thread that had the row ended without an answer.
    #[error("the row was lost")]
    WorkerLost,
}

/// How an engine is set up.
#[derive(Debug, Clone, Copy)]
pub struct EngineOptions {
    /// Where rows are run.
    pub placement: Placement,
    /// How batches are formed.
    pub policy: Policy,
    /// The most rows that may wait.
    pub capacity: usize,
}

/// The sessions of one version, and the queue before them.
pub struct Engine {
    shared: Arc<EngineShared>,
}

impl Engine {
    /// Starts an engine over these executors; `watchdog` keeps the deadlines of rows that run on callers' threads.
    ///
    /// # Errors
    /// The operating system's own when a thread cannot be started.
    pub fn start(
        executors: Vec<Box<dyn Executor>>,
        options: EngineOptions,
        metrics: Arc<VersionMetrics>,
        watchdog: &Watchdog,
    ) -> std::io::Result<Self> {
        let shared = Arc::new(EngineShared::new(options, executors.len(), metrics, watchdog));
        // Dropped where a thread cannot be started, it ends those that could.
        let engine = Self { shared };
        match options.placement {
            Placement::Inline => {
                let stations = executors.into_iter().enumerate();
                engine.shared.lock().free =
                    stations.map(|(number, executor)| SessionSlot::new(number, executor)).collect();
                watchdog.add_engine(&engine.shared)?;
            }
            Placement::Workers => worker::start(executors, &engine.shared)?,
        }
        Ok(engine)
    }

    /// Runs one row, alone or with others. Dropping the future gives its place up; a run for which nobody waits any more is
    /// stopped.
    ///
    /// # Errors
    /// [`SubmitError`]: at once where the row finds no place or could not be in time; later where its deadline passes.
    pub async fn execute(
        &self,
        inputs: Inputs,
        deadline: Instant,
        priority: Priority,
    ) -> Result<Completed, SubmitError> {
        let now = Instant::now();
        let waiting = QueuedRow { queued: now, deadline, priority, group: group(&inputs) };
        let seat = {
            let mut state = self.shared.lock();
            self.shared.check_admission(&state, now, waiting)?;
            match state.free.pop() {
                Some(station) => {
                    // Rows of explanations come many at a time, and nobody counts their microseconds.
                    let looks_around = waiting.is_low_priority() || state.should_yield_first();
                    Ok((SessionLease::new(&self.shared, station), looks_around, inputs))
                }
                None => Err(self.enqueue(&mut state, inputs, waiting)),
            }
        };
        match seat {
            Ok((lease, looks_around, inputs)) => {
                if looks_around && self.shared.policy.max_rows > 1 {
                    // The executor is not free meanwhile, so the rows that come gather in the queue.
                    tokio::task::yield_now().await;
                }
                self.lead(lease, &inputs, waiting)
            }
            Err((answer, place)) => {
                if self.shared.uses_workers() {
                    self.shared.work_available.notify_one();
                }
                place.wait(answer, waiting).await
            }
        }
    }

    /// Runs one's own row, and what waits with it; an answer that comes too late is none.
    fn lead(&self, lease: SessionLease, inputs: &Inputs, waiting: QueuedRow) -> Result<Completed, SubmitError> {
        let completed = lease.run_as_leader(inputs, waiting).ok_or(SubmitError::WorkerLost)?;
        if Instant::now() > waiting.deadline {
            self.shared.metrics.count_abandoned_row("infer");
            return Err(SubmitError::DeadlineExceeded);
        }
        Ok(completed)
    }

    /// Gives the row a place in the queue.
    fn enqueue(
        &self,
        state: &mut QueueState,
        inputs: Inputs,
        waiting: QueuedRow,
    ) -> (oneshot::Receiver<QueueReply>, QueueTicket<'_>) {
        let (reply, answer) = oneshot::channel();
        // Also where callers run: the version may move to a worker while the row waits.
        let watch = RowInterest::new();
        let job = |id| Job { id, waiting, inputs, reply, watch: Arc::clone(&watch) };
        let id = self.shared.push(state, job);
        (answer, QueueTicket { shared: &self.shared, id, watch, answered: false })
    }

    /// How long a prediction that comes now would take.
    pub fn estimate(&self) -> Duration {
        self.shared.estimate(&self.shared.lock(), Priority::Predict)
    }

    /// Takes no more rows, lets what waits be finished, and joins the workers. Blocks until they are done.
    pub fn stop(&self) {
        self.close();
        let workers = std::mem::take(&mut *self.shared.workers.lock().unwrap_or_else(PoisonError::into_inner));
        for worker in workers {
            if worker.join().is_err() {
                tracing::error!("a worker ended with a panic");
            }
        }
    }

    fn close(&self) {
        let mut state = self.shared.lock();
        state.closed = true;
        state.free.clear();
        drop(state);
        self.shared.work_available.notify_all();
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        // The workers end by themselves when the queue is empty; whoever drops an engine must not wait for a run.
        self.close();
    }
}

/// Rows whose tensors have the same dimensions, but for the first, may share a run.
fn group(inputs: &Inputs) -> u64 {
    // FNV-1a: a few sizes are folded together; a clash is caught when the rows are merged.
    let sizes = inputs.tensors.iter().flat_map(|tensor| tensor.shape.iter().skip(1));
    sizes.fold(0xcbf2_9ce4_8422_2325, |hash, size| (hash ^ *size as u64).wrapping_mul(0x0100_0000_01b3))
}

/// A caller's place in the queue, given up when the caller goes away.
struct QueueTicket<'e> {
    shared: &'e Arc<EngineShared>,
    id: u64,
    watch: Arc<RowInterest>,
    answered: bool,
}

impl QueueTicket<'_> {
    async fn wait(
        mut self,
        answer: oneshot::Receiver<QueueReply>,
        waiting: QueuedRow,
    ) -> Result<Completed, SubmitError> {
        // Where callers run, the watchdog keeps the deadline.
        let message = if self.shared.uses_workers() {
            tokio::time::timeout_at(waiting.deadline.into(), answer).await
        } else {
            Ok(answer.await)
        };
        let outcome = match message {
            Ok(Ok(QueueReply::Done(completed, inputs))) => {
                drop(inputs);
                Ok(completed)
            }
            Ok(Ok(QueueReply::BecomeLeader(lease, inputs))) if Instant::now() < waiting.deadline => {
                lease.run_as_leader(&inputs, waiting).ok_or(SubmitError::WorkerLost)
            }
            // Where it is too late to run, the lease is dropped and goes to the next row.
            Ok(Ok(QueueReply::Expired | QueueReply::BecomeLeader(..))) => {
                self.answered = true;
                self.shared.metrics.count_abandoned_row("queue");
                return Err(SubmitError::DeadlineExceeded);
            }
            // A worker leaves out a row only when its deadline has passed; else its thread broke.
            Ok(Err(_)) if Instant::now() < waiting.deadline => Err(SubmitError::WorkerLost),
            Ok(Err(_)) => Err(SubmitError::DeadlineExceeded),
            Err(_) => return Err(SubmitError::DeadlineExceeded),
        };
        // An answer that comes late is none: whoever asked was told when it would be there.
        if outcome.is_ok() && Instant::now() > waiting.deadline {
            return Err(SubmitError::DeadlineExceeded);
        }
        self.answered = true;
        outcome
    }
}

impl Drop for QueueTicket<'_> {
    fn drop(&mut self) {
        if self.answered {
            return;
        }
        let stage = match self.shared.remove(self.id) {
            Some(_) => "queue",
            None => "infer",
        };
        self.watch.leave();
        self.shared.metrics.count_abandoned_row(stage);
    }
}

/// Stops a run from another thread (`true`), or lets the session run again (`false`).
pub type Interrupt = Arc<dyn Fn(bool) + Send + Sync>;
