//! The rows that wait and the executors that are free, under one lock.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    Completed, EngineOptions, Placement, SubmitError,
    admission::{Backlog, estimate},
    batching::{BatchDecision, Policy, Priority, QueuedRow, decide},
    lease::{SessionLease, SessionSlot},
    run_interest::RowInterest,
    slow_runs::SlowRunDetector,
    watchdog::{ActiveRun, Watchdog},
};
use crate::{
    domain::tensor::Inputs,
    telemetry::{BatchCloseReason, VersionMetrics},
};

/// A row that waits.
pub(super) struct Job {
    pub(super) id: u64,
    pub(super) waiting: QueuedRow,
    pub(super) inputs: Inputs,
    pub(super) reply: oneshot::Sender<QueueReply>,
    pub(super) watch: Arc<RowInterest>,
}

/// What a waiting row is told.
pub(super) enum QueueReply {
    /// It was run. The inputs come back to be freed where they were made: memory that one thread makes and another frees
    /// costs both.
    Done(Completed, Inputs),
    /// An executor is free: run yourself, and whoever waits with you.
    BecomeLeader(SessionLease, Inputs),
    /// Its deadline passed while it waited.
    Expired,
}

/// How often a caller that runs alone looks around: it costs a few microseconds, and pays only in company.
const YIELD_PROBE_INTERVAL: u32 = 32;

pub(super) struct QueueState {
    pub(super) jobs: VecDeque<Job>,
    pub(super) free: Vec<SessionSlot>,
    /// Rows that are being run.
    pub(super) running: usize,
    /// Executors that run them.
    pub(super) busy: usize,
    pub(super) closed: bool,
    /// What runs on callers' threads, by the station's number.
    pub(super) active_runs: Vec<Option<ActiveRun>>,
    pub(super) slow_runs: SlowRunDetector,
    /// When the watchdog looks next.
    pub(super) next_check: Instant,
    /// How many of the rows that wait are no predictions.
    low_priority_rows: usize,
    /// Whether other rows joined the last run that a caller led.
    pub(super) last_batch_shared: bool,
    /// Runs that callers led, for [`State::looks_around`].
    led_runs: u32,
    next: u64,
}

impl QueueState {
    /// Keeps account of a row that no longer waits.
    pub(super) fn left(&mut self, job: &Job) {
        self.low_priority_rows -= usize::from(job.waiting.is_low_priority());
    }

    /// Whether a caller that found an executor free should first let its thread do what else is ready, so that the rows
    /// that come of it join the run: where the last run had company, and now and then to find out.
    pub(super) fn should_yield_first(&mut self) -> bool {
        self.led_runs = self.led_runs.wrapping_add(1);
        self.last_batch_shared || self.led_runs.is_multiple_of(YIELD_PROBE_INTERVAL)
    }
}

/// Rows that are no predictions have this part of the queue to themselves, and no more: they must not fill it.
const LOW_PRIORITY_QUEUE_DIVISOR: usize = 4;

/// Everything that the callers and the workers of one version share.
pub(super) struct EngineShared {
    state: Mutex<QueueState>,
    pub(super) work_available: Condvar,
    watchdog: Watchdog,
    pub(super) policy: Policy,
    pub(super) metrics: Arc<VersionMetrics>,
    pub(super) workers: Mutex<Vec<JoinHandle<()>>>,
    /// Whether workers run the rows, and not callers.
    uses_workers: AtomicBool,
    capacity: usize,
    executors: usize,
    /// How much slower runs are now than at the probe, as the bits of a double; a moving average.
    slowdown: AtomicU64,
}

