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
    batching::{Decision, Policy, Priority, Waiting, decide},
    lease::{Lease, Station},
    strikes::Strikes,
    watch::Watch,
    watchdog::{UnderWay, Watchdog},
};
use crate::{
    domain::tensor::Inputs,
    telemetry::{CloseReason, VersionMetrics},
};

/// A row that waits.
pub(super) struct Job {
    pub(super) id: u64,
    pub(super) waiting: Waiting,
    pub(super) inputs: Inputs,
    pub(super) reply: oneshot::Sender<Message>,
    pub(super) watch: Arc<Watch>,
}

/// What a waiting row is told.
pub(super) enum Message {
    /// It was run. The inputs come back to be freed where they were made: memory that one thread makes and another frees
    /// costs both.
    Done(Completed, Inputs),
    /// An executor is free: run yourself, and whoever waits with you.
    Lead(Lease, Inputs),
    /// Its deadline passed while it waited.
    Late,
}

/// How often a caller that runs alone looks around: it costs a few microseconds, and pays only in company.
const LOOK_AROUND_EVERY: u32 = 32;

pub(super) struct State {
    pub(super) jobs: VecDeque<Job>,
    pub(super) free: Vec<Station>,
    /// Rows that are being run.
    pub(super) running: usize,
    /// Executors that run them.
    pub(super) busy: usize,
    pub(super) closed: bool,
    /// What runs on callers' threads, by the station's number.
    pub(super) under_way: Vec<Option<UnderWay>>,
    pub(super) strikes: Strikes,
    /// When the watchdog looks next.
    pub(super) alarm: Instant,
    /// How many of the rows that wait are no predictions.
    behind: usize,
    /// Whether other rows joined the last run that a caller led.
    pub(super) company: bool,
    /// Runs that callers led, for [`State::looks_around`].
    led: u32,
    next: u64,
}

impl State {
    /// Keeps account of a row that no longer waits.
    pub(super) fn left(&mut self, job: &Job) {
        self.behind -= usize::from(job.waiting.is_behind());
    }

    /// Whether a caller that found an executor free should first let its thread do what else is ready, so that the rows
    /// that come of it join the run: where the last run had company, and now and then to find out.
    pub(super) fn looks_around(&mut self) -> bool {
        self.led = self.led.wrapping_add(1);
        self.company || self.led.is_multiple_of(LOOK_AROUND_EVERY)
    }
}

/// Rows that are no predictions have this part of the queue to themselves, and no more: they must not fill it.
const ROOM_BEHIND: usize = 4;

/// Everything that the callers and the workers of one version share.
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) filled: Condvar,
    watchdog: Watchdog,
    pub(super) policy: Policy,
    pub(super) metrics: Arc<VersionMetrics>,
    pub(super) workers: Mutex<Vec<JoinHandle<()>>>,
    /// Whether workers run the rows, and not callers.
    by_workers: AtomicBool,
    capacity: usize,
    executors: usize,
    /// How much slower runs are now than at the probe, as the bits of a double; a moving average.
    pace: AtomicU64,
}

