//! Loads and checks the configuration: defaults, file, environment and flags, each overriding those before. All errors
//! are reported at once.

mod check;
mod environment;
mod error;
mod key;
mod layers;
mod lines;
mod markdown;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use error::{ConfigError, Source};
pub use key::{Key, keys};
pub use markdown::markdown_reference;

use crate::{
    api::http::{self, admin, health},
    lifecycle, repository,
    runtime::{self, ThreadCount},
    security, telemetry,
};

/// The shipped configuration file: the default and the explanation of every key.
pub const DEFAULT_CONFIG: &str = include_str!("../../config/candor.toml");

/// The path of the configuration file if none is given.
pub const DEFAULT_PATH: &str = "config/candor.toml";

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

/// An effective value and its source.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectiveSetting {
    /// The key, such as `http.port`.
    pub key: String,
    /// The value.
    pub value: toml::Value,
    /// The source of the value.
    pub source: Source,
}

/// The effective configuration.
#[derive(Debug, Clone)]
pub struct ResolvedConfig {
    /// The settings.
    pub config: Config,
    /// Every key with its value and source, in the order of the shipped file.
    pub settings: Vec<EffectiveSetting>,
    /// Warnings about environment variables that look like keys and are not used.
    pub warnings: Vec<String>,
}

/// What the configuration is loaded for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Purpose {
    /// To read some values.
    #[default]
    Read,
    /// To serve, or to check whether serving would work: the files that the configuration names must exist and be
    /// valid.
    Serve,
}

/// The sources of the layers above the defaults.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// The file given with `--config`; if `None`, `config/candor.toml` is read if it exists.
    pub file: Option<PathBuf>,
    /// The environment: names and values.
    pub environment: Vec<(String, String)>,
    /// The flags: keys and values; a value is TOML or plain text.
    pub flags: Vec<(String, String)>,
    /// What the configuration is loaded for.
    pub purpose: Purpose,
}

/// Loads the configuration.
///
/// # Errors
/// Returns every error of every layer: unknown keys with the nearest known one, values of the wrong type or out of
/// range, files that cannot be read.
pub fn load(layers: &Layers) -> Result<ResolvedConfig, Vec<ConfigError>> {
    let mut merged = layers::LayeredConfig::defaults();
    let mut errors = Vec::new();
    let found = Path::new(DEFAULT_PATH);
    let file = layers.file.as_deref().or_else(|| found.exists().then_some(found));
    if let Some(path) = file {
        merged.file(path, &mut errors);
    }
    merged.environment(&layers.environment, &mut errors);
    merged.flags(&layers.flags, &mut errors);
    merged.resolve(layers.purpose, errors)
}
