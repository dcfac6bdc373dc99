//! What an operator can set about the data listener.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{
    super::transport::{Host, Listen},
    body::BodyLimits,
};

/// What an operator can set about the HTTP side.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The address or the name to listen on.
    pub host: Host,
    /// The port; 0 lets the system choose.
    pub port: u16,
    /// The largest body, decoded; bytes.
    pub max_body_bytes: usize,
    /// How long a body may take to arrive; milliseconds.
    pub body_timeout_ms: u64,
    /// How long the head of a request may take, on an open connection too; milliseconds.
    pub header_timeout_ms: u64,
    /// How long a thread looks for the next request of a caller who comes back at once; microseconds, 0: it sleeps.
    pub busy_poll_us: u16,
    /// How long a client may take to read an answer; milliseconds.
    pub answer_timeout_ms: u64,
    /// The most connections at once; further ones wait for a moment and are then refused.
    pub max_connections: usize,
    /// The most connections of one address.
    pub max_connections_per_address: usize,
    /// The most bytes that requests and answers on their way may take in memory.
    pub max_buffered_bytes: usize,
    /// The largest answer; bytes.
    pub max_answer_bytes: usize,
    /// Cross-origin requests.
    pub cors: CorsSettings,
}

/// What an operator can set about cross-origin requests.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct CorsSettings {
    /// The origins that may ask; none by default.
    pub origins: Vec<String>,
}

impl Settings {
    pub(super) fn body_limits(&self) -> BodyLimits {
        BodyLimits { bytes: self.max_body_bytes, timeout: Duration::from_millis(self.body_timeout_ms) }
    }

    /// How long a thread looks for the next request before it sleeps.
    pub fn busy_poll(&self) -> Duration {
        Duration::from_micros(self.busy_poll_us.into())
    }

    /// Where the data routes listen, and how many connections they take for how long.
    pub fn listen(&self) -> Listen {
        Listen {
            host: self.host.clone(),
            port: self.port,
            max_connections: self.max_connections,
            max_connections_per_address: self.max_connections_per_address,
            idle_timeout: Duration::from_millis(self.header_timeout_ms),
            answer_timeout: Duration::from_millis(self.answer_timeout_ms),
        }
    }
}
