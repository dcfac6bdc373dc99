//! The lease of an executor: whoever holds it runs its own row and what waits with it, and hands the executor on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Completed, Executor, Interrupt,
    batching::{BatchDecision, Policy, QueuedRow, decide, next_leader},
    queue::{EngineShared, Job, NextBatch, QueueReply, QueueState},
    run::run_batch,
    watchdog::ActiveRun,
    worker,
};
use crate::{domain::tensor::Inputs, telemetry::BatchCloseReason};

/// How long a caller goes on with the rows of others when its own is done and more wait than fit one run. To hand the executor
/// on instead, it would have to wait until the next caller's thread comes to it, behind all that is ready there; with
/// hundreds of callers the threads then take turns.
const LEADER_EXTRA_TIME: Duration = Duration::from_millis(1);

/// An executor that callers run on, and how its runs are stopped.
pub(super) struct SessionSlot {
    pub(super) number: usize,
    pub(super) executor: Box<dyn Executor>,
    interrupt: Option<Interrupt>,
}

impl SessionSlot {
    pub(super) fn new(number: usize, executor: Box<dyn Executor>) -> Self {
        Self { number, interrupt: executor.interrupt(), executor }
    }
}

/// An executor on its way: whoever holds it runs. Dropped, it goes to the next row that waits, or is free again.
pub(super) struct SessionLease {
    shared: Arc<EngineShared>,
    slot: Option<SessionSlot>,
}

impl SessionLease {
    pub(super) fn new(shared: &Arc<EngineShared>, station: SessionSlot) -> Self {
        Self { shared: Arc::clone(shared), slot: Some(station) }
    }

    /// Runs one's own row, and with it what waits and fits; then whole runs of what waits besides.
    pub(super) fn run_as_leader(mut self, own: &Inputs, waiting: QueuedRow) -> Option<Completed> {
        let shared = Arc::clone(&self.shared);
        let (jobs, reason) = {
            let mut state = shared.lock();
            let beside = shared.joinable_rows(&mut state, waiting, Instant::now());
            state.last_batch_shared = !beside.0.is_empty();
            beside
        };
        let mut mine = self.run(Some((own, waiting)), jobs, reason)?;
        let done = Instant::now();
        let until = waiting.deadline.min(done + LEADER_EXTRA_TIME);
        while let Some((jobs, reason)) = shared.next_full_batch(until) {
            self.run(None, jobs, reason);
        }
        // Its own answer has waited for those.
        mine.queue += done.elapsed();
        Some(mine)
    }

    /// Runs rows, the caller's own before the others, and answers them. Gives the caller's own answer.
    fn run(
        &mut self,
        own: Option<(&Inputs, QueuedRow)>,
        jobs: Vec<Job>,
        reason: BatchCloseReason,
    ) -> Option<Completed> {
        let (shared, station, started) = (&self.shared, self.slot.as_mut()?, Instant::now());
        let rows: Vec<&Inputs> = own.iter().map(|own| own.0).chain(jobs.iter().map(|job| &job.inputs)).collect();
        let count = rows.len();
        {
            let deadlines = own.iter().map(|own| own.1.deadline).chain(jobs.iter().map(|job| job.waiting.deadline));
            let until = deadlines.max().unwrap_or(started);
            let mut state = shared.lock();
            state.running += count;
            state.busy += 1;
            state.active_runs[station.number] = Some(ActiveRun::new(until, station.interrupt.clone()));
        }
        let ran = run_batch(station.executor.as_mut(), &rows);
        shared.observe_run(count, ran.took);
        shared.metrics.observe_batch(count, reason);
        let mut results = ran.rows.into_iter();
        let complete = |queued: Instant, result| Completed {
            result,
            batch_rows: count,
            queue: started.saturating_duration_since(queued),
            infer: ran.took,
        };
        let mine = own.and_then(|own| Some(complete(own.1.queued, results.next()?)));
        for (Job { waiting, inputs, reply, .. }, result) in jobs.into_iter().zip(results) {
            // Whoever asked may have gone; then the answer is nobody's.
            let _ = reply.send(QueueReply::Done(complete(waiting.queued, result), inputs));
        }
        let mut state = shared.lock();
        state.running -= count;
        state.busy -= 1;
        if let Some(run) = state.active_runs[station.number].take() {
            run.end();
        }
        if state.slow_runs.observe(ran.took, shared.policy.cost.batch_time(count)) {
            shared.switch_to_workers();
        }
        drop(state);
        mine
    }
}

impl EngineShared {
    /// The rows that join a leader that is not in the queue.
    fn joinable_rows(&self, state: &mut QueueState, leader: QueuedRow, now: Instant) -> (Vec<Job>, BatchCloseReason) {
        let Policy { preferred_rows: worth_rows, max_rows, .. } = self.policy;
        if max_rows == 1 || state.jobs.is_empty() {
            return (Vec::new(), BatchCloseReason::Idle);
        }
        let policy = Policy { preferred_rows: worth_rows - 1, max_rows: max_rows - 1, ..self.current_policy() };
        match decide(state.jobs.iter().map(|job| &job.waiting), now, &policy, Some(leader)) {
            BatchDecision::Run { rows, reason } => (self.take_rows(state, rows), reason),
            BatchDecision::Wait(_) | BatchDecision::Idle => (Vec::new(), BatchCloseReason::Idle),
        }
    }

    /// The rows of a run that needs no leader: as many as fit wait, and it ends by then.
    fn next_full_batch(&self, until: Instant) -> Option<(Vec<Job>, BatchCloseReason)> {
        let (mut state, now) = (self.lock(), Instant::now());
        let policy = self.current_policy();
        if state.jobs.len() < policy.max_rows
            || now + policy.cost.batch_time(policy.max_rows) > until
            || self.uses_workers()
        {
            return None;
        }
        match self.next_batch(&mut state, now) {
            NextBatch::Batch(jobs, reason) => Some((jobs, reason)),
            NextBatch::Wait(_) | NextBatch::Idle => None,
        }
    }
}

impl Drop for SessionLease {
    fn drop(&mut self) {
        let Some(mut station) = self.slot.take() else { return };
        if self.shared.uses_workers() {
            return worker::move_to_worker(station, &self.shared);
        }
        loop {
            let mut state = self.shared.lock();
            let high_water = self.shared.policy.high_water;
            let next = next_leader(state.jobs.iter().map(|job| &job.waiting), Instant::now(), high_water);
            let Some(job) = next.and_then(|place| state.jobs.remove(place)) else {
                // What is left has passed its deadline, and the watchdog takes it out.
                if !state.closed {
                    state.free.push(station);
                }
                return;
            };
            state.left(&job);
            drop(state);
            self.shared.metrics.queue_depth.dec();
            let lease = Self { shared: Arc::clone(&self.shared), slot: Some(station) };
            // Where its caller has gone, the next row gets the executor.
            let Err(QueueReply::BecomeLeader(mut lease, _)) =
                job.reply.send(QueueReply::BecomeLeader(lease, job.inputs))
            else {
                return;
            };
            let Some(returned) = lease.slot.take() else { return };
            station = returned;
        }
    }
}
