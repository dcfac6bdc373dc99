//! Keeps deadlines where nobody else would: of rows that wait for a caller's thread, of runs on such threads, and of runs
//! that have a limit of their own. One thread for all versions of a process.
//!
//! A run that nobody can still be waiting for blocks the very thread that would notice; if every thread that serves were
//! blocked like that, nobody would. And a clock for every row that waits would cost each a call of the system. Versions that
//! begin with workers need no watchdog: their callers wait with a clock of their own, which is nothing beside such a run, and
//! the last one to leave stops it.

use std::{
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    thread::Thread,
    time::{Duration, Instant},
};

use super::{
    Interrupt,
    queue::{EngineShared, QueueReply},
};

/// How often it looks at least: a run may go on for so long after its last deadline.
const MAX_INTERVAL: Duration = Duration::from_millis(100);

/// How often it looks at most: a row may wait for so long after its deadline.
const MIN_INTERVAL: Duration = Duration::from_millis(1);

/// A run that is watched.
pub(super) struct ActiveRun {
    /// The latest deadline of its rows.
    until: Instant,
    interrupt: Option<Interrupt>,
    stopped: bool,
}

impl ActiveRun {
    /// A run that somebody waits for until then.
    pub(super) fn new(until: Instant, interrupt: Option<Interrupt>) -> Self {
        Self { until, interrupt, stopped: false }
    }

    /// Stops it where it is late; whether it did.
    fn stop(&mut self, now: Instant) -> bool {
        let Some(interrupt) = self.interrupt.as_ref().filter(|_| !self.stopped && now > self.until) else {
            return false;
        };
        interrupt(true);
        self.stopped = true;
        true
    }

    /// It has ended: the next run of its executor must not be stopped in its place. Whether it was stopped.
    pub(super) fn end(self) -> bool {
        if let Some(interrupt) = self.interrupt.filter(|_| self.stopped) {
            interrupt(false);
        }
        self.stopped
    }
}

/// The one thread that watches. Clones are the same; the thread starts with the first that is watched, and ends with the
/// last clone.
#[derive(Clone, Default)]
pub struct Watchdog(Arc<WatchdogShared>);

#[derive(Default)]
struct WatchdogShared {
    state: Mutex<WatchdogState>,
    /// Apart from the state, so that a row that is due soon wakes the thread without a further lock.
    thread: std::sync::OnceLock<Thread>,
}

#[derive(Default)]
struct WatchdogState {
    engines: Vec<Weak<EngineShared>>,
    /// Runs with a limit of their own, by number.
    limited_runs: Vec<(u64, ActiveRun)>,
    next: u64,
}

impl WatchdogShared {
    fn lock(&self) -> MutexGuard<'_, WatchdogState> {
        // Nothing under the lock panics, so a poisoned state is still whole.
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
    /// Keeps the deadlines of an engine for as long as the engine is there.
    ///
    /// # Errors
    /// The operating system's own when the thread cannot be started.
    pub(super) fn add_engine(&self, engine: &Arc<EngineShared>) -> io::Result<()> {
        self.start()?;
        self.0.lock().engines.push(Arc::downgrade(engine));
        self.wake();
        Ok(())
    }

    /// Watches a run that must end by then. Without a thread the run has no limit, which was said when the watchdog could
    /// not start.
    pub(super) fn limit_run(&self, until: Instant, interrupt: Interrupt) -> RunLimit<'_> {
        if let Err(error) = self.start() {
            tracing::error!(%error, "the watchdog could not be started: runs have no time limit");
        }
        let mut state = self.0.lock();
        let number = state.next;
        state.next += 1;
        state.limited_runs.push((number, ActiveRun::new(until, Some(interrupt))));
        RunLimit { watchdog: self, number }
    }

    /// Something is due before the thread would look by itself.
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

/// A run with a limit, until it is dropped.
pub(super) struct RunLimit<'w> {
    watchdog: &'w Watchdog,
    number: u64,
}

impl RunLimit<'_> {
    /// The run has ended; whether it was stopped because its time was over.
    pub(super) fn end(self) -> bool {
        self.remove().is_some_and(ActiveRun::end)
    }

    fn remove(&self) -> Option<ActiveRun> {
        let mut state = self.watchdog.0.lock();
        let place = state.limited_runs.iter().position(|(number, _)| *number == self.number)?;
        Some(state.limited_runs.swap_remove(place).1)
    }
}

impl Drop for RunLimit<'_> {
    fn drop(&mut self) {
        // After `end` there is nothing left; a panic of the run comes here alone.
        self.remove().map(ActiveRun::end);
    }
}

/// Looks at everything again and again, until there is no watchdog any more.
fn watch_loop(watched: &Weak<WatchdogShared>) {
    while let Some(alive) = watched.upgrade() {
        let pause = check_all(&alive);
        drop(alive);
        // A wake-up since the look ends the pause at once.
        std::thread::park_timeout(pause);
    }
}

/// Looks once; how long the next look can wait.
fn check_all(watched: &WatchdogShared) -> Duration {
    let now = Instant::now();
    let engines: Vec<Arc<EngineShared>> = {
        let mut state = watched.lock();
        state.limited_runs.iter_mut().for_each(|(_, run)| _ = run.stop(now));
        state.engines.retain(|engine| engine.strong_count() > 0);
        state.engines.iter().filter_map(Weak::upgrade).collect()
    };
    let alarm = engines.iter().map(|engine| engine.enforce_deadlines(now)).min().unwrap_or(now + MAX_INTERVAL);
    alarm.saturating_duration_since(Instant::now())
}

impl EngineShared {
    /// Stops runs that are late, and tells rows that are; when to look again.
    fn enforce_deadlines(&self, now: Instant) -> Instant {
        let mut state = self.lock();
        // Not only the first: each must be stopped.
        let stopped = state.active_runs.iter_mut().flatten().filter_map(|run| run.stop(now).then_some(())).count();
        if stopped > 0 {
            // A version that held a thread for that long is not let near one again.
            self.switch_to_workers();
        }
        let (late, next) = self.take_expired(&mut state, now);
        let alarm = next.unwrap_or(now + MAX_INTERVAL).clamp(now + MIN_INTERVAL, now + MAX_INTERVAL);
        state.next_check = alarm;
        drop(state);
        for job in late {
            // The receiver may have been dropped; ignore the error.
            let _ = job.reply.send(QueueReply::Expired);
        }
        alarm
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn a_run_is_stopped_after_its_limit_and_let_go_at_its_end() {
        let watchdog = Watchdog::default();
        let (told, heard) = mpsc::channel();
        let interrupt: Interrupt = Arc::new(move |stop| told.send(stop).expect("the test listens"));
        let unlimited = watchdog.limit_run(Instant::now() + Duration::from_mins(10), Arc::clone(&interrupt));
        let limited = watchdog.limit_run(Instant::now(), interrupt);
        assert_eq!(heard.recv(), Ok(true));
        assert!(limited.end() && !unlimited.end());
        assert_eq!((heard.recv(), heard.try_recv().is_err()), (Ok(false), true));
    }
}
