//! The command line: one file per command.

mod calibrate;
mod check;
mod completions;
mod config;
mod health;
mod init;
mod markdown;
mod output;
mod profile;
mod progress;
mod serve;
mod version;

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};

pub use markdown::markdown_reference;

use output::complain;

use crate::{
    config::{Layers, Purpose, ResolvedConfig, load},
    repository::Loader,
    runtime::OrtLibrary,
    telemetry::reason,
};

/// A model server that tells you how sure it is.
#[derive(Debug, Parser)]
#[command(name = "candor", version, long_version = version::long(), about, max_term_width = 100)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

/// The variants have no doc comments: those would hide the long help on the argument structs.
#[derive(Debug, Subcommand)]
enum Command {
    Serve(serve::Serve),
    Init(init::Init),
    Profile(profile::Profile),
    Calibrate(calibrate::Calibrate),
    Check(check::Check),
    Config(config::ConfigCommand),
    Health(health::Health),
    Completions(completions::Completions),
    Man(completions::Man),
}

impl Command {
    /// Whether the command loads ONNX Runtime.
    fn loads_models(&self) -> bool {
        match self {
            Self::Serve(_) | Self::Init(_) | Self::Profile(_) | Self::Calibrate(_) | Self::Check(_) => true,
            Self::Config(_) | Self::Health(_) | Self::Completions(_) | Self::Man(_) => false,
        }
    }
}

/// Flags of every command that reads the configuration.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigArgs {
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
    fn load(&self, flags: Vec<(String, String)>) -> Result<ResolvedConfig, ExitCode> {
        self.load_for(Purpose::Read, flags)
    }

    /// Like [`ConfigArgs::load`], for a command that serves or checks whether it would: also checks the files that the
    /// configuration names.
    fn load_to_serve(&self, flags: Vec<(String, String)>) -> Result<ResolvedConfig, ExitCode> {
        self.load_for(Purpose::Serve, flags)
    }

    fn load_for(&self, purpose: Purpose, flags: Vec<(String, String)>) -> Result<ResolvedConfig, ExitCode> {
        let mut all = flags;
        for pair in &self.set {
            let Some((key, value)) = pair.split_once('=') else {
                complain(format_args!("candor: --set wants key=value, found {pair:?}"));
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
fn warn(warnings: &[String]) {
    for warning in warnings {
        complain(format_args!("candor: warning: {warning}"));
    }
}

/// Runs the command given on the command line.
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    // Before anything is read, since this re-executes the program.
    if command.loads_models()
        && let Err(code) = reexec_without_ort_telemetry()
    {
        return code;
    }
    match command {
        Command::Serve(serve) => serve.run(),
        Command::Init(init) => init.run(),
        Command::Profile(profile) => profile.run(),
        Command::Calibrate(calibrate) => calibrate.run(),
        Command::Check(check) => check.run(),
        Command::Config(show) => show.run(),
        Command::Health(health) => health.run(),
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
    }
}

/// Returns a loader over ONNX Runtime, for commands that load models without serving them.
fn loader(common: &ConfigArgs) -> Result<Loader, ExitCode> {
    let loaded = common.load(Vec::new())?;
    warn(&loaded.warnings);
    let config = loaded.config;
    match OrtLibrary::load(&config.runtime.library) {
        Ok(library) => Ok(Loader::new(library, config.runtime)
            .with_coverage(config.repository.coverage)
            .with_time_limit(config.repository.load_timeout())),
        Err(error) => {
            complain(format_args!("candor: {error}"));
            Err(ExitCode::FAILURE)
        }
    }
}

/// Prints an error, each of its lines with the program's name in front.
fn print_error(error: &dyn std::fmt::Display) -> ExitCode {
    for line in error.to_string().lines() {
        complain(format_args!("candor: {line}"));
    }
    ExitCode::FAILURE
}

/// Rejects a path on the command line that does not exist, before a library does so in its own words.
fn exists(path: &Path) -> Result<(), ExitCode> {
    let missing = |error| print_error(&format_args!("{}: {}", path.display(), reason(&error)));
    path.metadata().map(drop).map_err(missing)
}

/// Like [`exists`], for a path that must be a file.
fn is_file(path: &Path) -> Result<(), ExitCode> {
    exists(path)?;
    if path.is_dir() {
        return Err(print_error(&format_args!("{}: it is a directory, not a file", path.display())));
    }
    Ok(())
}

/// Re-executes this program with the usage telemetry of ONNX Runtime disabled before the library is loaded. Returns if
/// it is disabled already. The variable cannot be set in the running process, since that is unsafe once other threads
/// may read it.
fn reexec_without_ort_telemetry() -> Result<(), ExitCode> {
    use std::os::unix::process::CommandExt as _;

    let name = crate::runtime::DISABLE_TELEMETRY;
    if std::env::var_os(name).is_some_and(|value| value == "1") {
        return Ok(());
    }
    let error = match std::env::current_exe() {
        Ok(program) => std::process::Command::new(program).args(std::env::args_os().skip(1)).env(name, "1").exec(),
        Err(error) => error,
    };
    complain(format_args!(
        "candor: could not start again with {name}=1, which keeps ONNX Runtime from reporting usage: {error}"
    ));
    complain(format_args!("candor: set {name}=1 in the environment and try again"));
    Err(ExitCode::FAILURE)
}
