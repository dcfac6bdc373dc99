//! Cancels a load from another thread: the current stage is interrupted, and no further stage starts.
//!
//! ```text
//! under way ── finish ──▶ finished      the result counts, later cancellations are ignored
//!     └─────── cancel ──▶ cancelled     the result is void, even if it arrives
//! ```

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::Interrupt;

/// A handle to a load that can be cancelled. Clones refer to the same load.
#[derive(Clone, Default)]
pub struct Cancellation(Arc<Mutex<LoadProgress>>);

#[derive(Default)]
struct LoadProgress {
    phase: LoadPhase,
    stage: &'static str,
    interrupts: Vec<Interrupt>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum LoadPhase {
    #[default]
    Active,
    Finished,
    Cancelled,
}

/// The load was cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the load was cancelled")]
pub struct Cancelled;

impl Cancellation {
    fn lock(&self) -> MutexGuard<'_, LoadProgress> {
        // Nothing panics while holding the lock, so a poisoned state is still consistent.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records the stage that starts; it is shown to operators.
    ///
    /// # Errors
    /// Returns [`Cancelled`] if the load was cancelled; the stage must not start then.
    pub fn enter(&self, stage: &'static str) -> Result<(), Cancelled> {
        let mut own = self.lock();
        if own.phase == LoadPhase::Cancelled {
            return Err(Cancelled);
        }
        own.stage = stage;
        Ok(())
    }

    /// The stage that was started last.
    pub fn stage(&self) -> &'static str {
        self.lock().stage
    }

    /// Registers an interrupt to be called on cancellation. If the load is already cancelled, it is called at once.
    pub fn register(&self, interrupt: Interrupt) {
        let mut state = self.lock();
        match state.phase {
            LoadPhase::Active => state.interrupts.push(interrupt),
            LoadPhase::Cancelled => interrupt(true),
            LoadPhase::Finished => {}
        }
    }

    /// Cancels the load. Returns false if it has already finished or been cancelled.
    pub fn cancel(&self) -> bool {
        let mut state = self.lock();
        if state.phase != LoadPhase::Active {
            return false;
        }
        state.phase = LoadPhase::Cancelled;
        for interrupt in state.interrupts.drain(..) {
            interrupt(true);
        }
        true
    }

    /// Whether the load has finished or was cancelled.
    pub fn is_over(&self) -> bool {
        self.lock().phase != LoadPhase::Active
    }

    /// Finishes the load: from now on it cannot be interrupted. Returns false if it was cancelled before.
    pub fn finish(&self) -> bool {
        let mut state = self.lock();
        if state.phase == LoadPhase::Active {
            state.phase = LoadPhase::Finished;
            state.interrupts.clear();
        }
        state.phase == LoadPhase::Finished
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    fn counted() -> (Interrupt, Arc<AtomicUsize>) {
        let stops = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&stops);
        (Arc::new(move |_| _ = counter.fetch_add(1, Ordering::Relaxed)), stops)
    }

    #[test]
    fn a_cancelled_load_is_interrupted_once_and_begins_nothing() {
        let (load, (interrupt, stops)) = (Cancellation::default(), counted());
        load.register(Arc::clone(&interrupt));
        assert_eq!(load.enter("one"), Ok(()));
        assert!(load.cancel() && !load.cancel() && !load.finish());
        assert_eq!((stops.load(Ordering::Relaxed), load.enter("two"), load.stage()), (1, Err(Cancelled), "one"));
        load.register(interrupt);
        assert_eq!(stops.load(Ordering::Relaxed), 2, "what is registered too late is interrupted too");
    }

    #[test]
    fn a_finished_load_is_left_alone() {
        let (load, (interrupt, stops)) = (Cancellation::default(), counted());
        load.register(Arc::clone(&interrupt));
        assert!(load.finish() && load.finish() && !load.cancel());
        load.register(interrupt);
        assert_eq!(stops.load(Ordering::Relaxed), 0);
    }
}
