//! The series of one listener's connections, and of the bytes that all connections hold.

use std::sync::Arc;

use super::instrument::{Counter, UpDownCounter};
use super::metrics::Metrics;

/// Why a connection was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedConnection {
    /// Its address has as many as one address may have.
    Address,
    /// The listener has as many as it takes, and as many as may wait.
    Full,
    /// The budget of bytes has no room for another one.
    Memory,
}

/// Why a connection was closed before its client closed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimedOutConnection {
    /// It had no request under way for too long.
    Idle,
    /// An answer was not taken in time.
    SlowReader,
}

const REFUSED: [&str; 3] = ["address", "full", "memory"];
const TIMED_OUT: [&str; 2] = ["idle", "slow_reader"];

/// The series of one listener's connections; by default ones that are shown nowhere.
#[derive(Debug, Clone, Default)]
pub struct ConnectionMetrics {
    /// Connections that are served.
    pub open: Arc<UpDownCounter>,
    /// Connections that wait until there is room for them.
    pub waiting: Arc<UpDownCounter>,
    refused: [Arc<Counter>; REFUSED.len()],
    timed_out: [Arc<Counter>; TIMED_OUT.len()],
}

impl ConnectionMetrics {
    /// Counts a connection that was refused.
    pub fn count_refused(&self, reason: RefusedConnection) {
        self.refused[reason as usize].inc();
    }

    /// Counts a connection that was closed because its client was too slow.
    pub fn count_timed_out(&self, reason: TimedOutConnection) {
        self.timed_out[reason as usize].inc();
    }
}

impl Metrics {
    /// The series of a listener, such as `data` or `admin`.
    pub fn connection_metrics(&self, listener: &str) -> ConnectionMetrics {
        let level = |state| self.connections.series(&[listener, state], UpDownCounter::default);
        ConnectionMetrics {
            open: level("open"),
            waiting: level("waiting"),
            refused: REFUSED.map(|reason| self.connections_refused.series(&[listener, reason], Counter::default)),
            timed_out: TIMED_OUT.map(|reason| self.connections_timed_out.series(&[listener, reason], Counter::default)),
        }
    }

    /// The bytes that connections have reserved.
    pub fn buffered_bytes(&self) -> Arc<UpDownCounter> {
        self.buffered_bytes.series(&[], UpDownCounter::default)
    }
}
