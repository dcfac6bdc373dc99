//! Lets threads that compute give way to the threads that serve, and tells these when there is somebody who computes.

use std::sync::atomic::{AtomicUsize, Ordering};

/// How far: with this niceness a thread gets about a ninth of what one that serves gets while both want the processor, and
/// one that serves is let in sooner when a request wakes it. When nobody else wants it, nothing changes. Measured with a heavy
/// model saturated, p99 of a light one against its own alone: 3.5 with 5, 2.6 with 10, 1.8 with 19; but with 19 a light
/// model that is saturated leaves a heavy one nothing.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// How many threads that stand back have something to do. Of the process, as its processors are.
static COMPUTING: AtomicUsize = AtomicUsize::new(0);

/// The calling thread gives way from now on, and so do all threads that it starts: workers, and the session's own.
///
/// Loading a model, or running a heavy one at its limit, would otherwise make the requests of all others wait for whole time
/// slices. Only Linux has a niceness for each thread; elsewhere nothing changes.
pub fn stand_back() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(Some(rustix::thread::gettid()), NICENESS) {
        tracing::debug!(%error, "the priority of a thread could not be lowered");
    }
}

/// Whether a thread that stands back has something to do: then a processor that nobody else uses is not idle.
pub fn computing() -> bool {
    COMPUTING.load(Ordering::Relaxed) > 0
}

/// Something to do for a thread that stands back, until this is dropped.
#[derive(Debug)]
pub struct Computing(());

impl Computing {
    /// It begins.
    pub fn begin() -> Self {
        COMPUTING.fetch_add(1, Ordering::Relaxed);
        Self(())
    }
}

impl Drop for Computing {
    fn drop(&mut self) {
        COMPUTING.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_has_something_to_do_computes() {
        let (one, other) = (Computing::begin(), Computing::begin());
        drop(one);
        assert!(computing());
        drop(other);
    }
}
