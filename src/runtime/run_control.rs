//! Stops runs that nobody can use any more.
//!
//! One mechanism, [`StopHandle`], and two triggers:
//!
//! - *Its last caller has gone.* [`RunInterest`] counts the callers that wait for a run on a worker. A caller that goes
//!   away unsubscribes its row; at zero the run is stopped.
//! - *Its last deadline has passed.* The watchdog checks each [`ActiveRun`]. Callers that run inline need this one: their
//!   own thread is busy with the run, and so cannot notice that the deadline passed.
//!
//! ```text
//! a row's interest:  queued ── attach_to ──▶ running ── unsubscribe ──▶ gone (the last one stops the run)
//!                      └────── unsubscribe ──────────────────────────▶ gone (never joins a run)
//! ```

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use super::executor::Interrupt;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that can panic runs under these locks, so a poisoned state is still consistent.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Stops one run at most once, and releases the session when the run has ended, so that its next run can start.
struct StopHandle {
    interrupt: Option<Interrupt>,
    stopped: bool,
}

impl StopHandle {
    fn new(interrupt: Option<Interrupt>) -> Self {
        Self { interrupt, stopped: false }
    }

    /// Stops the run. Returns false if it cannot be stopped, was stopped before, or has ended.
    fn stop(&mut self) -> bool {
        let Some(interrupt) = self.interrupt.as_ref().filter(|_| !self.stopped) else { return false };
        interrupt(true);
        self.stopped = true;
        true
    }

    /// The run has ended. Returns whether it was stopped.
    fn end(&mut self) -> bool {
        if let Some(interrupt) = self.interrupt.take().filter(|_| self.stopped) {
            interrupt(false);
        }
        self.stopped
    }
}

/// A run with the latest deadline of its rows.
pub(super) struct ActiveRun {
    deadline: Instant,
    handle: StopHandle,
}

impl ActiveRun {
    pub(super) fn new(deadline: Instant, interrupt: Option<Interrupt>) -> Self {
        Self { deadline, handle: StopHandle::new(interrupt) }
    }

    /// Stops the run if its deadline has passed. Returns whether it was stopped now.
    pub(super) fn stop_if_late(&mut self, now: Instant) -> bool {
        now > self.deadline && self.handle.stop()
    }

    /// The run has ended. Returns whether it was stopped.
    pub(super) fn end(mut self) -> bool {
        self.handle.end()
    }
}

/// How many callers still want a run.
pub(super) struct RunInterest(Mutex<Subscribers>);

struct Subscribers {
    count: usize,
    handle: StopHandle,
}

impl RunInterest {
    pub(super) fn new(interrupt: Interrupt) -> Arc<Self> {
        // Whoever forms the batch counts as one: the first row's caller may go away before the second row subscribes.
        Arc::new(Self(Mutex::new(Subscribers { count: 1, handle: StopHandle::new(Some(interrupt)) })))
    }

    /// All rows have subscribed: from now on the last one to go stops the run. Returns false if nobody waits for it.
    pub(super) fn start(&self) -> bool {
        let mut subscribers = lock(&self.0);
        subscribers.count -= 1;
        subscribers.count > 0
    }

    fn subscribe(&self) {
        lock(&self.0).count += 1;
    }

    fn unsubscribe(&self) {
        let mut subscribers = lock(&self.0);
        subscribers.count -= 1;
        if subscribers.count == 0 {
            subscribers.handle.stop();
        }
    }

    /// The run has ended; it can no longer be stopped.
    pub(super) fn end(&self) {
        lock(&self.0).handle.end();
    }
}

/// One row's interest in its run.
pub(super) struct RowInterest(Mutex<RowStage>);

enum RowStage {
    Queued,
    Running(Arc<RunInterest>),
    Gone,
}

impl RowInterest {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(RowStage::Queued)))
    }

    /// The row is part of this run now, unless its caller has gone.
    pub(super) fn attach_to(&self, run: &Arc<RunInterest>) {
        let mut stage = lock(&self.0);
        if matches!(*stage, RowStage::Queued) {
            run.subscribe();
            *stage = RowStage::Running(Arc::clone(run));
        }
    }

    /// The caller has gone.
    pub(super) fn unsubscribe(&self) {
        if let RowStage::Running(run) = std::mem::replace(&mut *lock(&self.0), RowStage::Gone) {
            run.unsubscribe();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn counted() -> (Interrupt, Arc<AtomicUsize>) {
        let stops = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&stops);
        let interrupt: Interrupt = Arc::new(move |stop| {
            counter.fetch_add(if stop { 1 } else { 100 }, Ordering::Relaxed);
        });
        (interrupt, stops)
    }

    #[test]
    fn the_last_to_leave_stops_the_run() {
        let (interrupt, stops) = counted();
        let running = RunInterest::new(interrupt);
        let rows = [RowInterest::new(), RowInterest::new(), RowInterest::new()];
        rows[2].unsubscribe();
        for row in &rows {
            row.attach_to(&running);
        }
        assert!(running.start(), "one had gone before the run, two wait");
        rows[0].unsubscribe();
        assert_eq!(stops.load(Ordering::Relaxed), 0);
        rows[1].unsubscribe();
        assert_eq!(stops.load(Ordering::Relaxed), 1);
        running.end();
        assert_eq!(stops.load(Ordering::Relaxed), 101, "the session can run again");
    }

    #[test]
    fn who_leaves_while_rows_are_counted_stops_nothing() {
        let (interrupt, stops) = counted();
        let running = RunInterest::new(Arc::clone(&interrupt));
        let rows = [RowInterest::new(), RowInterest::new()];
        rows[0].attach_to(&running);
        rows[0].unsubscribe();
        rows[1].attach_to(&running);
        assert!(running.start(), "the second waits");

        let running = RunInterest::new(interrupt);
        let row = RowInterest::new();
        row.attach_to(&running);
        row.unsubscribe();
        assert!(!running.start(), "nobody waits");
        assert_eq!(stops.load(Ordering::Relaxed), 0, "a session that was stopped would refuse the next run");
    }

    #[test]
    fn a_run_that_has_ended_is_not_stopped() {
        let (interrupt, stops) = counted();
        let running = RunInterest::new(interrupt);
        let row = RowInterest::new();
        row.attach_to(&running);
        assert!(running.start());
        running.end();
        row.unsubscribe();
        assert_eq!(stops.load(Ordering::Relaxed), 0);
    }
}
