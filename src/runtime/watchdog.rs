//! Keeps the deadlines of a version whose rows run on their callers' threads: of rows that wait, and of runs.
//!
//! A run that nobody can still be waiting for blocks the very thread that would notice; if every thread that serves were
//! blocked like that, nobody would. And a clock for every row that waits would cost each a call of the system. So one
//! thread watches over all. Versions that begin with workers need none: their callers wait elsewhere with a clock of their
//! own, which is nothing beside such a run, and the last one to leave stops it.

use std::{
    sync::{Arc, PoisonError},
    time::{Duration, Instant},
};

use super::{
    Interrupt,
    queue::{Message, Shared},
};

/// How often it looks at least: a run may go on for so long after its last deadline.
const EVERY: Duration = Duration::from_millis(100);

/// How often it looks at most: a row may wait for so long after its deadline.
const PAUSE: Duration = Duration::from_millis(1);

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
    while !state.closed || !state.jobs.is_empty() {
        let now = Instant::now();
        if state.under_way.iter_mut().flatten().any(|run| run.stop(now)) {
            // Whoever held a thread for that long is not let near one again.
            shared.set_heavy();
        }
        let (late, next) = shared.take_late(&mut state, now);
        state.alarm = next.unwrap_or(now + EVERY).clamp(now + PAUSE, now + EVERY);
        if late.is_empty() {
            let pause = state.alarm - now;
            state = shared.watch.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
        } else {
            drop(state);
            for job in late {
                // Whoever asked may have gone.
                let _ = job.reply.send(Message::Late);
            }
            state = shared.lock();
        }
    }
}
