//! Decides who runs what next: which row gets a free session, which rows join a batch, what happens to a session that is
//! handed back. The state is in [`super::queue`], the decisions are pure functions of [`super::batching`] and
//! [`super::admission`]; this file applies them under one lock.
//!
//! A session moves from row to row as a [`SessionLease`]. Dropping the lease is what passes it on, so no exit from a
//! caller's future, not even a panic, can lose a session.

use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    admission::{Backlog, check, estimate},
    batching::{BatchDecision, Policy, Priority, QueuedRow, decide},
    plan::Placement,
    queue::{self, QueueState, SessionSlot},
    reply::SubmitError,
    run_control::{ActiveRun, RowInterest},
    slowdown::Slowdown,
    watchdog::{Watchdog, Watched},
};
use crate::{
    domain::tensor::Inputs,
    telemetry::{BatchCloseReason, VersionMetrics},
};

pub(super) type Job = queue::Job<SessionLease>;
pub(super) type QueueReply = queue::QueueReply<SessionLease>;
pub(super) type State = QueueState<SessionLease>;

/// The rows of a batch, and why no more rows are waited for.
pub(super) type Batch = (Vec<Job>, BatchCloseReason);

/// Gives a session that ran on callers' threads a worker of its own. The worker module provides it; it lies above this one.
pub(super) type StartWorker = fn(&Arc<Scheduler>, SessionSlot);

/// How often the watchdog checks an engine: at least so that a run is stopped 100 ms after its last deadline, and at most
/// so that the checks of many short deadlines cost nothing.
const CHECK_INTERVAL: std::ops::RangeInclusive<Duration> = Duration::from_millis(1)..=Duration::from_millis(100);

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

/// Everything that the callers and the workers of one version share.
pub(super) struct Scheduler {
    state: Mutex<State>,
    work_available: Condvar,
    watchdog: Watchdog,
    pub(super) policy: Policy,
    pub(super) metrics: Arc<VersionMetrics>,
    pub(super) workers: Mutex<Vec<JoinHandle<()>>>,
    /// Whether workers run the rows, and not callers.
    uses_workers: AtomicBool,
    start_worker: StartWorker,
    capacity: usize,
    sessions: usize,
    slowdown: Slowdown,
}

/// What a worker or a leader should do now.
pub(super) enum NextBatch {
    Run(Batch),
    Wait(Instant),
    Idle,
}

/// A row in the queue, as its caller holds it.
pub(super) struct Enqueued {
    pub(super) id: u64,
    pub(super) reply: oneshot::Receiver<QueueReply>,
    pub(super) interest: Arc<RowInterest>,
}

