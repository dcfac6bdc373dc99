//! The connection metrics of one listener, and the bytes that all connections have reserved.

use std::sync::Arc;

use super::{
    instrument::{Counter, UpDownCounter},
    metrics::Metrics,
};

/// Why a connection was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusedConnection {
    /// Its address has reached the limit of connections per address.
    Address,
    /// The listener has reached its limits of open and of waiting connections.
    Full,
    /// The byte budget has no room for another connection.
    Memory,
}

/// Why a connection was closed before its client closed it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimedOutConnection {
    /// It had no request in progress for too long.
    Idle,
    /// The client did not read a response in time.
    SlowReader,
}

const REFUSED: [&str; 3] = ["address", "full", "memory"];
const TIMED_OUT: [&str; 2] = ["idle", "slow_reader"];

/// The connection metrics of one listener. The default value is not registered anywhere.
#[derive(Debug, Clone, Default)]
pub struct ConnectionMetrics {
    /// Connections that are being served.
    pub open: Arc<UpDownCounter>,
    /// Accepted connections that wait until an open one closes.
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
    /// Returns the metrics of a listener, such as `data` or `admin`.
    pub fn connection_metrics(&self, listener: &str) -> ConnectionMetrics {
        let level = |state| self.connections.series(&[listener, state], UpDownCounter::default);
        ConnectionMetrics {
            open: level("open"),
            waiting: level("waiting"),
            refused: REFUSED.map(|reason| self.connections_refused.series(&[listener, reason], Counter::default)),
            timed_out: TIMED_OUT.map(|reason| self.connections_timed_out.series(&[listener, reason], Counter::default)),
        }
    }

    /// Returns the gauge of the bytes that connections have reserved.
    pub fn buffered_bytes(&self) -> Arc<UpDownCounter> {
        self.buffered_bytes.series(&[], UpDownCounter::default)
    }
}
