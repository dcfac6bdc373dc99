//! What an operator can ask for, one file a command.

mod calibrate;
mod check;
mod config;
mod health;
mod init;
mod profile;
mod progress;
mod reference;
mod serve;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, Parser, Subcommand};

pub use reference::reference;

use crate::{
    config::{Layers, Loaded, load},
    repository::Loader,
    runtime::Library,
};

/// A model server that tells you how sure it is.
#[derive(Debug, Parser)]
#[command(name = "candor", version, about, max_term_width = 100)]
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
    Config(config::Show),
    Health(health::Health),
}

/// Flags that every command with a configuration takes.
#[derive(Debug, Clone, Default, Args)]
pub struct Common {
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

impl Common {
    /// Loads the configuration; `flags` are the command's own.
    fn load(&self, flags: Vec<(String, String)>) -> Result<Loaded, ExitCode> {
        let mut all = flags;
        for pair in &self.set {
            let Some((key, value)) = pair.split_once('=') else {
                eprintln!("candor: --set wants key=value, found {pair:?}");
                return Err(ExitCode::from(2));
            };
            all.push((key.trim().to_owned(), value.trim().to_owned()));
        }
        let path = |path: &PathBuf| path.display().to_string();
        all.extend(self.onnxruntime.as_ref().map(|file| ("runtime.library".to_owned(), path(file))));
        all.extend(self.log_level.as_ref().map(|level| ("telemetry.log_level".to_owned(), level.clone())));
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        load(&Layers { file: self.config.clone(), environment, flags: all }).map_err(|errors| {
            eprintln!("candor: the configuration cannot be used:");
            for error in errors {
                eprintln!("  {error}");
            }
            ExitCode::from(2)
        })
    }
}

/// Runs the command of this process's arguments.
pub fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Serve(serve) => serve.run(),
        Command::Init(init) => init.run(),
        Command::Profile(profile) => profile.run(),
        Command::Calibrate(calibrate) => calibrate.run(),
        Command::Check(check) => check.run(),
        Command::Config(show) => show.run(),
        Command::Health(health) => health.run(),
    }
}

/// A loader over ONNX Runtime, for commands that load models and serve none.
fn loader(common: &Common) -> Result<Loader, ExitCode> {
    let config = common.load(Vec::new())?.config;
    silence_onnxruntime()?;
    match Library::load(&config.runtime.library) {
        Ok(library) => Ok(Loader::new(library, config.runtime)
            .with_coverage(config.repository.coverage)
            .with_time_limit(config.repository.load_timeout())),
        Err(error) => {
            eprintln!("candor: {error}");
            Err(ExitCode::FAILURE)
        }
    }
}

/// Tells why something was not done, a line each.
fn refuse(error: &dyn std::fmt::Display) -> ExitCode {
    for line in error.to_string().lines() {
        eprintln!("candor: {line}");
    }
    ExitCode::FAILURE
}

/// Starts this program again, with ONNX Runtime's own reporting of usage switched off before the library is loaded.
/// Returns where that is so already; a variable of one's own process cannot be set safely once threads may read it.
fn silence_onnxruntime() -> Result<(), ExitCode> {
    use std::os::unix::process::CommandExt as _;

    let name = crate::runtime::DISABLE_TELEMETRY;
    if std::env::var_os(name).is_some_and(|value| value == "1") {
        return Ok(());
    }
    let error = match std::env::current_exe() {
        Ok(program) => std::process::Command::new(program).args(std::env::args_os().skip(1)).env(name, "1").exec(),
        Err(error) => error,
    };
    eprintln!("candor: could not start again with {name}=1, which keeps ONNX Runtime from reporting usage: {error}");
    eprintln!("candor: set {name}=1 in the environment and try again");
    Err(ExitCode::FAILURE)
}