impl Shared {
    pub(super) fn new(
        options: EngineOptions,
        executors: usize,
        metrics: Arc<VersionMetrics>,
        watchdog: &Watchdog,
    ) -> Self {
        let EngineOptions { placement, policy, capacity } = options;
        let state = State {
            jobs: VecDeque::new(),
            free: Vec::new(),
            running: 0,
            busy: 0,
            closed: false,
            under_way: (0..executors).map(|_| None).collect(),
            strikes: Strikes::default(),
            alarm: Instant::now(),
            behind: 0,
            company: false,
            led: 0,
            next: 0,
        };
        let pace = AtomicU64::new(1.0_f64.to_bits());
        let (workers, by_workers) = (Mutex::default(), AtomicBool::new(placement == Placement::Workers));
        Self {
            state: Mutex::new(state),
            filled: Condvar::new(),
            watchdog: watchdog.clone(),
            policy,
            metrics,
            workers,
            by_workers,
            capacity,
            executors,
            pace,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Runs happen outside of the lock, and nothing under it panics, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether workers run the rows, and not callers.
    pub(super) fn has_workers(&self) -> bool {
        self.by_workers.load(Ordering::Relaxed)
    }

    /// Runs turned out too long for the threads that ask, whatever the probe measured: each executor gets a worker when it
    /// is handed on.
    pub(super) fn set_heavy(&self) {
        self.by_workers.store(true, Ordering::Relaxed);
    }

    /// How long a row that comes now would take. Predictions go before everything else, which does not delay them.
    pub(super) fn estimate(&self, state: &State, priority: Priority) -> Duration {
        // A caller that looks around has its executor already, and does not run yet.
        let free = if self.has_workers() { self.executors.saturating_sub(state.busy) } else { state.free.len() };
        let before = if priority == Priority::Predict { state.jobs.len() - state.behind } else { state.jobs.len() };
        let backlog = Backlog { waiting: before, running: state.running, free, executors: self.executors };
        estimate(backlog, &self.policy, self.pace())
    }

    /// How long a row would take if nothing else were to be done.
    fn idle_estimate(&self) -> Duration {
        let backlog = Backlog { waiting: 0, running: 0, free: self.executors, executors: self.executors };
        estimate(backlog, &self.policy, self.pace())
    }

    fn pace(&self) -> f64 {
        f64::from_bits(self.pace.load(Ordering::Relaxed))
    }

    /// The policy with what runs cost now.
    pub(super) fn policy_now(&self) -> Policy {
        Policy { cost: self.policy.cost.at(self.pace()), ..self.policy }
    }

    /// Refuses a row that finds no place, or that could not be answered in time.
    pub(super) fn refuse(&self, state: &State, now: Instant, waiting: Waiting) -> Result<(), SubmitError> {
        if state.closed {
            return Err(SubmitError::Closed);
        }
        let wait = self.estimate(state, waiting.priority);
        let (taken, room) = if waiting.is_behind() {
            (state.behind, self.capacity.div_ceil(ROOM_BEHIND))
        } else {
            (state.jobs.len() - state.behind, self.capacity)
        };
        if taken >= room {
            return Err(SubmitError::Full { wait });
        }
        if now + wait <= waiting.deadline {
            return Ok(());
        }
        let row = self.idle_estimate();
        if now + row > waiting.deadline { Err(SubmitError::TooShort { row }) } else { Err(SubmitError::Late { wait }) }
    }

    /// Adds a row at the end and gives it a number.
    pub(super) fn push(&self, state: &mut State, job: impl FnOnce(u64) -> Job) -> u64 {
        let id = state.next;
        state.next += 1;
        let job = job(id);
        state.behind += usize::from(job.waiting.is_behind());
        if job.waiting.deadline < state.alarm {
            state.alarm = job.waiting.deadline;
            self.watchdog.wake();
        }
        state.jobs.push_back(job);
        self.metrics.queue_depth.inc();
        id
    }

    /// Takes a row out again; `None` where it is no longer waiting.
    pub(super) fn withdraw(&self, id: u64) -> Option<Job> {
        let mut state = self.lock();
        let place = state.jobs.iter().position(|job| job.id == id)?;
        self.metrics.queue_depth.dec();
        let job = state.jobs.remove(place)?;
        state.left(&job);
        Some(job)
    }

    /// Takes out the rows whose deadlines have passed; gives the earliest deadline of the others.
    pub(super) fn take_late(&self, state: &mut State, now: Instant) -> (Vec<Job>, Option<Instant>) {
        let late = |job: &Job| job.waiting.deadline <= now;
        let rows = (0..state.jobs.len()).filter(|row| late(&state.jobs[*row])).collect::<Vec<_>>();
        let jobs = if rows.is_empty() { Vec::new() } else { self.take(state, rows) };
        (jobs, state.jobs.iter().map(|job| job.waiting.deadline).min())
    }

    /// Decides, and takes the rows of a batch out.
    pub(super) fn pick(&self, state: &mut State, now: Instant) -> Picked {
        // No more rows come to a closed queue, so none are waited for.
        let max_delay = if state.closed { Duration::ZERO } else { self.policy.max_delay };
        let policy = Policy { max_delay, ..self.policy_now() };
        match decide(state.jobs.iter().map(|job| &job.waiting), now, &policy, None) {
            Decision::Run { rows, reason } => Picked::Batch(self.take(state, rows), reason),
            Decision::Wait(until) => Picked::Wait(until),
            Decision::Nothing => Picked::Nothing,
        }
    }

    pub(super) fn take(&self, state: &mut State, mut rows: Vec<usize>) -> Vec<Job> {
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
    pub(super) fn note_pace(&self, rows: usize, took: Duration) {
        /// Runs of this time altogether are what the average remembers, however short each of them is.
        const MEMORY: Duration = Duration::from_millis(100);
        const MOST: f64 = 0.1;
        let expected = self.policy.cost.of(rows).as_secs_f64();
        if expected > 0.0 {
            let before = self.pace();
            // A single odd run must not close the door for everyone after it.
            let now = (took.as_secs_f64() / expected).clamp(0.1, 10.0);
            let weight = took.div_duration_f64(took + MEMORY).min(MOST);
            self.pace.store((before + weight * (now - before)).to_bits(), Ordering::Relaxed);
        }
    }
}

/// What was picked.
pub(super) enum Picked {
    Batch(Vec<Job>, CloseReason),
    Wait(Instant),
    Nothing,
}
