//! Keeps deadlines where nobody else would: of rows that wait for a caller's thread, of runs on such threads, and of runs
//! with a time limit of their own. One thread for all versions of a process.
//!
//! An inline run blocks the I/O thread that would notice its deadline, so deadlines are enforced from a separate thread;
//! and a timer for every waiting row would cost each of them. Engines that begin with workers are not watched: their callers wait with a
//! timeout, which is cheap beside such a run, and the last one to go stops it.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak},
    thread::Thread,
    time::{Duration, Instant},
};

use super::{executor::Interrupt, run_control::ActiveRun};

/// The longest time between two checks if nothing is due.
const MAX_INTERVAL: Duration = Duration::from_millis(100);

/// Something with deadlines: an engine. The scheduler implements it; it lies above this module.
pub(super) trait Watched: Send + Sync {
    /// Enforces the deadlines that have passed. Returns when to check again.
    fn check(&self, now: Instant) -> Instant;
}

/// The one thread that watches. Clones are the same; the thread starts with the first engine or run that is watched, and
/// ends with the last clone.
#[derive(Clone, Default)]
pub struct Watchdog(Arc<WatchdogShared>);

#[derive(Default)]
struct WatchdogShared {
    state: Mutex<WatchdogState>,
    /// Apart from the state, so that waking the thread takes no lock.
    thread: OnceLock<Thread>,
}

#[derive(Default)]
struct WatchdogState {
    engines: Vec<Weak<dyn Watched>>,
    /// Runs with a time limit of their own, by number.
    limited_runs: Vec<(u64, ActiveRun)>,
    next: u64,
}

impl WatchdogShared {
    fn lock(&self) -> MutexGuard<'_, WatchdogState> {
        // Nothing under the lock panics, so a poisoned state is still consistent.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for WatchdogShared {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }
}

impl Watchdog {
    /// Keeps the deadlines of an engine for as long as the engine exists.
    ///
    /// # Errors
    /// Returns the OS error if the thread cannot be started.
    pub(super) fn watch(&self, engine: &Arc<dyn Watched>) -> io::Result<()> {
        self.start()?;
        self.0.lock().engines.push(Arc::downgrade(engine));
        self.wake();
        Ok(())
    }

    /// Stops a run at `deadline` unless the returned limit is ended before.
    pub(super) fn limit_run(&self, deadline: Instant, interrupt: Interrupt) -> RunLimit<'_> {
        if let Err(error) = self.start() {
            tracing::error!(%error, "the watchdog could not be started: runs have no time limit");
        }
        let mut state = self.0.lock();
        let number = state.next;
        state.next += 1;
        state.limited_runs.push((number, ActiveRun::new(deadline, Some(interrupt))));
        RunLimit { watchdog: self, number }
    }

    /// Checks now: something is due before the next check.
    pub(super) fn wake(&self) {
        if let Some(thread) = self.0.thread.get() {
            thread.unpark();
        }
    }

    fn start(&self) -> io::Result<()> {
        // Under the lock, so that two callers do not start two threads.
        let _state = self.0.lock();
        if self.0.thread.get().is_none() {
            let watched = Arc::downgrade(&self.0);
            let thread = std::thread::Builder::new().name("watchdog".to_owned()).spawn(move || watch_loop(&watched))?;
            let _ = self.0.thread.set(thread.thread().clone());
        }
        Ok(())
    }
}

/// The time limit of one run, until it is ended or dropped.
pub(super) struct RunLimit<'w> {
    watchdog: &'w Watchdog,
    number: u64,
}

impl RunLimit<'_> {
    /// The run has ended. Returns whether it was stopped because its time was over.
    pub(super) fn end(self) -> bool {
        self.remove().is_some_and(ActiveRun::end)
    }

    fn remove(&self) -> Option<ActiveRun> {
        let mut state = self.watchdog.0.lock();
        let index = state.limited_runs.iter().position(|(number, _)| *number == self.number)?;
        Some(state.limited_runs.swap_remove(index).1)
    }
}

impl Drop for RunLimit<'_> {
    fn drop(&mut self) {
        // Nothing is left after `end`; a run that panicked comes here only.
        self.remove().map(ActiveRun::end);
    }
}

/// Checks again and again, until the last [`Watchdog`] is dropped.
fn watch_loop(watched: &Weak<WatchdogShared>) {
    while let Some(alive) = watched.upgrade() {
        let pause = check_all(&alive);
        drop(alive);
        // A wake-up since the check ends the pause at once.
        std::thread::park_timeout(pause);
    }
}

/// Checks everything once. Returns how long the next check can wait.
fn check_all(watched: &WatchdogShared) -> Duration {
    let now = Instant::now();
    let engines: Vec<Arc<dyn Watched>> = {
        let mut state = watched.lock();
        state.limited_runs.iter_mut().for_each(|(_, run)| _ = run.stop_if_late(now));
        state.engines.retain(|engine| engine.strong_count() > 0);
        state.engines.iter().filter_map(Weak::upgrade).collect()
    };
    let next = engines.iter().map(|engine| engine.check(now)).min().unwrap_or(now + MAX_INTERVAL);
    next.min(now + MAX_INTERVAL).saturating_duration_since(Instant::now())
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_run_is_stopped_after_its_limit_and_let_go_at_its_end() {
        let watchdog = Watchdog::default();
        let (stops, stopped) = mpsc::channel();
        let interrupt: Interrupt = Arc::new(move |stop| stops.send(stop).expect("the test listens"));
        let unlimited = watchdog.limit_run(Instant::now() + Duration::from_mins(10), Arc::clone(&interrupt));
        let limited = watchdog.limit_run(Instant::now(), interrupt);
        assert_eq!(stopped.recv(), Ok(true));
        assert!(limited.end() && !unlimited.end());
        assert_eq!((stopped.recv(), stopped.try_recv().is_err()), (Ok(false), true));
    }
}
