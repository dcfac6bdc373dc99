//! Detects connections without activity, so that idle ones can be closed.
//!
//! Uses one timer per connection, which is checked rarely. hyper's header timeout is set and cleared with every
//! request, and covers only the head of an HTTP/1 request: neither the first bytes, from which hyper detects the
//! protocol, nor HTTP/2.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::connection_limiter::ConnectionLimiter;

/// How often a connection is checked within its timeout.
const CHECKS_PER_TIMEOUT: u32 = 4;

/// Activity of one connection.
#[derive(Debug, Default)]
pub(super) struct ConnectionActivity {
    in_flight: AtomicUsize,
    /// Number of request starts and ends.
    events: AtomicUsize,
}

/// A request in flight; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct InFlightGuard<'a>(&'a ConnectionActivity);

impl ConnectionActivity {
    /// Records that a request began.
    pub(super) fn begin(&self) -> InFlightGuard<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.events.fetch_add(1, Ordering::Relaxed);
        InFlightGuard(self)
    }

    /// Returns the number of requests in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Waits until no request has been in flight for `limit`, or for less while connections are scarce; up to a quarter
    /// longer, because of the check interval.
    pub(super) async fn idle(&self, limit: Duration, census: &ConnectionLimiter) {
        let (mut before, mut since) = (self.events.load(Ordering::Relaxed), Instant::now());
        loop {
            census.idle_timeout(limit, CHECKS_PER_TIMEOUT).await;
            let now = self.events.load(Ordering::Relaxed);
            if now != before || self.in_flight() > 0 {
                (before, since) = (now, Instant::now());
            } else if since.elapsed() >= census.limit(limit) {
                return;
            }
        }
    }
}

impl Drop for InFlightGuard<'_> {
    fn drop(&mut self) {
        self.0.events.fetch_add(1, Ordering::Relaxed);
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
