//! Enforces the load timeout: each load runs on its own thread, is interrupted on timeout or when the server stops, and
//! is abandoned if it does not react.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    time::Duration,
};

use super::error::LoadError;
use crate::runtime::Cancellation;

/// How long a load may take to react to its cancellation. ONNX Runtime checks for it between the nodes of a graph.
const GRACE: Duration = Duration::from_secs(2);

/// The loads of a server or a command, and their timeout. Clones share the state.
#[derive(Clone)]
pub(super) struct LoadSupervisor {
    /// The timeout of one load.
    pub(super) limit: Duration,
    under_way: Arc<Mutex<ActiveLoad>>,
}

#[derive(Default)]
struct ActiveLoad {
    stopped: bool,
    loads: Vec<Cancellation>,
}

/// A message about a load.
enum LoadMessage<T> {
    /// The load is done. The outcome is void if the load was cancelled before.
    Done(T),
    /// The load panicked.
    Panicked,
    /// The load was cancelled.
    Cancelled,
}

impl LoadSupervisor {
    pub(super) fn new(limit: Duration) -> Self {
        Self { limit, under_way: Arc::default() }
    }

    fn lock(&self) -> MutexGuard<'_, ActiveLoad> {
        // Nothing panics while the lock is held, so a poisoned state is still consistent.
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Interrupts every load in progress and starts no further ones.
    pub(super) fn stop(&self) {
        let loads = {
            let mut state = self.lock();
            state.stopped = true;
            std::mem::take(&mut state.loads)
        };
        for load in loads {
            load.cancel();
        }
    }

    /// Whether [`LoadSupervisor::stop`] was called.
    pub(super) fn is_stopped(&self) -> bool {
        self.lock().stopped
    }

    fn begin(&self) -> Result<Cancellation, LoadError> {
        let mut state = self.lock();
        if state.stopped {
            return Err(LoadError::Stopped);
        }
        let load = Cancellation::default();
        state.loads.push(load.clone());
        Ok(load)
    }

    /// Runs the work of one load on its own thread and waits for it, up to the timeout.
    ///
    /// # Errors
    /// Returns [`LoadError`] if the load timed out, the server is stopping, or the work panicked.
    pub(super) fn supervise<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Cancellation) -> T + Send + 'static,
    ) -> Result<T, LoadError> {
        let load = self.begin()?;
        let (sender, messages) = mpsc::channel();
        let cancelled = sender.clone();
        // The receiver is gone once the load is over.
        load.register(Arc::new(move |_| _ = cancelled.send(LoadMessage::Cancelled)));
        let own = load.clone();
        let body = move || {
            let outcome =
                catch_unwind(AssertUnwindSafe(|| work(&own))).map_or(LoadMessage::Panicked, LoadMessage::Done);
            own.finish();
            // The receiver is gone if the load was abandoned.
            let _ = sender.send(outcome);
        };
        let spawned = std::thread::Builder::new().name("load".to_owned()).spawn(body);
        let outcome = match spawned {
            Ok(_) => self.outcome(&load, &messages),
            Err(source) => Err(LoadError::Workers { source }),
        };
        load.finish();
        self.lock().loads.retain(|load| !load.is_over());
        outcome
    }

    fn outcome<T>(&self, load: &Cancellation, messages: &mpsc::Receiver<LoadMessage<T>>) -> Result<T, LoadError> {
        let mut timeout = self.limit;
        let mut cancelled = false;
        loop {
            match messages.recv_timeout(timeout) {
                Ok(LoadMessage::Done(outcome)) if load.finish() => return Ok(outcome),
                Ok(LoadMessage::Done(_)) => return Err(self.why(load, false)),
                Ok(LoadMessage::Cancelled) => (cancelled, timeout) = (true, GRACE),
                Err(mpsc::RecvTimeoutError::Timeout) if cancelled => return Err(self.why(load, true)),
                // If the load finishes at this moment, `cancel` has no effect and the outcome is about to arrive.
                Err(mpsc::RecvTimeoutError::Timeout) => {
                    load.cancel();
                    (cancelled, timeout) = (true, GRACE);
                }
                Ok(LoadMessage::Panicked) | Err(mpsc::RecvTimeoutError::Disconnected) => {
                    return Err(LoadError::Panicked { stage: load.stage() });
                }
            }
        }
    }

    fn why(&self, load: &Cancellation, stuck: bool) -> LoadError {
        if self.is_stopped() {
            LoadError::Stopped
        } else {
            LoadError::TimedOut { limit: self.limit, stage: load.stage(), stuck }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(10);
    const LONG: Duration = Duration::from_mins(10);

    /// Waits until the load is interrupted.
    fn wait(load: &Cancellation) {
        let (sender, messages) = mpsc::channel();
        // The load may be interrupted before the wait begins.
        let _ = load.enter("waiting");
        load.register(Arc::new(move |_| _ = sender.send(())));
        let _ = messages.recv();
    }

    #[test]
    fn a_load_that_takes_too_long_is_interrupted_in_its_stage() {
        let error = LoadSupervisor::new(SHORT).supervise(wait).expect_err("too long");
        assert_eq!(
            error.to_string(),
            "loading took longer than 10 ms (repository.load_timeout_ms), in the stage: waiting"
        );
    }

    #[test]
    fn a_load_that_does_not_react_is_left_behind() {
        let (release, held) = mpsc::channel::<()>();
        let error = LoadSupervisor::new(SHORT).supervise(move |_| held.recv()).expect_err("too long");
        assert!(matches!(error, LoadError::TimedOut { stuck: true, .. }), "{error}");
        drop(release);
    }

    #[test]
    fn stopping_interrupts_what_loads_and_lets_nothing_begin() {
        let loads = LoadSupervisor::new(LONG);
        let (begun, has_begun) = mpsc::channel();
        let other = loads.clone();
        let thread = std::thread::spawn(move || {
            other.supervise(move |load| {
                begun.send(()).expect("the test waits");
                wait(load);
            })
        });
        has_begun.recv().expect("it begins");
        loads.stop();
        assert!(matches!(thread.join().expect("no panic"), Err(LoadError::Stopped)));
        assert!(matches!(loads.supervise(|_| ()), Err(LoadError::Stopped)));
    }

    #[test]
    fn an_outcome_in_time_is_given_and_a_panic_is_told() {
        let loads = LoadSupervisor::new(LONG);
        assert_eq!(loads.supervise(|_| 1).expect("in time"), 1);
        let error =
            loads.supervise(|load| load.enter("first").map(|()| panic!("on purpose")).ok()).expect_err("a panic");
        assert_eq!(error.to_string(), "loading panicked in the stage: first");
        assert!(loads.lock().loads.is_empty());
    }
}
