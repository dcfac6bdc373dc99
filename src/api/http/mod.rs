//! The native HTTP API: routes, headers, the envelope, problems.

mod access;
mod access_control;
pub mod admin;
mod body;
mod compression;
mod context;
mod docs;
mod envelope;
mod headers;
pub mod health;
mod index;
mod metrics;
mod models;
mod openapi;
mod path_params;
mod predict;
mod problem;
mod response_budget;
mod router;
mod routes;
mod service;
mod settings_check;

use std::{sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

pub use access::markdown_reference as access_reference;
pub use access_control::AccessControl;
pub use envelope::{EnvelopeError, envelope};
pub use index::example_curl;
pub use metrics::Scrapes;
pub use problem::status;
pub use router::{admin_service, data_service};
pub use routes::{ADMIN_ROUTES, ROUTES, Route, RouteAccess};
pub use service::HttpService;

use self::body::BodyLimits;
use super::transport::{Host, Listen};
use crate::{lifecycle::Shutdown, repository::Repository, telemetry::LogHandle};

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
    fn body_limits(&self) -> BodyLimits {
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

/// What the handlers use.
pub struct AppState {
    /// The models.
    pub repository: Arc<Repository>,
    /// Renders the metrics.
    pub scrapes: Arc<Scrapes>,
    /// The phases of the process.
    pub shutdown: Shutdown,
    /// The log.
    pub log: LogHandle,
    /// What OpenAPI says of access.
    pub access: AccessSummary,
    /// The settings.
    pub settings: Settings,
}

/// What the OpenAPI document says of the rules that the data listener has.
#[derive(Debug, Clone, Copy, Default)]
pub struct AccessSummary {
    /// Requests need a token.
    pub secured: bool,
    /// So do the metrics.
    pub secured_metrics: bool,
    /// There is a rate limit.
    pub metered: bool,
}

type SharedState = Arc<AppState>;
