//! The shutdown phase of the process, which any task can read or wait for, and the tasks that the shutdown waits for.
//!
//! ```text
//! Serving -> NotReady -> Draining -> Aborting
//! ```

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicUsize, Ordering},
    },
};

use tokio::{runtime::Handle, sync::watch};
use tokio_util::task::TaskTracker;

/// The phase of the shutdown. Phases only advance, and may be skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Requests are accepted.
    Serving,
    /// Requests are accepted, but /readyz reports not ready, so that load balancers send requests elsewhere.
    NotReady,
    /// New requests are rejected; those in flight are finished.
    Draining,
    /// The drain timeout has passed: requests still in flight are aborted.
    Aborting,
}

/// The shutdown phase and the tracked tasks. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Shutdown {
    phase: Arc<watch::Sender<Phase>>,
    /// A copy of the phase that every request can read without a shared lock.
    now: Arc<AtomicU8>,
    tasks: TaskTracker,
    aborted: Arc<AtomicUsize>,
}

impl Default for Shutdown {
    fn default() -> Self {
        let phase = Arc::new(watch::Sender::new(Phase::Serving));
        let now = Arc::new(AtomicU8::new(Phase::Serving as u8));
        Self { phase, now, tasks: TaskTracker::new(), aborted: Arc::default() }
    }
}

impl Shutdown {
    /// Whether the phase is `at` or later.
    pub fn has_reached(&self, at: Phase) -> bool {
        self.now.load(Ordering::Acquire) >= at as u8
    }

    /// Advances to a later phase; an earlier one is ignored.
    pub fn advance(&self, to: Phase) {
        self.now.fetch_max(to as u8, Ordering::Release);
        self.phase.send_if_modified(|phase| {
            let later = to > *phase;
            *phase = to.max(*phase);
            later
        });
    }

    /// Waits until the phase is `at` or later.
    pub async fn wait_for(&self, at: Phase) {
        // `self` keeps the sender alive, so the wait ends only when the phase is reached.
        let _ = self.phase.subscribe().wait_for(|phase| *phase >= at).await;
    }

    /// Spawns a task that the shutdown waits for.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(task);
    }

    /// Spawns such a task on another runtime.
    pub fn spawn_on<F>(&self, runtime: &Handle, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn_on(task, runtime);
    }

    /// Adds to the number of aborted requests.
    pub fn count_aborted(&self, requests: usize) {
        self.aborted.fetch_add(requests, Ordering::Relaxed);
    }

    /// The number of aborted requests.
    pub fn aborted(&self) -> usize {
        self.aborted.load(Ordering::Relaxed)
    }

    /// Waits until every task has ended. Running tasks may still spawn new ones.
    pub async fn wait_for_tasks(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn phases_go_forward_only_and_tasks_are_waited_for() {
        let shutdown = Shutdown::default();
        let (task, seen) = (shutdown.clone(), Arc::new(std::sync::atomic::AtomicBool::new(false)));
        let set = Arc::clone(&seen);
        shutdown.spawn(async move {
            task.wait_for(Phase::NotReady).await;
            set.store(true, std::sync::atomic::Ordering::Release);
        });
        shutdown.advance(Phase::Draining);
        shutdown.advance(Phase::Serving);
        assert!(shutdown.has_reached(Phase::Draining) && !shutdown.has_reached(Phase::Aborting));
        shutdown.wait_for_tasks().await;
        assert!(seen.load(std::sync::atomic::Ordering::Acquire));
    }
}
