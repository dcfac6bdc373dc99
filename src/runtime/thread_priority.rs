//! Lets threads that compute give way to the threads that serve, and tells these when there is somebody who computes.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How far: with this niceness a thread gets about a ninth of what one that serves gets while both want the processor, and
/// one that serves is let in sooner when a request wakes it. When nobody else wants it, nothing changes. Measured with a heavy
/// model saturated, p99 of a light one against its own alone: 3.5 with 5, 2.6 with 10, 1.8 with 19; but with 19 a light
/// model that is saturated leaves a heavy one nothing.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// How many threads that stand back have something to do. Of the process, as its processors are.
static BUSY_COMPUTE_THREADS: AtomicUsize = AtomicUsize::new(0);

/// The calling thread gives way from now on, and so do all threads that it starts: workers, and the session's own.
///
/// Loading a model, or running a heavy one at its limit, would otherwise make the requests of all others wait for whole time
/// slices. Only Linux has a niceness for each thread; elsewhere nothing changes.
pub fn lower_thread_priority() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS) {
        tracing::debug!(%error, "the priority of a thread could not be lowered");
    }
}

/// Whether a thread that stands back has something to do: then a processor that nobody else uses is not idle.
pub fn compute_threads_busy() -> bool {
    BUSY_COMPUTE_THREADS.load(Ordering::Relaxed) > 0
}

/// Something to do for a thread that stands back, until this is dropped.
#[derive(Debug)]
pub struct ComputeGuard(());

impl ComputeGuard {
    /// It begins.
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
