//! The state that all handlers share.

use std::sync::Arc;

use super::{scrapes::Scrapes, settings::Settings};
use crate::{lifecycle::Shutdown, repository::Repository, serving::Shadows, telemetry::LogHandle};

/// The state that all handlers share.
pub struct AppState {
    /// The repository of the models.
    pub repository: Arc<Repository>,
    /// Copies requests to shadows.
    pub shadows: Shadows,
    /// Renders metric scrapes.
    pub scrapes: Arc<Scrapes>,
    /// The shutdown phase of the process.
    pub shutdown: Shutdown,
    /// The handle of the log: its level and its dropped lines.
    pub log: LogHandle,
    /// The access rules as shown in the OpenAPI document.
    pub access: AccessSummary,
    /// The settings of the HTTP API.
    pub settings: Settings,
}

/// The access rules of the data listener, as shown in the OpenAPI document.
#[derive(Debug, Clone, Copy, Default)]
pub struct AccessSummary {
    /// Whether requests need a token.
    pub secured: bool,
    /// Whether the metrics need a token.
    pub secured_metrics: bool,
    /// Whether there is a rate limit.
    pub metered: bool,
}

/// The state, as handlers extract it.
pub(super) type SharedState = Arc<AppState>;
