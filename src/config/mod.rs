//! Loads and checks the configuration: defaults, file, environment and flags, each overriding those before. All errors
//! are reported at once.

mod check;
mod environment;
mod error;
mod key;
mod layers;
mod lines;
mod markdown;
mod resolved;
mod settings;

use std::path::Path;

pub use error::{ConfigError, Source};
pub use key::{DEFAULT_CONFIG, Key, keys};
pub use markdown::markdown_reference;
pub use resolved::{EffectiveSetting, Layers, Purpose, ResolvedConfig};
pub use settings::{Config, HttpSettings};

/// The path of the configuration file if none is given.
pub const DEFAULT_PATH: &str = "config/candor.toml";

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
