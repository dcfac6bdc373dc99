//! The settings of every module, as one document.

use serde::{Deserialize, Serialize};

use crate::{
    api::http::{self, admin, health},
    lifecycle, repository,
    runtime::{self, ThreadCount},
    security, telemetry,
};

/// The settings of every module.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// HTTP server.
    pub http: HttpSettings,
    /// Health listener.
    pub health: health::Settings,
    /// Model repository.
    pub repository: repository::Settings,
    /// ONNX Runtime.
    pub runtime: runtime::Settings,
    /// Authentication and rate limits.
    pub security: security::Settings,
    /// Administration API.
    pub admin: admin::Settings,
    /// Shutdown.
    pub lifecycle: lifecycle::Settings,
    /// Logging.
    pub telemetry: telemetry::Settings,
}

/// The HTTP server, and the number of its threads.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct HttpSettings {
    /// Number of threads that handle connections.
    pub threads: ThreadCount,
    /// The other settings of the server.
    #[serde(flatten)]
    pub server: http::Settings,
}
