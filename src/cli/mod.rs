//! What an operator can ask for, one file a command.

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

/// The help of a command stands at its own arguments: a word here would hide the longer part of it.
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
    /// Whether it loads ONNX Runtime.
    fn loads_models(&self) -> bool {
        match self {
            Self::Serve(_) | Self::Init(_) | Self::Profile(_) | Self::Calibrate(_) | Self::Check(_) => true,
            Self::Config(_) | Self::Health(_) | Self::Completions(_) | Self::Man(_) => false,
        }
    }
}

/// Flags that every command with a configuration takes.
#[derive(Debug, Clone, Default, Args)]
pub struct ConfigArgs {
    /// The configuration file [default: config/candor.toml, where it exists].
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Set any key of the configuration, such as `--set http.max_body_bytes=65536`. May be given often.
    #[arg(long, value_name = "KEY=VALUE")]
    set: Vec<String>,
    /// The shared library of ONNX Runtime (`runtime.library`).
    #[arg(long, value_name = "FILE")]
    onnxruntime: Option<PathBuf>,
    /// What is logged (`telemetry.log_level`).
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
}

impl ConfigArgs {
    /// Loads the configuration; `flags` are the command's own.
    fn load(&self, flags: Vec<(String, String)>) -> Result<ResolvedConfig, ExitCode> {
        self.load_for(Purpose::Read, flags)
    }

    /// The same for a command that serves, or tells whether it would: the files that it names are looked at, too.
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
        // A value that is not UTF-8 shows as such in the message that refuses it.
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

/// Tells what is odd about the configuration and keeps nothing from running.
fn warn(warnings: &[String]) {
    for warning in warnings {
        complain(format_args!("candor: warning: {warning}"));
    }
}

/// Runs the command of this process's arguments.
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    // Before anything is read, since it starts the program again.
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

/// A loader over ONNX Runtime, for commands that load models and serve none.
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

/// Tells why something was not done, a line each.
fn print_error(error: &dyn std::fmt::Display) -> ExitCode {
    for line in error.to_string().lines() {
        complain(format_args!("candor: {line}"));
    }
    ExitCode::FAILURE
}

/// Refuses a path of the command line that leads nowhere, before a library does so in its own words.
fn exists(path: &Path) -> Result<(), ExitCode> {
    let missing = |error| print_error(&format_args!("{}: {}", path.display(), reason(&error)));
    path.metadata().map(drop).map_err(missing)
}

/// The same for a path that must be a file.
fn is_file(path: &Path) -> Result<(), ExitCode> {
    exists(path)?;
    if path.is_dir() {
        return Err(print_error(&format_args!("{}: it is a directory, not a file", path.display())));
    }
    Ok(())
}

/// Starts this program again, with ONNX Runtime's own reporting of usage switched off before the library is loaded.
/// Returns where that is so already; a variable of one's own process cannot be set safely once threads may read it.
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
