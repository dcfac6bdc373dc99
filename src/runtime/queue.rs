//! The queue of one engine: rows that wait, sessions that are free, runs under way. Plain data behind the scheduler's
//! lock. Its fields are private; every change is one of the transitions below.
//!
//! ```text
//! a row
//!             push            take                    end of the run
//!   admitted ──────▶ queued ─────────▶ running ───────────────────────▶ completed
//!                     │ │ │ take_leader              end of the run
//!                     │ │ └────────────▶ leading (its caller runs it) ─▶ completed
//!                     │ │ take_expired
//!                     │ └──────────────▶ expired
//!                     │ remove
//!                     └────────────────▶ cancelled (its caller has gone, or its deadline passed)
//!
//! a session slot
//!           acquire                begin_run            end_run             release
//!   free ────────────▶ leased ───────────────▶ busy ─────────────▶ leased ───────────▶ free, or leased to the row that
//!                                                                                     take_leader names
//!
//! the engine:   inline ── switch_to_workers ──▶ workers (never back)          open ── close ──▶ closed
//! ```
//!
//! Invariants: a row leaves the queue by exactly one transition, so it is run at most once and answered once;
//! `low_priority_rows` and the metric `candor_queue_depth` follow every one of them; a slot is in one place only.
//!
//! `L` is what the row that leads the next run receives: the scheduler's lease of a slot.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::sync::oneshot;

use super::{
    batching::{Priority, QueuedRow, next_leader},
    executor::{Executor, Interrupt},
    reply::Completed,
    run_control::{ActiveRun, RowInterest},
    slow_runs::SlowRunDetector,
};
use crate::{domain::tensor::Inputs, telemetry::UpDownCounter};

/// A caller that runs alone yields once in this many runs, to find out whether others would join: a yield costs a few
/// microseconds, and pays only if they do.
const YIELD_PROBE_INTERVAL: u32 = 32;

/// A queued row with everything that is needed to run and answer it.
pub(super) struct Job<L> {
    pub(super) id: u64,
    pub(super) row: QueuedRow,
    pub(super) inputs: Inputs,
    pub(super) reply: oneshot::Sender<QueueReply<L>>,
    pub(super) interest: Arc<RowInterest>,
}

/// What a waiting caller receives.
pub(super) enum QueueReply<L> {
    /// The row was run. The inputs come back to be freed by the thread that allocated them: freeing across threads
    /// costs both.
    Done(Completed, Inputs),
    /// A session is free: run the row yourself, with the rows that may join it.
    BecomeLeader(L, Inputs),
    /// The deadline passed while the row waited.
    Expired,
}

/// A session that runs on callers' threads or on a worker, and how its runs are stopped.
pub(super) struct SessionSlot {
    /// The slot's index in the engine.
    pub(super) number: usize,
    pub(super) executor: Box<dyn Executor>,
    pub(super) interrupt: Option<Interrupt>,
}

impl SessionSlot {
    pub(super) fn new(number: usize, executor: Box<dyn Executor>) -> Self {
        Self { number, interrupt: executor.interrupt(), executor }
    }
}

/// The numbers that admission judges a new row by.
#[derive(Debug, Clone, Copy)]
pub(super) struct QueueLoad {
    /// Predictions that wait.
    pub(super) predictions: usize,
    /// Other rows that wait.
    pub(super) low_priority: usize,
    /// Rows that are being run.
    pub(super) running: usize,
    /// Sessions that run them.
    pub(super) busy: usize,
    /// Sessions that are free; not counted if workers own them.
    pub(super) free: usize,
}

/// See the module.
pub(super) struct QueueState<L> {
    jobs: VecDeque<Job<L>>,
    free: Vec<SessionSlot>,
    running_rows: usize,
    busy_slots: usize,
    closed: bool,
    /// The runs that the watchdog stops at their deadline, by slot number.
    active_runs: Vec<Option<ActiveRun>>,
    slow_runs: SlowRunDetector,
    /// When the watchdog checks next.
    next_check: Instant,
    low_priority_rows: usize,
    /// Whether other rows joined the last run that a caller led.
    last_batch_shared: bool,
    led_runs: u32,
    next_id: u64,
    depth: Arc<UpDownCounter>,
}

impl<L> QueueState<L> {
    /// An empty queue before `slots` sessions, none of which is free yet. `depth` follows the number of rows.
    pub(super) fn new(slots: usize, depth: Arc<UpDownCounter>) -> Self {
        Self {
            jobs: VecDeque::new(),
            free: Vec::new(),
            running_rows: 0,
            busy_slots: 0,
            closed: false,
            active_runs: (0..slots).map(|_| None).collect(),
            slow_runs: SlowRunDetector::default(),
            next_check: Instant::now(),
            low_priority_rows: 0,
            last_batch_shared: false,
            led_runs: 0,
            next_id: 0,
            depth,
        }
    }

    /// The rows that wait, oldest first.
    pub(super) fn rows(&self) -> impl ExactSizeIterator<Item = &QueuedRow> {
        self.jobs.iter().map(|job| &job.row)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }

    pub(super) fn load(&self) -> QueueLoad {
        QueueLoad {
            predictions: self.jobs.len() - self.low_priority_rows,
            low_priority: self.low_priority_rows,
            running: self.running_rows,
            busy: self.busy_slots,
            free: self.free.len(),
        }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.closed
    }

