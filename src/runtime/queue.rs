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
    Completed, EngineOptions, Executor, Interrupt, Placement, SubmitError,
    admission::{Backlog, estimate},
    batching::{Decision, Policy, Waiting, decide, leader},
    run::run,
    strikes::Strikes,
    watch::Watch,
    watchdog::UnderWay,
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
    pub(super) free: Vec<Station>,
    /// Rows that are being run.
    pub(super) running: usize,
    /// Executors that run them.
    pub(super) busy: usize,
    pub(super) closed: bool,
    /// What runs on callers' threads, by the station's number.
    pub(super) under_way: Vec<Option<UnderWay>>,
    strikes: Strikes,
    /// Whether other rows joined the last run that a caller led.
    company: bool,
    /// Runs that callers led, for [`State::looks_around`].
    led: u32,
    next: u64,
}

impl State {
    /// Whether a caller that found an executor free should first let its thread do what else is ready, so that the rows
    /// that come of it join the run: where the last run had company, and now and then to find out.
    pub(super) fn looks_around(&mut self) -> bool {
        self.led = self.led.wrapping_add(1);
        self.company || self.led.is_multiple_of(LOOK_AROUND_EVERY)
    }
}

/// An executor that callers run on, and how its runs are stopped.
pub(super) struct Station {
    number: usize,
    executor: Box<dyn Executor>,
    interrupt: Option<Interrupt>,
}

impl Station {
    pub(super) fn new(number: usize, executor: Box<dyn Executor>) -> Self {
        Self { number, interrupt: executor.interrupt(), executor }
    }
}

/// Everything that the callers and the workers of one version share.
pub(super) struct Shared {
    state: Mutex<State>,
    pub(super) filled: Condvar,
    /// The version takes no more rows.
    pub(super) over: Condvar,
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
    pub(super) fn new(options: EngineOptions, executors: usize, metrics: Arc<VersionMetrics>) -> Self {
        let EngineOptions { placement, policy, capacity } = options;
        let state = State {
            jobs: VecDeque::new(),
            free: Vec::new(),
            running: 0,
            busy: 0,
            closed: false,
            under_way: (0..executors).map(|_| None).collect(),
            strikes: Strikes::default(),
            company: false,
            led: 0,
            next: 0,
        };
        let pace = AtomicU64::new(1.0_f64.to_bits());
        let (workers, by_workers) = (Mutex::default(), AtomicBool::new(placement == Placement::Workers));
        Self {
            state: Mutex::new(state),
            filled: Condvar::new(),
            over: Condvar::new(),
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

    fn backlog(&self, state: &State) -> Backlog {
        // A caller that looks around has its executor already, and does not run yet.
        let free = if self.has_workers() { self.executors.saturating_sub(state.busy) } else { state.free.len() };
        Backlog { waiting: state.jobs.len(), running: state.running, free, executors: self.executors }
    }

    /// How long a row that comes now would take.
    pub(super) fn estimate(&self, state: &State) -> Duration {
        estimate(self.backlog(state), self.policy.cost, self.policy.max_rows, self.pace())
    }

    fn pace(&self) -> f64 {
        f64::from_bits(self.pace.load(Ordering::Relaxed))
    }

    /// The policy with what runs cost now.
    fn policy_now(&self) -> Policy {
        Policy { cost: self.policy.cost.at(self.pace()), ..self.policy }
    }

    /// Refuses a row that finds no place, or that could not be answered in time.
    pub(super) fn refuse(&self, state: &State, now: Instant, deadline: Instant) -> Result<(), SubmitError> {
        if state.closed {
            return Err(SubmitError::Closed);
        }
        if state.jobs.len() >= self.capacity {
            return Err(SubmitError::Full { wait: self.estimate(state) });
        }
        let wait = self.estimate(state);
        if now + wait > deadline { Err(SubmitError::Late { wait }) } else { Ok(()) }
    }

    /// Adds a row at the end and gives it a number.
    pub(super) fn push(&self, state: &mut State, job: impl FnOnce(u64) -> Job) -> u64 {
        let id = state.next;
        state.next += 1;
        state.jobs.push_back(job(id));
        self.metrics.queue_depth.inc();
        id
    }

    /// Takes a row out again; `None` where it is no longer waiting.
    pub(super) fn withdraw(&self, id: u64) -> Option<Job> {
        let mut state = self.lock();
        let place = state.jobs.iter().position(|job| job.id == id)?;
        self.metrics.queue_depth.dec();
        state.jobs.remove(place)
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
        for _ in &jobs {
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

/// An executor on its way: whoever holds it runs. Dropped, it goes to the next row that waits, or is free again.
pub(super) struct Lease {
    shared: Arc<Shared>,
    station: Option<Station>,
}

impl Lease {
    pub(super) fn new(shared: &Arc<Shared>, station: Station) -> Self {
        Self { shared: Arc::clone(shared), station: Some(station) }
    }

    /// Runs one's own row, and with it what waits and fits.
    pub(super) fn lead(mut self, own: &Inputs, waiting: Waiting) -> Option<Completed> {
        let shared = Arc::clone(&self.shared);
        let station = self.station.as_mut()?;
        let started = Instant::now();
        let (jobs, reason) = {
            let mut state = shared.lock();
            let beside = shared.beside(&mut state, waiting, started);
            state.company = !beside.0.is_empty();
            state.running += 1 + beside.0.len();
            state.busy += 1;
            let until = beside.0.iter().map(|job| job.waiting.deadline).fold(waiting.deadline, Instant::max);
            state.under_way[station.number] = Some(UnderWay::new(until, station.interrupt.clone()));
            beside
        };
        let rows: Vec<&Inputs> = std::iter::once(own).chain(jobs.iter().map(|job| &job.inputs)).collect();
        let ran = run(station.executor.as_mut(), &rows);
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
        if let Some(run) = state.under_way[station.number].take() {
            run.end();
        }
        if state.strikes.note(ran.took, shared.policy.cost.of(count)) {
            shared.set_heavy();
        }
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
        match decide(state.jobs.iter().map(|job| &job.waiting), now, &policy, Some(leader.group)) {
            Decision::Run { rows, reason } => (self.take(state, rows), reason),
            Decision::Wait(_) | Decision::Nothing => (Vec::new(), CloseReason::Idle),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut station) = self.station.take() else { return };
        if self.shared.has_workers() {
            return worker::take_over(station.executor, &self.shared);
        }
        loop {
            let mut state = self.shared.lock();
            let high_water = self.shared.policy.high_water;
            let next = leader(state.jobs.iter().map(|job| &job.waiting), Instant::now(), high_water);
            let Some(job) = next.and_then(|place| state.jobs.remove(place)) else {
                // What is left has passed its deadline, and is taken out by whoever waited for it.
                if !state.closed {
                    state.free.push(station);
                }
                return;
            };
            drop(state);
            self.shared.metrics.queue_depth.dec();
            let lease = Self { shared: Arc::clone(&self.shared), station: Some(station) };
            // Where its caller has gone, the next row gets the executor.
            let Err(Message::Lead(mut lease, _)) = job.reply.send(Message::Lead(lease, job.inputs)) else { return };
            let Some(returned) = lease.station.take() else { return };
            station = returned;
        }
    }
}
