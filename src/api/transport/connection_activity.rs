//! Notices when a connection has nothing to do, so that silent ones can be ended.
//!
//! One clock a connection, which is looked at seldom. The protocol library's own is set and cleared with every request, and
//! it is for the head of an HTTP/1 request only: not for the first bytes, from which it tells the protocols apart, and not
//! for HTTP/2.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::connection_limiter::ConnectionLimiter;

/// How often in each limit a connection is looked at.
const CHECKS_PER_TIMEOUT: u32 = 4;

/// What happens on one connection.
#[derive(Debug, Default)]
pub(super) struct ConnectionActivity {
    in_flight: AtomicUsize,
    /// Beginnings and ends of requests.
    events: AtomicUsize,
}

/// A request under way; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct InFlightGuard<'a>(&'a ConnectionActivity);

impl ConnectionActivity {
    /// Notes that a request began.
    pub(super) fn begin(&self) -> InFlightGuard<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.events.fetch_add(1, Ordering::Relaxed);
        InFlightGuard(self)
    }

    /// How many requests are under way.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Waits until no request was under way for `limit`, or for less while connections are scarce; a quarter longer at the
    /// most, because it looks so often.
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
