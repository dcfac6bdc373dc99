//! Runs a batch on the thread of one of its callers, the leader: its own row, the rows that join it, and then full
//! batches of what still waits.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    batching::QueuedRow,
    reply::Completed,
    run::run_batch,
    run_control::ActiveRun,
    scheduler::{Batch, Job, QueueReply, SessionLease},
};
use crate::domain::tensor::Inputs;

/// Upper bound for a leader that keeps running full batches for others after its own row is done. Handing over costs a
/// scheduling round of the next caller's thread, behind everything that is ready there; with hundreds of callers the
/// threads would then take turns.
const LEADER_EXTRA_TIME: Duration = Duration::from_millis(1);

/// Runs one's own row and the rows that join it; then full batches of others. `None` if the executor gave no result for
/// the row. The session is passed on when this returns.
pub(super) fn run_as_leader(mut lease: SessionLease, inputs: &Inputs, row: QueuedRow) -> Option<Completed> {
    let scheduler = Arc::clone(lease.scheduler());
    let batch = {
        let mut state = scheduler.lock();
        let batch = scheduler.take_joinable(&mut state, row, Instant::now());
        state.note_led_run(!batch.0.is_empty());
        batch
    };
    let mut own = run(&mut lease, Some((inputs, row)), batch)?;
    let done = Instant::now();
    let until = row.deadline.min(done + LEADER_EXTRA_TIME);
    while let Some(batch) = scheduler.next_full_batch(until) {
        run(&mut lease, None, batch);
    }
    // The leader's own answer has waited for those batches.
    own.queue += done.elapsed();
    Some(own)
}

/// Runs a batch, the leader's own row first, and answers the other rows. Returns the leader's result.
fn run(lease: &mut SessionLease, own: Option<(&Inputs, QueuedRow)>, (jobs, reason): Batch) -> Option<Completed> {
    let (scheduler, started) = (Arc::clone(lease.scheduler()), Instant::now());
    let slot = lease.slot();
    let rows: Vec<&Inputs> = own.iter().map(|own| own.0).chain(jobs.iter().map(|job| &job.inputs)).collect();
    let count = rows.len();
    let deadlines = own.iter().map(|own| own.1.deadline).chain(jobs.iter().map(|job| job.row.deadline));
    let active = ActiveRun::new(deadlines.max().unwrap_or(started), slot.interrupt.clone());
    scheduler.lock().begin_run(slot.number, count, active);
    let ran = run_batch(slot.executor.as_mut(), &rows);
    scheduler.observe_run(count, ran.took, reason);
    let mut results = ran.rows.into_iter();
    let complete = |queued: Instant, result| Completed {
        result,
        batch_rows: count,
        queue: started.saturating_duration_since(queued),
        infer: ran.took,
    };
    let own = own.and_then(|own| Some(complete(own.1.queued, results.next()?)));
    for (Job { row, inputs, reply, .. }, result) in jobs.into_iter().zip(results) {
        // The receiver may have been dropped; ignore the error.
        let _ = reply.send(QueueReply::Done(complete(row.queued, result), inputs));
    }
    let mut state = scheduler.lock();
    state.end_run(slot.number, count);
    if state.is_too_slow_inline(ran.took, scheduler.policy.cost.batch_time(count)) {
        scheduler.switch_to_workers();
    }
    drop(state);
    own
}
