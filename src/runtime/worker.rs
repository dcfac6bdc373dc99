//! The worker of a slow model: an OS thread that owns its session, waits for rows, and runs them in batches.

use std::{
    io,
    sync::{Arc, PoisonError},
    time::Instant,
};

use super::{
    queue::SessionSlot,
    reply::Completed,
    run::run_batch,
    run_control::RunInterest,
    scheduler::{Batch, QueueReply, Scheduler},
    thread_priority::{ComputeGuard, lower_thread_priority},
};
use crate::domain::tensor::Inputs;

/// Starts a worker that owns this session.
///
/// # Errors
/// Returns the OS error if the thread cannot be started.
pub(super) fn start(scheduler: &Arc<Scheduler>, slot: SessionSlot) -> io::Result<()> {
    let own = Arc::clone(scheduler);
    let name = format!("worker {}", scheduler.metrics.model());
    let worker = std::thread::Builder::new().name(name).spawn(move || worker_loop(&own, slot))?;
    scheduler.workers.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
    Ok(())
}

/// Moves a session that ran on callers' threads to a worker.
pub(super) fn move_to_worker(scheduler: &Arc<Scheduler>, slot: SessionSlot) {
    let metrics = &scheduler.metrics;
    tracing::warn!(
        model = metrics.model(),
        version = metrics.version(),
        "runs take far longer than measured at load: moved to a worker"
    );
    if let Err(error) = start(scheduler, slot) {
        // Without a session every row would wait until its deadline: reject them instead.
        tracing::error!(%error, "the worker could not be started; the version accepts no more rows");
        scheduler.close();
    }
}

/// Works until the queue is closed and empty.
fn worker_loop(scheduler: &Scheduler, mut slot: SessionSlot) {
    lower_thread_priority();
    while let Some(batch) = scheduler.wait_for_batch(&slot) {
        let _computing = ComputeGuard::begin();
        let rows = batch.0.len();
        run(scheduler, &mut slot, batch);
        scheduler.lock().end_run(slot.number, rows);
    }
}

/// Runs a batch and answers its rows.
fn run(scheduler: &Scheduler, slot: &mut SessionSlot, (mut jobs, reason): Batch) {
    // Leave out the rows whose callers have gone.
    jobs.retain(|job| !job.reply.is_closed());
    let interest = slot.interrupt.clone().map(RunInterest::new);
    if let Some(interest) = &interest {
        for job in &jobs {
            job.interest.attach_to(interest);
        }
    }
    if jobs.is_empty() || interest.as_ref().is_some_and(|interest| !interest.start()) {
        return;
    }
    let (started, batch_rows) = (Instant::now(), jobs.len());
    let rows: Vec<&Inputs> = jobs.iter().map(|job| &job.inputs).collect();
    let ran = run_batch(slot.executor.as_mut(), &rows);
    if let Some(interest) = &interest {
        interest.end();
    }
    scheduler.observe_run(batch_rows, ran.took, reason);
    for (job, result) in jobs.into_iter().zip(ran.rows) {
        let queue = started.saturating_duration_since(job.row.queued);
        let completed = Completed { result, batch_rows, queue, infer: ran.took };
        // The receiver may have been dropped; ignore the error.
        let _ = job.reply.send(QueueReply::Done(completed, job.inputs));
    }
}
