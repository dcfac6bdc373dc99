//! Notices when a connection has nothing to do, so that silent ones can be ended.
//!
//! The protocol library has a clock for the head of an HTTP/1 request only: not for the first bytes, from which it tells
//! the protocols apart, and not for HTTP/2.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// What happens on one connection.
#[derive(Debug, Default)]
pub(super) struct Activity {
    in_flight: AtomicUsize,
    /// Beginnings and ends of requests.
    events: AtomicUsize,
}

/// A request under way; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Busy(Arc<Activity>);

impl Activity {
    /// Notes that a request began.
    pub(super) fn begin(self: &Arc<Self>) -> Busy {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.events.fetch_add(1, Ordering::Relaxed);
        Busy(Arc::clone(self))
    }

    /// Waits until no request was under way for `limit`; up to twice as long, because it looks once in each `limit`.
    pub(super) async fn idle(&self, limit: Duration) {
        let mut before = self.events.load(Ordering::Relaxed);
        loop {
            tokio::time::sleep(limit).await;
            let now = self.events.load(Ordering::Relaxed);
            if now == before && self.in_flight.load(Ordering::Relaxed) == 0 {
                return;
            }
            before = now;
        }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.events.fetch_add(1, Ordering::Relaxed);
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
