//! Who still waits for a run: when the last one has gone, the run is stopped.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Interrupt;

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing that can panic runs under these locks, so a poisoned state is still whole.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A run, and how many wait for it.
pub(super) struct RunInterest {
    state: Mutex<State>,
}

struct State {
    waiting: usize,
    /// Taken away when the run has ended, so that the next one is not stopped in its place.
    interrupt: Option<Interrupt>,
    stopped: bool,
}

impl RunInterest {
    pub(super) fn new(interrupt: Interrupt) -> Arc<Self> {
        // Whoever forms the batch counts as well: the first row's caller may leave before the second row is counted.
        Arc::new(Self { state: Mutex::new(State { waiting: 1, interrupt: Some(interrupt), stopped: false }) })
    }

    /// All rows are counted: from now on the last to leave stops the run. False when nobody waits for it.
    pub(super) fn begin(&self) -> bool {
        let mut state = lock(&self.state);
        state.waiting -= 1;
        state.waiting > 0
    }

    fn subscribe(&self) {
        lock(&self.state).waiting += 1;
    }

    fn leave(&self) {
        let mut state = lock(&self.state);
        state.waiting -= 1;
        if state.waiting == 0
            && let Some(interrupt) = &state.interrupt
        {
            interrupt(true);
            state.stopped = true;
        }
    }

    /// The run has ended; it can no longer be stopped.
    pub(super) fn end(&self) {
        let mut state = lock(&self.state);
        if let Some(interrupt) = state.interrupt.take()
            && state.stopped
        {
            interrupt(false);
        }
    }
}

enum RowStage {
    Queued,
    Running(Arc<RunInterest>),
    Left,
}

/// One row's side: it waits, is run, or was left by its caller.
pub(super) struct RowInterest(Mutex<RowStage>);

impl RowInterest {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(RowStage::Queued)))
    }

    /// The row is part of a run now, unless its caller has gone.
    pub(super) fn attach(&self, running: &Arc<RunInterest>) {
        let mut stage = lock(&self.0);
        if matches!(*stage, RowStage::Queued) {
            running.subscribe();
            *stage = RowStage::Running(Arc::clone(running));
        }
    }

    /// The caller has gone.
    pub(super) fn leave(&self) {
        if let RowStage::Running(running) = std::mem::replace(&mut *lock(&self.0), RowStage::Left) {
            running.leave();
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
        rows[2].leave();
        for row in &rows {
            row.attach(&running);
        }
        assert!(running.begin(), "one had gone before the run, two wait");
        rows[0].leave();
        assert_eq!(stops.load(Ordering::Relaxed), 0);
        rows[1].leave();
        assert_eq!(stops.load(Ordering::Relaxed), 1);
        running.end();
        assert_eq!(stops.load(Ordering::Relaxed), 101, "the session can run again");
    }

    #[test]
    fn who_leaves_while_rows_are_counted_stops_nothing() {
        let (interrupt, stops) = counted();
        let running = RunInterest::new(Arc::clone(&interrupt));
        let rows = [RowInterest::new(), RowInterest::new()];
        rows[0].attach(&running);
        rows[0].leave();
        rows[1].attach(&running);
        assert!(running.begin(), "the second waits");

        let running = RunInterest::new(interrupt);
        let row = RowInterest::new();
        row.attach(&running);
        row.leave();
        assert!(!running.begin(), "nobody waits");
        assert_eq!(stops.load(Ordering::Relaxed), 0, "a session that was stopped would refuse the next run");
    }

    #[test]
    fn a_run_that_has_ended_is_not_stopped() {
        let (interrupt, stops) = counted();
        let running = RunInterest::new(interrupt);
        let row = RowInterest::new();
        row.attach(&running);
        assert!(running.begin());
        running.end();
        row.leave();
        assert_eq!(stops.load(Ordering::Relaxed), 0);
    }
}
