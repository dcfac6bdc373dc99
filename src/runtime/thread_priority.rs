//! Lowers the priority of compute threads, so that threads that serve requests get the CPU first, and tracks whether
//! any compute thread is busy.

use std::sync::atomic::{AtomicUsize, Ordering};

/// With this niceness, a compute thread gets about a ninth of the CPU time of a serving thread while both are runnable,
/// and a serving thread is scheduled sooner when a request wakes it. Without contention nothing changes. Measured with
/// a saturated heavy model, as p99 of a light model divided by its p99 alone: 3.5 at niceness 5, 2.6 at 10, 1.8 at 19;
/// but at 19 a saturated light model starves a heavy one.
const NICENESS: i32 = 10;

/// The highest niceness.
const LOWEST: i32 = 19;

/// Number of compute threads that are busy. Global, because the CPUs are shared by the whole process.
static BUSY_COMPUTE_THREADS: AtomicUsize = AtomicUsize::new(0);

/// Lowers the priority of the calling thread and of all threads that it starts later: workers, and the threads of a
/// session.
///
/// Otherwise, loading a model or running a heavy one at its limit would make other requests wait for whole time slices.
/// Only Linux has a niceness per thread; on other systems this does nothing.
pub fn lower_thread_priority() {
    set_niceness(NICENESS);
}

/// Lowers the priority of the calling thread to the lowest: it runs on idle processors, and gets a hundredth of a busy
/// one.
pub fn lowest_thread_priority() {
    set_niceness(LOWEST);
}

#[cfg(target_os = "linux")]
fn set_niceness(niceness: i32) {
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), niceness) {
        tracing::debug!(%error, "the priority of a thread could not be lowered");
    }
}

#[cfg(not(target_os = "linux"))]
fn set_niceness(_: i32) {}

/// Whether a low-priority thread is busy. If so, the CPU is not idle even if no serving thread uses it.
pub fn compute_threads_busy() -> bool {
    BUSY_COMPUTE_THREADS.load(Ordering::Relaxed) > 0
}

/// Marks a compute thread as busy until dropped.
#[derive(Debug)]
pub struct ComputeGuard(());

impl ComputeGuard {
    /// Marks the thread as busy.
    pub fn begin() -> Self {
        BUSY_COMPUTE_THREADS.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for ComputeGuard {
    fn drop(&mut self) {
        BUSY_COMPUTE_THREADS.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_something_to_do_computes() {
        let (one, other) = (ComputeGuard::begin(), ComputeGuard::begin());
        drop(one);
        assert!(compute_threads_busy());
        drop(other);
    }
}