impl Scheduler {
    pub(super) fn new(
        options: EngineOptions,
        sessions: usize,
        metrics: Arc<VersionMetrics>,
        watchdog: &Watchdog,
        start_worker: StartWorker,
    ) -> Self {
        let EngineOptions { placement, policy, capacity } = options;
        Self {
            state: Mutex::new(QueueState::new(sessions, Arc::clone(&metrics.queue_depth))),
            work_available: Condvar::new(),
            watchdog: watchdog.clone(),
            policy,
            metrics,
            workers: Mutex::default(),
            uses_workers: AtomicBool::new(placement == Placement::Workers),
            start_worker,
            capacity,
            sessions,
            slowdown: Slowdown::default(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Runs happen outside of the lock and nothing under it panics, so a poisoned state is still consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether workers run the rows, and not callers.
    pub(super) fn uses_workers(&self) -> bool {
        self.uses_workers.load(Ordering::Relaxed)
    }

    /// Runs turned out too slow for callers' threads, whatever the probe measured: each session gets a worker when it is
    /// handed back.
    pub(super) fn switch_to_workers(&self) {
        self.uses_workers.store(true, Ordering::Relaxed);
    }

    /// How long a row of this priority that is submitted now would take. Rows of low priority do not delay predictions.
    pub(super) fn estimate(&self, state: &State, priority: Priority) -> Duration {
        let load = state.load();
        // A caller that yields before it runs has its session already, and is not running yet.
        let free = if self.uses_workers() { self.sessions.saturating_sub(load.busy) } else { load.free };
        let waiting =
            if priority == Priority::Predict { load.predictions } else { load.predictions + load.low_priority };
        let backlog = Backlog { waiting, running: load.running, free, sessions: self.sessions };
        estimate(backlog, &self.policy, self.slowdown.get())
    }

    /// Rejects a row for which there is no room, or no time.
    pub(super) fn admit(&self, state: &State, row: QueuedRow, now: Instant) -> Result<(), SubmitError> {
        if state.is_closed() {
            return Err(SubmitError::ShuttingDown);
        }
        let idle = Backlog { waiting: 0, running: 0, free: self.sessions, sessions: self.sessions };
        let idle = estimate(idle, &self.policy, self.slowdown.get());
        check(state.load(), self.capacity, row, now, [self.estimate(state, row.priority), idle])
    }

    /// Adds a row to the queue.
    pub(super) fn enqueue(&self, state: &mut State, inputs: Inputs, row: QueuedRow) -> Enqueued {
        // Needed even where callers run: the version may move to a worker while the row waits.
        let interest = RowInterest::new();
        let (reply, id, is_next_deadline) = state.push(inputs, row, Arc::clone(&interest));
        if is_next_deadline {
            self.watchdog.wake();
        }
        Enqueued { id, reply, interest }
    }

    /// The policy with what runs cost now.
    fn current_policy(&self) -> Policy {
        Policy { cost: self.policy.cost.scaled(self.slowdown.get()), ..self.policy }
    }

    /// The rows that join a leader's run; the leader itself is not in the queue.
    pub(super) fn take_joinable(&self, state: &mut State, leader: QueuedRow, now: Instant) -> Batch {
        let Policy { preferred_rows, max_rows, .. } = self.policy;
        if max_rows == 1 || state.is_empty() {
            return (Vec::new(), BatchCloseReason::Idle);
        }
        let policy = Policy { preferred_rows: preferred_rows - 1, max_rows: max_rows - 1, ..self.current_policy() };
        match decide(state.rows(), now, &policy, Some(leader)) {
            BatchDecision::Run { rows, reason } => (state.take(rows), reason),
            BatchDecision::Wait(_) | BatchDecision::Idle => (Vec::new(), BatchCloseReason::Idle),
        }
    }

    /// The next batch of queued rows.
    pub(super) fn next_batch(&self, state: &mut State, now: Instant) -> NextBatch {
        // No more rows come to a closed queue, so none are waited for.
        let max_delay = if state.is_closed() { Duration::ZERO } else { self.policy.max_delay };
        let policy = Policy { max_delay, ..self.current_policy() };
        match decide(state.rows(), now, &policy, None) {
            BatchDecision::Run { rows, reason } => NextBatch::Run((state.take(rows), reason)),
            BatchDecision::Wait(until) => NextBatch::Wait(until),
            BatchDecision::Idle => NextBatch::Idle,
        }
    }

    /// A batch of the maximum size that ends before `until`, if so many rows wait and callers still run them.
    pub(super) fn next_full_batch(&self, until: Instant) -> Option<Batch> {
        let (mut state, now, policy) = (self.lock(), Instant::now(), self.current_policy());
        if state.rows().len() < policy.max_rows
            || now + policy.cost.batch_time(policy.max_rows) > until
            || self.uses_workers()
        {
            return None;
        }
        match self.next_batch(&mut state, now) {
            NextBatch::Run(batch) => Some(batch),
            NextBatch::Wait(_) | NextBatch::Idle => None,
        }
    }

    /// Waits until there is a batch for the worker that owns `slot`, and begins its run: the worker must end it. `None` if
    /// the queue is closed and empty.
    pub(super) fn wait_for_batch(&self, slot: &SessionSlot) -> Option<Batch> {
        let mut state = self.lock();
        loop {
            let now = Instant::now();
            state = match self.next_batch(&mut state, now) {
                NextBatch::Run(batch) => {
                    // Rows that were queued before the version moved to workers have no timeout of their own; the
                    // watchdog keeps their deadlines.
                    let deadline = batch.0.iter().map(|job| job.row.deadline).max().unwrap_or(now);
                    let run = ActiveRun::new(deadline, slot.interrupt.clone());
                    state.begin_run(slot.number, batch.0.len(), run);
                    let more = !state.is_empty();
                    drop(state);
                    if more {
                        // A row that came while every worker was busy woke nobody.
                        self.wake_worker();
                    }
                    return Some(batch);
                }
                NextBatch::Wait(until) => {
                    let wait = until.saturating_duration_since(now);
                    self.work_available.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0
                }
                NextBatch::Idle if state.is_closed() => return None,
                NextBatch::Idle => self.work_available.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    /// A row was enqueued for the workers.
    pub(super) fn wake_worker(&self) {
        self.work_available.notify_one();
    }

    /// Takes no more rows; workers end when the queue is empty.
    pub(super) fn close(&self) {
        self.lock().close();
        self.work_available.notify_all();
    }

    /// Takes in how a run compares with what the probe measured, and counts its batch.
    pub(super) fn observe_run(&self, rows: usize, took: Duration, reason: BatchCloseReason) {
        self.slowdown.observe(took, self.policy.cost.batch_time(rows));
        self.metrics.observe_batch(rows, reason);
    }

    /// Passes a session on: to a worker if the version has moved to workers, else to the row that is to lead the next
    /// run, else to the free sessions.
    fn hand_over(self: &Arc<Self>, mut slot: SessionSlot) {
        if self.uses_workers() {
            return (self.start_worker)(self, slot);
        }
        loop {
            let mut state = self.lock();
            let Some(job) = state.take_leader(Instant::now(), self.policy.high_water) else {
                // Rows that are left have passed their deadlines; the watchdog takes them out.
                return state.release(slot);
            };
            drop(state);
            let lease = SessionLease::new(self, slot);
            // If the row's caller has gone, the next row gets the session.
            let Err(QueueReply::BecomeLeader(lease, _)) = job.reply.send(QueueReply::BecomeLeader(lease, job.inputs))
            else {
                return;
            };
            let Some(returned) = lease.into_slot() else { return };
            slot = returned;
        }
    }
}

impl Watched for Scheduler {
    /// Stops runs and expires rows whose deadlines have passed.
    fn check(&self, now: Instant) -> Instant {
        let mut state = self.lock();
        if state.stop_late_runs(now) {
            // A model that held a caller's thread for that long does not run on one again.
            self.switch_to_workers();
        }
        let (expired, next_check) = state.take_expired(now, CHECK_INTERVAL);
        drop(state);
        for job in expired {
            // The receiver may have been dropped; ignore the error.
            let _ = job.reply.send(QueueReply::Expired);
        }
        next_check
    }
}

/// Exclusive use of a session. Dropping it passes the session on, see [`Scheduler::hand_over`].
pub(super) struct SessionLease {
    scheduler: Arc<Scheduler>,
    slot: Option<SessionSlot>,
}

impl SessionLease {
    pub(super) fn new(scheduler: &Arc<Scheduler>, slot: SessionSlot) -> Self {
        Self { scheduler: Arc::clone(scheduler), slot: Some(slot) }
    }

    pub(super) fn scheduler(&self) -> &Arc<Scheduler> {
        &self.scheduler
    }

    /// The session.
    ///
    /// # Panics
    /// Never: a lease has its slot until it is dropped or consumed.
    pub(super) fn slot(&mut self) -> &mut SessionSlot {
        self.slot.as_mut().expect("a lease has its slot until it is consumed")
    }

    fn into_slot(mut self) -> Option<SessionSlot> {
        self.slot.take()
    }
}

impl Drop for SessionLease {
    fn drop(&mut self) {
        if let Some(slot) = self.slot.take() {
            self.scheduler.hand_over(slot);
        }
    }
}