    /// Takes no more rows and frees the idle sessions. Rows that wait are still run.
    pub(super) fn close(&mut self) {
        self.closed = true;
        self.free.clear();
    }

    /// Adds a row at the end. Returns the receiver of its reply and its id, and true if its deadline comes before the
    /// watchdog's next check.
    pub(super) fn push(
        &mut self,
        inputs: Inputs,
        row: QueuedRow,
        interest: Arc<RowInterest>,
    ) -> (oneshot::Receiver<QueueReply<L>>, u64, bool) {
        let (reply, receiver) = oneshot::channel();
        let id = self.next_id;
        self.next_id += 1;
        self.low_priority_rows += usize::from(row.is_low_priority());
        self.depth.inc();
        self.jobs.push_back(Job { id, row, inputs, reply, interest });
        let is_next = row.deadline < self.next_check;
        if is_next {
            self.next_check = row.deadline;
        }
        (receiver, id, is_next)
    }

    /// Takes the row with this id out, because its caller has gone. Returns false if it no longer waits.
    pub(super) fn remove(&mut self, id: u64) -> bool {
        let index = self.jobs.iter().position(|job| job.id == id);
        index.and_then(|index| self.take_one(index)).is_some()
    }

    /// Takes out the rows of a batch, by their indices. They come in the order of the queue.
    pub(super) fn take(&mut self, mut rows: Vec<usize>) -> Vec<Job<L>> {
        let in_front = rows.iter().enumerate().all(|(index, row)| index == *row);
        if in_front {
            let jobs: Vec<Job<L>> = self.jobs.drain(..rows.len()).collect();
            for job in &jobs {
                self.on_left(job);
            }
            return jobs;
        }
        rows.sort_unstable();
        let mut jobs: Vec<Job<L>> = rows.iter().rev().filter_map(|row| self.take_one(*row)).collect();
        jobs.reverse();
        jobs
    }

    /// Takes out the row that is to lead the next run; `None` if no row can still be in time.
    pub(super) fn take_leader(&mut self, now: Instant, high_water: usize) -> Option<Job<L>> {
        next_leader(self.rows(), now, high_water).and_then(|index| self.take_one(index))
    }

    /// Takes out the rows whose deadlines have passed, and notes when the watchdog has to check next: at the earliest
    /// deadline of the others, within `interval` of now.
    pub(super) fn take_expired(
        &mut self,
        now: Instant,
        interval: std::ops::RangeInclusive<Duration>,
    ) -> (Vec<Job<L>>, Instant) {
        let expired: Vec<usize> =
            self.rows().enumerate().filter(|(_, row)| row.deadline <= now).map(|(index, _)| index).collect();
        let jobs = if expired.is_empty() { Vec::new() } else { self.take(expired) };
        let (earliest, latest) = (now + *interval.start(), now + *interval.end());
        self.next_check = self.rows().map(|row| row.deadline).min().unwrap_or(latest).clamp(earliest, latest);
        (jobs, self.next_check)
    }

    fn take_one(&mut self, index: usize) -> Option<Job<L>> {
        let job = self.jobs.remove(index)?;
        self.on_left(&job);
        Some(job)
    }

    fn on_left(&mut self, job: &Job<L>) {
        self.low_priority_rows -= usize::from(job.row.is_low_priority());
        self.depth.dec();
    }

    /// Takes a free session.
    pub(super) fn acquire(&mut self) -> Option<SessionSlot> {
        self.free.pop()
    }

    /// Makes a session free, or drops it if the engine is closed.
    pub(super) fn release(&mut self, slot: SessionSlot) {
        if !self.closed {
            self.free.push(slot);
        }
    }

    /// A slot begins to run so many rows. The watchdog stops `run` at its deadline.
    pub(super) fn begin_run(&mut self, slot: usize, rows: usize, run: ActiveRun) {
        self.running_rows += rows;
        self.busy_slots += 1;
        self.active_runs[slot] = Some(run);
    }

    /// The run has ended.
    pub(super) fn end_run(&mut self, slot: usize, rows: usize) {
        self.running_rows -= rows;
        self.busy_slots -= 1;
        self.active_runs[slot].take().map(ActiveRun::end);
    }

    /// Stops the runs whose deadlines have passed. Returns whether there was one.
    pub(super) fn stop_late_runs(&mut self, now: Instant) -> bool {
        // Not `any`: each of them must be stopped.
        self.active_runs.iter_mut().flatten().filter_map(|run| run.stop_if_late(now).then_some(())).count() > 0
    }

    /// Takes in the time of a run on a caller's thread. Returns true if the model is too slow for such threads.
    pub(super) fn is_too_slow_inline(&mut self, took: Duration, expected: Duration) -> bool {
        self.slow_runs.observe(took, expected)
    }

    /// Notes whether other rows joined the run that a caller leads.
    pub(super) fn note_led_run(&mut self, shared: bool) {
        self.last_batch_shared = shared;
    }

    /// Whether a caller that found a session free should first yield once, so that rows which are ready on its thread can
    /// join: if rows joined the last run, and now and then to find out. Rows of low priority always yield: they come
    /// many at a time, and their latency does not matter to microseconds.
    pub(super) fn should_yield_first(&mut self, priority: Priority) -> bool {
        self.led_runs = self.led_runs.wrapping_add(1);
        priority != Priority::Predict || self.last_batch_shared || self.led_runs.is_multiple_of(YIELD_PROBE_INTERVAL)
    }
}
