//! The lease of an executor: whoever holds it runs its own row and what waits with it, and hands the executor on.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    Completed, Executor, Interrupt,
    batching::{Decision, Policy, Waiting, decide, leader},
    queue::{Job, Message, Picked, Shared, State},
    run::run,
    watchdog::UnderWay,
    worker,
};
use crate::{domain::tensor::Inputs, telemetry::CloseReason};

/// How long a caller goes on with the rows of others when its own is done and more wait than fit one run. To hand the executor
/// on instead, it would have to wait until the next caller's thread comes to it, behind all that is ready there; with
/// hundreds of callers the threads then take turns.
const GOES_ON_FOR: Duration = Duration::from_millis(1);

/// An executor that callers run on, and how its runs are stopped.
pub(super) struct Station {
    pub(super) number: usize,
    pub(super) executor: Box<dyn Executor>,
    interrupt: Option<Interrupt>,
}

impl Station {
    pub(super) fn new(number: usize, executor: Box<dyn Executor>) -> Self {
        Self { number, interrupt: executor.interrupt(), executor }
    }
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

    /// Runs one's own row, and with it what waits and fits; then whole runs of what waits besides.
    pub(super) fn lead(mut self, own: &Inputs, waiting: Waiting) -> Option<Completed> {
        let shared = Arc::clone(&self.shared);
        let (jobs, reason) = {
            let mut state = shared.lock();
            let beside = shared.beside(&mut state, waiting, Instant::now());
            state.company = !beside.0.is_empty();
            beside
        };
        let mut mine = self.run(Some((own, waiting)), jobs, reason)?;
        let done = Instant::now();
        let until = waiting.deadline.min(done + GOES_ON_FOR);
        while let Some((jobs, reason)) = shared.whole_run(until) {
            self.run(None, jobs, reason);
        }
        // Its own answer has waited for those.
        mine.queue += done.elapsed();
        Some(mine)
    }

    /// Runs rows, the caller's own before the others, and answers them. Gives the caller's own answer.
    fn run(&mut self, own: Option<(&Inputs, Waiting)>, jobs: Vec<Job>, reason: CloseReason) -> Option<Completed> {
        let (shared, station, started) = (&self.shared, self.station.as_mut()?, Instant::now());
        let rows: Vec<&Inputs> = own.iter().map(|own| own.0).chain(jobs.iter().map(|job| &job.inputs)).collect();
        let count = rows.len();
        {
            let deadlines = own.iter().map(|own| own.1.deadline).chain(jobs.iter().map(|job| job.waiting.deadline));
            let until = deadlines.max().unwrap_or(started);
            let mut state = shared.lock();
            state.running += count;
            state.busy += 1;
            state.under_way[station.number] = Some(UnderWay::new(until, station.interrupt.clone()));
        }
        let ran = run(station.executor.as_mut(), &rows);
        shared.note_pace(count, ran.took);
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
            let _ = reply.send(Message::Done(complete(waiting.queued, result), inputs));
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
        mine
    }
}

impl Shared {
    /// The rows that join a leader that is not in the queue.
    fn beside(&self, state: &mut State, leader: Waiting, now: Instant) -> (Vec<Job>, CloseReason) {
        let Policy { worth_rows, max_rows, .. } = self.policy;
        if max_rows == 1 || state.jobs.is_empty() {
            return (Vec::new(), CloseReason::Idle);
        }
        let policy = Policy { worth_rows: worth_rows - 1, max_rows: max_rows - 1, ..self.policy_now() };
        match decide(state.jobs.iter().map(|job| &job.waiting), now, &policy, Some(leader)) {
            Decision::Run { rows, reason } => (self.take(state, rows), reason),
            Decision::Wait(_) | Decision::Nothing => (Vec::new(), CloseReason::Idle),
        }
    }

    /// The rows of a run that needs no leader: as many as fit wait, and it ends by then.
    fn whole_run(&self, until: Instant) -> Option<(Vec<Job>, CloseReason)> {
        let (mut state, now) = (self.lock(), Instant::now());
        let policy = self.policy_now();
        if state.jobs.len() < policy.max_rows || now + policy.cost.of(policy.max_rows) > until || self.has_workers() {
            return None;
        }
        match self.pick(&mut state, now) {
            Picked::Batch(jobs, reason) => Some((jobs, reason)),
            Picked::Wait(_) | Picked::Nothing => None,
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut station) = self.station.take() else { return };
        if self.shared.has_workers() {
            return worker::take_over(station, &self.shared);
        }
        loop {
            let mut state = self.shared.lock();
            let high_water = self.shared.policy.high_water;
            let next = leader(state.jobs.iter().map(|job| &job.waiting), Instant::now(), high_water);
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
            let lease = Self { shared: Arc::clone(&self.shared), station: Some(station) };
            // Where its caller has gone, the next row gets the executor.
            let Err(Message::Lead(mut lease, _)) = job.reply.send(Message::Lead(lease, job.inputs)) else { return };
            let Some(returned) = lease.station.take() else { return };
            station = returned;
        }
    }
}