impl EngineShared {
    pub(super) fn new(
        options: EngineOptions,
        executors: usize,
        metrics: Arc<VersionMetrics>,
        watchdog: &Watchdog,
    ) -> Self {
        let EngineOptions { placement, policy, capacity } = options;
        let state = QueueState {
            jobs: VecDeque::new(),
            free: Vec::new(),
            running: 0,
            busy: 0,
            closed: false,
            active_runs: (0..executors).map(|_| None).collect(),
            slow_runs: SlowRunDetector::default(),
            next_check: Instant::now(),
            low_priority_rows: 0,
            last_batch_shared: false,
            led_runs: 0,
            next: 0,
        };
        let pace = AtomicU64::new(1.0_f64.to_bits());
        let (workers, by_workers) = (Mutex::default(), AtomicBool::new(placement == Placement::Workers));
        Self {
            state: Mutex::new(state),
            work_available: Condvar::new(),
            watchdog: watchdog.clone(),
            policy,
            metrics,
            workers,
            uses_workers: by_workers,
            capacity,
            executors,
            slowdown: pace,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, QueueState> {
        // Runs happen outside of the lock, and nothing under it panics, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether workers run the rows, and not callers.
    pub(super) fn uses_workers(&self) -> bool {
        self.uses_workers.load(Ordering::Relaxed)
    }

    /// Runs turned out too long for the threads that ask, whatever the probe measured: each executor gets a worker when it
    /// is handed on.
    pub(super) fn switch_to_workers(&self) {
        self.uses_workers.store(true, Ordering::Relaxed);
    }

    /// How long a row that comes now would take. Predictions go before everything else, which does not delay them.
    pub(super) fn estimate(&self, state: &QueueState, priority: Priority) -> Duration {
        // A caller that looks around has its executor already, and does not run yet.
        let free = if self.uses_workers() { self.executors.saturating_sub(state.busy) } else { state.free.len() };
        let before =
            if priority == Priority::Predict { state.jobs.len() - state.low_priority_rows } else { state.jobs.len() };
        let backlog = Backlog { waiting: before, running: state.running, free, executors: self.executors };
        estimate(backlog, &self.policy, self.slowdown())
    }

    /// How long a row would take if nothing else were to be done.
    fn idle_estimate(&self) -> Duration {
        let backlog = Backlog { waiting: 0, running: 0, free: self.executors, executors: self.executors };
        estimate(backlog, &self.policy, self.slowdown())
    }

    fn slowdown(&self) -> f64 {
        f64::from_bits(self.slowdown.load(Ordering::Relaxed))
    }

    /// The policy with what runs cost now.
    pub(super) fn current_policy(&self) -> Policy {
        Policy { cost: self.policy.cost.scaled(self.slowdown()), ..self.policy }
    }

    /// Refuses a row that finds no place, or that could not be answered in time.
    pub(super) fn check_admission(
        &self,
        state: &QueueState,
        now: Instant,
        waiting: QueuedRow,
    ) -> Result<(), SubmitError> {
        if state.closed {
            return Err(SubmitError::ShuttingDown);
        }
        let wait = self.estimate(state, waiting.priority);
        let (taken, room) = if waiting.is_low_priority() {
            (state.low_priority_rows, self.capacity.div_ceil(LOW_PRIORITY_QUEUE_DIVISOR))
        } else {
            (state.jobs.len() - state.low_priority_rows, self.capacity)
        };
        if taken >= room {
            return Err(SubmitError::QueueFull { wait });
        }
        if now + wait <= waiting.deadline {
            return Ok(());
        }
        let row = self.idle_estimate();
        if now + row > waiting.deadline {
            Err(SubmitError::DeadlineTooShort { row })
        } else {
            Err(SubmitError::WouldMissDeadline { wait })
        }
    }

    /// Adds a row at the end and gives it a number.
    pub(super) fn push(&self, state: &mut QueueState, job: impl FnOnce(u64) -> Job) -> u64 {
        let id = state.next;
        state.next += 1;
        let job = job(id);
        state.low_priority_rows += usize::from(job.waiting.is_low_priority());
        if job.waiting.deadline < state.next_check {
            state.next_check = job.waiting.deadline;
            self.watchdog.wake();
        }
        state.jobs.push_back(job);
        self.metrics.queue_depth.inc();
        id
    }

    /// Takes a row out again; `None` where it is no longer waiting.
    pub(super) fn remove(&self, id: u64) -> Option<Job> {
        let mut state = self.lock();
        let place = state.jobs.iter().position(|job| job.id == id)?;
        self.metrics.queue_depth.dec();
        let job = state.jobs.remove(place)?;
        state.left(&job);
        Some(job)
    }

    /// Takes out the rows whose deadlines have passed; gives the earliest deadline of the others.
    pub(super) fn take_expired(&self, state: &mut QueueState, now: Instant) -> (Vec<Job>, Option<Instant>) {
        let late = |job: &Job| job.waiting.deadline <= now;
        let rows = (0..state.jobs.len()).filter(|row| late(&state.jobs[*row])).collect::<Vec<_>>();
        let jobs = if rows.is_empty() { Vec::new() } else { self.take_rows(state, rows) };
        (jobs, state.jobs.iter().map(|job| job.waiting.deadline).min())
    }

    /// Decides, and takes the rows of a batch out.
    pub(super) fn next_batch(&self, state: &mut QueueState, now: Instant) -> NextBatch {
        // No more rows come to a closed queue, so none are waited for.
        let max_delay = if state.closed { Duration::ZERO } else { self.policy.max_delay };
        let policy = Policy { max_delay, ..self.current_policy() };
        match decide(state.jobs.iter().map(|job| &job.waiting), now, &policy, None) {
            BatchDecision::Run { rows, reason } => NextBatch::Batch(self.take_rows(state, rows), reason),
            BatchDecision::Wait(until) => NextBatch::Wait(until),
            BatchDecision::Idle => NextBatch::Idle,
        }
    }

    pub(super) fn take_rows(&self, state: &mut QueueState, mut rows: Vec<usize>) -> Vec<Job> {
        let in_front = rows.iter().enumerate().all(|(index, row)| index == *row);
        let jobs: Vec<Job> = if in_front {
            state.jobs.drain(..rows.len()).collect()
        } else {
            rows.sort_unstable();
            let mut jobs: Vec<Job> = rows.iter().rev().filter_map(|row| state.jobs.remove(*row)).collect();
            jobs.reverse();
            jobs
        };
        for job in &jobs {
            state.left(job);
            self.metrics.queue_depth.dec();
        }
        jobs
    }

    /// Keeps account of how runs compare with what the probe measured.
    pub(super) fn observe_run(&self, rows: usize, took: Duration) {
        /// Runs of this time altogether are what the average remembers, however short each of them is.
        const AVERAGING_TIME: Duration = Duration::from_millis(100);
        const MAX_WEIGHT: f64 = 0.1;
        let expected = self.policy.cost.batch_time(rows).as_secs_f64();
        if expected > 0.0 {
            let before = self.slowdown();
            // A single odd run must not close the door for everyone after it.
            let now = (took.as_secs_f64() / expected).clamp(0.1, 10.0);
            let weight = took.div_duration_f64(took + AVERAGING_TIME).min(MAX_WEIGHT);
            self.slowdown.store((before + weight * (now - before)).to_bits(), Ordering::Relaxed);
        }
    }
}

/// What was picked.
pub(super) enum NextBatch {
    Batch(Vec<Job>, BatchCloseReason),
    Wait(Instant),
    Idle,
}
