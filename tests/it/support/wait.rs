//! The timeout of tests, and waiting for a condition.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long a test waits for an answer or a condition before it fails.
pub(crate) const TEST_TIMEOUT: Duration = Duration::from_secs(20);

/// Waits until a condition holds; panics after [`TEST_TIMEOUT`].
pub(crate) fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !so() {
        assert!(started.elapsed() < TEST_TIMEOUT, "timed out waiting for: {what}");
        thread::yield_now();
    }
}
