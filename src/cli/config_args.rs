//! The flags of every command that reads the configuration, and what is loaded by them.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{errors::print_start_error, output::complain};
use crate::{
    config::{Layers, Purpose, ResolvedConfig, load},
    repository::Loader,
    runtime::OrtLibrary,
};

/// Flags of every command that reads the configuration.
#[derive(Debug, Clone, Default, Args)]
pub(super) struct ConfigArgs {
    /// Configuration file [default: config/candor.toml, if it exists].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set a configuration key, such as `--set http.max_body_bytes=65536`. May be repeated.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// Shared library of ONNX Runtime (`runtime.library`).
    #[arg(long, value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
    /// Log level, or a list of `target=level` directives (`telemetry.log_level`).
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl ConfigArgs {
    /// Loads the configuration; `flags` are the command's own settings.
    pub(super) fn load(&self, flags: Vec<(String, String)>) -> Result<ResolvedConfig, ExitCode> {
        self.load_for(Purpose::Read, flags)
    }

    /// Like [`ConfigArgs::load`], for a command that serves or checks whether it would: also checks the files that the
    /// configuration names.
    pub(super) fn load_to_serve(&self, flags: Vec<(String, String)>) -> Result<ResolvedConfig, ExitCode> {
        self.load_for(Purpose::Serve, flags)
    }

    fn load_for(&self, purpose: Purpose, flags: Vec<(String, String)>) -> Result<ResolvedConfig, ExitCode> {
        let mut all = flags;
        for pair in &self.set {
            let Some((key, value)) = pair.split_once('=') else {
                complain(format_args!("candor: --set expects key=value, found {pair:?}"));
                return Err(ExitCode::from(2));
            };
            all.push((key.trim().to_owned(), value.trim().to_owned()));
        }
        let path = |path: &PathBuf| path.display().to_string();
        all.extend(self.onnxruntime.as_ref().map(|file| ("runtime.library".to_owned(), path(file))));
        all.extend(self.log_level.as_ref().map(|level| ("telemetry.log_level".to_owned(), level.clone())));
        // A value that is not UTF-8 is converted lossily, and shows as such in the error message.
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.to_string_lossy().into_owned())))
            .collect();
        load(&Layers { file: self.config.clone(), environment, flags: all, purpose }).map_err(|errors| {
            if let [error] = errors.as_slice() {
                complain(format_args!("candor: {error}"));
            } else {
                complain(format_args!("candor: the configuration cannot be used:"));
                for error in errors {
                    complain(format_args!("  {error}"));
                }
            }
            ExitCode::from(2)
        })
    }
}

/// Prints the warnings about the configuration.
pub(super) fn warn(warnings: &[String]) {
    for warning in warnings {
        complain(format_args!("candor: warning: {warning}"));
    }
}

/// Returns a loader over ONNX Runtime, for commands that load models without serving them.
pub(super) fn loader(common: &ConfigArgs) -> Result<Loader, ExitCode> {
    let loaded = common.load(Vec::new())?;
    warn(&loaded.warnings);
    let config = loaded.config;
    match OrtLibrary::load(&config.runtime.library) {
        Ok(library) => Ok(Loader::new(library, config.runtime)
            .with_coverage(config.repository.coverage)
            .with_time_limit(config.repository.load_timeout())),
        Err(error) => Err(print_start_error(&error)),
    }
}
