//! The rows that wait and the executors that are free, under one lock; and the lease that carries an executor about.

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
    Completed, Executor, SubmitError,
    admission::{Backlog, estimate},
    batching::{Decision, Policy, Priority, Waiting, decide, leader},
    run::run,
    watch::Watch,
    worker,
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
    /// It was run.
    Done(Completed),
    /// An executor is free: run yourself, and whoever waits with you.
    Lead(Lease, Inputs),
}

/// How often a caller that runs alone looks around: it costs a few microseconds, and pays only in company.
const LOOK_AROUND_EVERY: u32 = 32;

pub(super) struct State {
    pub(super) jobs: VecDeque<Job>,
    pub(super) free: Vec<Box<dyn Executor>>,
    /// Rows that are being run.
    pub(super) running: usize,
    /// Executors that run them.
    pub(super) busy: usize,
    pub(super) closed: bool,
    /// How many of the rows that wait are no predictions.
    behind: usize,
    /// Whether other rows joined the last run that a caller led.
    company: bool,
    /// Runs that callers led, for [`State::looks_around`].
    led: u32,
    next: u64,
}

impl State {
    /// Keeps account of a row that no longer waits.
    fn left(&mut self, job: &Job) {
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
    pub(super) policy: Policy,
    pub(super) metrics: Arc<VersionMetrics>,
    pub(super) workers: Mutex<Vec<JoinHandle<()>>>,
    heavy: AtomicBool,
    capacity: usize,
    executors: usize,
    /// How much slower runs are now than at the probe, as the bits of a double; a moving average.
    pace: AtomicU64,
}

impl Shared {
    pub(super) fn new(policy: Policy, capacity: usize, executors: usize, metrics: Arc<VersionMetrics>) -> Self {
        let state = State {
            jobs: VecDeque::new(),
            free: Vec::new(),
            running: 0,
            busy: 0,
            closed: false,
            behind: 0,
            company: false,
            led: 0,
            next: 0,
        };
        let pace = AtomicU64::new(1.0_f64.to_bits());
        let (workers, heavy) = (Mutex::default(), AtomicBool::new(false));
        Self {
            state: Mutex::new(state),
            filled: Condvar::new(),
            policy,
            metrics,
            workers,
            heavy,
            capacity,
            executors,
            pace,
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // Runs happen outside of the lock, and nothing under it panics, so a poisoned state is still whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether runs turned out too long for the threads that ask, whatever the probe measured.
    pub(super) fn is_heavy(&self) -> bool {
        self.heavy.load(Ordering::Relaxed)
    }

    /// How long a row that comes now would take. Predictions go before everything else, which does not delay them.
    pub(super) fn estimate(&self, state: &State, priority: Priority) -> Duration {
        let free = self.executors.saturating_sub(state.busy);
        let before = if priority == Priority::Predict { state.jobs.len() - state.behind } else { state.jobs.len() };
        let backlog = Backlog { waiting: before, running: state.running, free, executors: self.executors };
        estimate(backlog, self.policy.cost, self.policy.max_rows, self.pace())
    }

    fn pace(&self) -> f64 {
        f64::from_bits(self.pace.load(Ordering::Relaxed))
    }

    /// The policy with what runs cost now.
    fn policy_now(&self) -> Policy {
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
        if now + wait > waiting.deadline { Err(SubmitError::Late { wait }) } else { Ok(()) }
    }

    /// Adds a row at the end and gives it a number.
    pub(super) fn push(&self, state: &mut State, job: impl FnOnce(u64) -> Job) -> u64 {
        let id = state.next;
        state.next += 1;
        let job = job(id);
        state.behind += usize::from(job.waiting.is_behind());
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

    fn take(&self, state: &mut State, mut rows: Vec<usize>) -> Vec<Job> {
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

/// A run that takes longer than this on a thread that asks, and [`FAR_OVER`] its measured cost, moves the version to a
/// worker: the cost depends on the input, and the probe's rows were cheap ones.
const LONGEST_FOR_CALLERS: Duration = Duration::from_millis(20);

/// How many times the measured cost is far over it.
const FAR_OVER: u32 = 10;

/// An executor on its way: whoever holds it runs. Dropped, it goes to the next row that waits, or is free again.
pub(super) struct Lease {
    shared: Arc<Shared>,
    executor: Option<Box<dyn Executor>>,
}

impl Lease {
    pub(super) fn new(shared: &Arc<Shared>, executor: Box<dyn Executor>) -> Self {
        Self { shared: Arc::clone(shared), executor: Some(executor) }
    }

    /// Runs one's own row, and with it what waits and fits.
    pub(super) fn lead(mut self, own: &Inputs, waiting: Waiting) -> Option<Completed> {
        let shared = Arc::clone(&self.shared);
        let started = Instant::now();
        let (jobs, reason) = {
            let mut state = shared.lock();
            let beside = shared.beside(&mut state, waiting, started);
            state.company = !beside.0.is_empty();
            state.running += 1 + beside.0.len();
            state.busy += 1;
            beside
        };
        let rows: Vec<&Inputs> = std::iter::once(own).chain(jobs.iter().map(|job| &job.inputs)).collect();
        let ran = run(self.executor.as_mut()?.as_mut(), &rows);
        if ran.took > LONGEST_FOR_CALLERS && ran.took > shared.policy.cost.of(rows.len()) * FAR_OVER {
            shared.heavy.store(true, Ordering::Relaxed);
        }
        shared.note_pace(rows.len(), ran.took);
        shared.metrics.observe_batch(rows.len(), reason);
        let (count, mut results) = (rows.len(), ran.rows.into_iter());
        let complete = |queued: Instant, result| Completed {
            result,
            batch_rows: count,
            queue: started.saturating_duration_since(queued),
            infer: ran.took,
        };
        let mine = complete(waiting.queued, results.next()?);
        for (job, result) in jobs.into_iter().zip(results) {
            // Whoever asked may have gone; then the answer is nobody's.
            let _ = job.reply.send(Message::Done(complete(job.waiting.queued, result)));
        }
        let mut state = shared.lock();
        state.running -= count;
        state.busy -= 1;
        drop(state);
        Some(mine)
    }
}

impl Shared {
    /// The rows that join a leader that is not in the queue.
    fn beside(&self, state: &mut State, leader: Waiting, now: Instant) -> (Vec<Job>, CloseReason) {
        if self.policy.max_rows == 1 || state.jobs.is_empty() {
            return (Vec::new(), CloseReason::Idle);
        }
        let policy = Policy { max_rows: self.policy.max_rows - 1, ..self.policy_now() };
        match decide(state.jobs.iter().map(|job| &job.waiting), now, &policy, Some(leader)) {
            Decision::Run { rows, reason } => (self.take(state, rows), reason),
            Decision::Wait(_) | Decision::Nothing => (Vec::new(), CloseReason::Idle),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut executor) = self.executor.take() else { return };
        if self.shared.is_heavy() {
            return worker::take_over(executor, &self.shared);
        }
        loop {
            let mut state = self.shared.lock();
            let high_water = self.shared.policy.high_water;
            let next = leader(state.jobs.iter().map(|job| &job.waiting), Instant::now(), high_water);
            let Some(job) = next.and_then(|place| state.jobs.remove(place)) else {
                // What is left has passed its deadline, and is taken out by whoever waited for it.
                if !state.closed {
                    state.free.push(executor);
                }
                return;
            };
            state.left(&job);
            drop(state);
            self.shared.metrics.queue_depth.dec();
            let lease = Self { shared: Arc::clone(&self.shared), executor: Some(executor) };
            // Where its caller has gone, the next row gets the executor.
            let Err(Message::Lead(mut lease, _)) = job.reply.send(Message::Lead(lease, job.inputs)) else { return };
            let Some(returned) = lease.executor.take() else { return };
            executor = returned;
        }
    }
}
