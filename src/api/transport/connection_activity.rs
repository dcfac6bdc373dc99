//! Detects connections without activity, so that idle ones, and those that send the head of a request too slowly, can be
//! closed.
//!
//! Uses one timer per connection, which is checked rarely. hyper's header timeout is set and cleared with every
//! request, and covers only the head of an HTTP/1 request: neither the first bytes, from which hyper detects the
//! protocol, nor HTTP/2.

use std::{
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};

use tokio::time::Instant;

use super::connection_limiter::ConnectionLimiter;

/// How often a connection is checked within its timeout.
const CHECKS_PER_TIMEOUT: u32 = 4;

/// How long a connection may be without a request in flight.
#[derive(Debug, Clone, Copy)]
pub struct IdleTimeouts {
    /// How long the head of a request may take to arrive: from its first byte, or from the start of the connection.
    pub header: Duration,
    /// How long a connection may be idle between requests.
    pub idle: Duration,
}

impl IdleTimeouts {
    /// The same timeouts, but no longer than this.
    pub(super) fn at_most(self, limit: Duration) -> Self {
        Self { header: self.header.min(limit), idle: self.idle.min(limit) }
    }
}

/// Activity of one connection.
#[derive(Debug)]
pub(super) struct ConnectionActivity {
    in_flight: AtomicUsize,
    /// Number of request starts and ends, and of heads that began to arrive.
    events: AtomicUsize,
    /// Whether the head of a request is expected or has begun to arrive.
    awaits_head: AtomicBool,
}

impl Default for ConnectionActivity {
    fn default() -> Self {
        Self { in_flight: AtomicUsize::new(0), events: AtomicUsize::new(0), awaits_head: AtomicBool::new(true) }
    }
}

/// A request in flight; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct InFlightGuard<'a>(&'a ConnectionActivity);

impl ConnectionActivity {
    /// Records that a request began.
    pub(super) fn begin(&self) -> InFlightGuard<'_> {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        self.events.fetch_add(1, Ordering::Relaxed);
        self.awaits_head.store(false, Ordering::Relaxed);
        InFlightGuard(self)
    }

    /// Records that bytes arrived. Without a request in flight they begin the head of the next one.
    pub(super) fn bytes_arrived(&self) {
        if self.in_flight() == 0 && !self.awaits_head.swap(true, Ordering::Relaxed) {
            self.events.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Returns the number of requests in flight.
    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Waits until no request has been in flight for as long as `timeouts` allow, or for less while connections are
    /// scarce; up to a quarter longer, because of the check interval.
    pub(super) async fn idle(&self, timeouts: IdleTimeouts, limiter: &ConnectionLimiter) {
        let (mut before, mut since) = (self.events.load(Ordering::Relaxed), Instant::now());
        loop {
            limiter.idle_timeout(timeouts.header.min(timeouts.idle), CHECKS_PER_TIMEOUT).await;
            let now = self.events.load(Ordering::Relaxed);
            let limit = if self.awaits_head.load(Ordering::Relaxed) { timeouts.header } else { timeouts.idle };
            if now != before || self.in_flight() > 0 {
                (before, since) = (now, Instant::now());
            } else if since.elapsed() >= limiter.limit(limit) {
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
