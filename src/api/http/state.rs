//! What the handlers use.

use std::sync::Arc;

use super::{scrapes::Scrapes, settings::Settings};
use crate::{lifecycle::Shutdown, repository::Repository, telemetry::LogHandle};

/// What the handlers use, shared by all requests.
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

/// The state, as handlers extract it.
pub(super) type SharedState = Arc<AppState>;
