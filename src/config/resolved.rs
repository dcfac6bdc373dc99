//! The layers of the configuration, and what comes of them.

use std::path::PathBuf;

use super::{error::Source, settings::Config};

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
