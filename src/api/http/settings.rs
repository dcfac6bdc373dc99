//! Settings of the data listener.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    super::transport::{Host, IdleTimeouts, Listen},
    body::BodyLimits,
};

/// Settings of the data listener.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The address or the name to listen on.
    pub host: Host,
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// The largest body in bytes, after decompression.
    pub max_body_bytes: usize,
    /// How long a body may take to arrive, in milliseconds.
    pub body_timeout_ms: u64,
    /// How long the head of a request may take to arrive, in milliseconds.
    pub header_timeout_ms: u64,
    /// How long a connection may be idle between requests, in milliseconds.
    pub idle_timeout_ms: u64,
    /// How long a thread busy-polls for the next request of a client that responds quickly, in microseconds; 0: never.
    pub busy_poll_us: u16,
    /// How long a client may take to read a response, in milliseconds.
    pub answer_timeout_ms: u64,
    /// The most connections at once; further ones wait briefly and are then rejected.
    pub max_connections: usize,
    /// The most connections from one address.
    pub max_connections_per_address: usize,
    /// The most bytes that all requests and responses in flight may take in memory.
    pub max_buffered_bytes: usize,
    /// The largest response in bytes.
    pub max_answer_bytes: usize,
    /// Cross-origin requests.
    pub cors: CorsSettings,
}

/// Settings of cross-origin requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CorsSettings {
    /// The allowed origins; none by default.
    pub origins: Vec<String>,
}

impl Settings {
    pub(super) fn body_limits(&self) -> BodyLimits {
        BodyLimits { bytes: self.max_body_bytes, timeout: Duration::from_millis(self.body_timeout_ms) }
    }

    /// How long a thread busy-polls before it sleeps.
    pub fn busy_poll(&self) -> Duration {
        Duration::from_micros(self.busy_poll_us.into())
    }

    /// Address, connection limits and timeouts of the data listener.
    pub fn listen(&self) -> Listen {
        Listen {
            host: self.host.clone(),
            port: self.port,
            max_connections: self.max_connections,
            max_connections_per_address: self.max_connections_per_address,
            idle_timeouts: IdleTimeouts {
                header: Duration::from_millis(self.header_timeout_ms),
                idle: Duration::from_millis(self.idle_timeout_ms),
            },
            answer_timeout: Duration::from_millis(self.answer_timeout_ms),
        }
    }
}
