//! The worker of a heavy version: an OS thread that owns its executor, waits for rows, and runs them in batches.

use std::{
    sync::{Arc, PoisonError},
    time::Instant,
};

use super::{
    Completed, Executor,
    lease::SessionSlot,
    queue::{EngineShared, Job, NextBatch, QueueReply},
    run::run_batch,
    run_interest::RunInterest,
    thread_priority::{ComputeGuard, lower_thread_priority},
    watchdog::ActiveRun,
};
use crate::{domain::tensor::Inputs, telemetry::BatchCloseReason};

/// Works until the queue is closed and empty. `watched` is the number under which the watchdog knows the executor, where
/// callers ran on it before: rows of theirs may still wait, which have no clock of their own.
fn worker_loop(mut executor: Box<dyn Executor>, shared: &EngineShared, watched: Option<usize>) {
    lower_thread_priority();
    while let Some((jobs, reason)) = next_batch(shared) {
        let _computing = ComputeGuard::begin();
        let count = jobs.len();
        if let (Some(number), Some(until)) = (watched, jobs.iter().map(|job| job.waiting.deadline).max()) {
            shared.lock().active_runs[number] = Some(ActiveRun::new(until, executor.interrupt()));
        }
        run_and_reply(executor.as_mut(), shared, jobs, reason);
        let mut state = shared.lock();
        state.running -= count;
        state.busy -= 1;
        if let Some(run) = watched.and_then(|number| state.active_runs[number].take()) {
            run.end();
        }
    }
}

/// Waits for the next batch; its rows count as running.
fn next_batch(shared: &EngineShared) -> Option<(Vec<Job>, BatchCloseReason)> {
    let mut state = shared.lock();
    loop {
        let now = Instant::now();
        let picked = shared.next_batch(&mut state, now);
        state = match picked {
            NextBatch::Batch(jobs, reason) => {
                state.running += jobs.len();
                state.busy += 1;
                let more = !state.jobs.is_empty();
                drop(state);
                if more {
                    // A row that came while every worker was busy woke nobody.
                    shared.work_available.notify_one();
                }
                return Some((jobs, reason));
            }
            NextBatch::Wait(until) => {
                let wait = until.saturating_duration_since(now);
                shared.work_available.wait_timeout(state, wait).unwrap_or_else(PoisonError::into_inner).0
            }
            NextBatch::Idle if state.closed => return None,
            NextBatch::Idle => shared.work_available.wait(state).unwrap_or_else(PoisonError::into_inner),
        };
    }
}

fn run_and_reply(executor: &mut dyn Executor, shared: &EngineShared, mut jobs: Vec<Job>, reason: BatchCloseReason) {
    // Rows that nobody waits for any more are left out before the batch is formed.
    jobs.retain(|job| !job.reply.is_closed());
    let running = executor.interrupt().map(RunInterest::new);
    if let Some(running) = &running {
        for job in &jobs {
            job.watch.attach(running);
        }
    }
    if jobs.is_empty() || running.as_ref().is_some_and(|running| !running.begin()) {
        return;
    }
    let started = Instant::now();
    let rows: Vec<&Inputs> = jobs.iter().map(|job| &job.inputs).collect();
    let ran = run_batch(executor, &rows);
    if let Some(running) = &running {
        running.end();
    }
    shared.observe_run(rows.len(), ran.took);
    shared.metrics.observe_batch(rows.len(), reason);
    let batch_rows = rows.len();
    for (job, result) in jobs.into_iter().zip(ran.rows) {
        let queue = started.saturating_duration_since(job.waiting.queued);
        let completed = Completed { result, batch_rows, queue, infer: ran.took };
        // Whoever asked may have gone; then the answer is nobody's.
        let _ = job.reply.send(QueueReply::Done(completed, job.inputs));
    }
}

/// Starts the workers, one for each executor.
///
/// # Errors
/// The operating system's own when a thread cannot be started.
pub(super) fn start(executors: Vec<Box<dyn Executor>>, shared: &Arc<EngineShared>) -> std::io::Result<()> {
    executors.into_iter().try_for_each(|executor| spawn(executor, shared, None))
}

/// Gives an executor that ran on the callers' threads a thread of its own.
pub(super) fn move_to_worker(SessionSlot { number, executor, .. }: SessionSlot, shared: &Arc<EngineShared>) {
    let metrics = &shared.metrics;
    tracing::warn!(
        model = metrics.model(),
        version = metrics.version(),
        "runs take far longer than measured at load: moved to a worker"
    );
    if let Err(error) = spawn(executor, shared, Some(number)) {
        // Without an executor every row would wait in vain: callers are refused instead.
        tracing::error!(%error, "the worker could not be started; the version takes no more rows");
        shared.lock().closed = true;
    }
}

fn spawn(executor: Box<dyn Executor>, shared: &Arc<EngineShared>, watched: Option<usize>) -> std::io::Result<()> {
    let mine = Arc::clone(shared);
    let name = format!("worker {}", shared.metrics.model());
    let worker = std::thread::Builder::new().name(name).spawn(move || worker_loop(executor, &mine, watched))?;
    shared.workers.lock().unwrap_or_else(PoisonError::into_inner).push(worker);
    Ok(())
}
