//! Stops runs on callers' threads that nobody can still be waiting for.
//!
//! Such a run blocks the very thread that would notice that its deadline has passed; if every thread that serves were
//! blocked like that, nobody would. The watchdog has a thread of its own. Runs on workers need none: their callers wait
//! elsewhere, and the last one to leave stops the run.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use super::{Interrupt, queue::Shared};

/// How often it looks: a run may go on for so long after its last deadline.
const EVERY: Duration = Duration::from_millis(100);

/// A run on a caller's thread.
pub(super) struct UnderWay {
    /// The latest deadline of its rows.
    until: Instant,
    interrupt: Option<Interrupt>,
    stopped: bool,
}

impl UnderWay {
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

    /// It has ended: the next run of its executor must not be stopped in its place.
    pub(super) fn end(self) {
        if let Some(interrupt) = self.interrupt.filter(|_| self.stopped) {
            interrupt(false);
        }
    }
}

/// Starts the watchdog of a version. It ends with the version.
///
/// # Errors
/// The operating system's own when a thread cannot be started.
pub(super) fn start(shared: &Arc<Shared>) -> std::io::Result<()> {
    let mine = Arc::clone(shared);
    let name = format!("watch {}", shared.metrics.model());
    let thread = std::thread::Builder::new().name(name).spawn(move || watch(&mine))?;
    shared.workers.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    Ok(())
}

fn watch(shared: &Shared) {
    let mut state = shared.lock();
    while !state.closed {
        state = shared.over.wait_timeout(state, EVERY).unwrap_or_else(PoisonError::into_inner).0;
        let now = Instant::now();
        if state.under_way.iter_mut().flatten().any(|run| run.stop(now)) {
            // Whoever held a thread for that long is not let near one again.
            shared.set_heavy();
        }
    }
}
