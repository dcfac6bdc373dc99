//! Text to checked settings: defaults, a file, the environment and flags, each over those before, all faults at once.

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

/// The shipped configuration: the defaults, and the explanation of every key.
pub const DEFAULT_CONFIG: &str = include_str!("../../config/candor.toml");

/// Where the configuration is looked for when none is named.
pub const DEFAULT_PATH: &str = "config/candor.toml";

/// The settings of every module.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The HTTP side.
    pub http: HttpSettings,
    /// The listener for health.
    pub health: health::Settings,
    /// The models.
    pub repository: repository::Settings,
    /// ONNX Runtime.
    pub runtime: runtime::Settings,
    /// Callers.
    pub security: security::Settings,
    /// Administration.
    pub admin: admin::Settings,
    /// Stopping.
    pub lifecycle: lifecycle::Settings,
    /// Logs.
    pub telemetry: telemetry::Settings,
}

/// The HTTP side, and the threads it runs on.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
pub struct HttpSettings {
    /// Threads that handle connections.
    pub threads: ThreadCount,
    /// The rest.
    #[serde(flatten)]
    pub server: http::Settings,
}

/// A value in force, and where it came from.
#[derive(Debug, Clone, PartialEq)]
pub struct EffectiveSetting {
    /// The key, such as `http.port`.
    pub key: String,
    /// The value.
    pub value: toml::Value,
    /// Where it came from.
    pub source: Source,
}

/// The configuration in force.
#[derive(Debug, Clone)]
pub struct ResolvedConfig {
    /// The settings.
    pub config: Config,
    /// Every key with its value and source, in the order of the shipped file.
    pub settings: Vec<EffectiveSetting>,
    /// Variables that look like keys and are not used.
    pub warnings: Vec<String>,
}

/// What a configuration is loaded for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Purpose {
    /// To read some of its values.
    #[default]
    Read,
    /// To serve with it, or to tell whether it would serve: the files that it names must be there and good.
    Serve,
}

/// Where the layers above the defaults come from.
#[derive(Debug, Clone, Default)]
pub struct Layers {
    /// The file named with `--config`; `None`: `config/candor.toml` where it exists.
    pub file: Option<PathBuf>,
    /// The environment: names and values.
    pub environment: Vec<(String, String)>,
    /// The flags: keys and values, in TOML or as plain text.
    pub flags: Vec<(String, String)>,
    /// What it is loaded for.
    pub purpose: Purpose,
}

/// Loads the configuration.
///
/// # Errors
/// Every fault of every layer: unknown keys with the nearest known one, values of the wrong type or out of bounds, files
/// that cannot be read.
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
