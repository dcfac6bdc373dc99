//! The command line: one file per command.

mod calibrate;
mod check;
mod compare;
mod completions;
mod config;
mod config_args;
mod errors;
mod health;
mod http_client;
mod init;
mod markdown;
mod output;
mod profile;
mod progress;
mod rollout;
mod seal;
mod serve;
mod table_args;
mod text_table;
mod version;

use std::process::ExitCode;

use clap::{CommandFactory as _, Parser, Subcommand};

pub use markdown::markdown_reference;

use output::complain;

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
    Init(Box<init::Init>),
    Profile(profile::ProfileCommand),
    Calibrate(calibrate::Calibrate),
    Check(check::Check),
    Compare(compare::Compare),
    Seal(seal::Seal),
    Status(rollout::Status),
    Promote(rollout::Promote),
    Canary(rollout::CanaryCommand),
    Shadow(rollout::ShadowCommand),
    Rollback(rollout::Rollback),
    Load(rollout::LoadCommand),
    Unload(rollout::UnloadCommand),
    Reload(rollout::Reload),
    Config(config::ConfigCommand),
    Health(health::Health),
    Completions(completions::Completions),
    Man(completions::Man),
}

impl Command {
    /// Whether the command loads ONNX Runtime.
    fn loads_models(&self) -> bool {
        match self {
            Self::Serve(_)
            | Self::Init(_)
            | Self::Profile(_)
            | Self::Calibrate(_)
            | Self::Check(_)
            | Self::Compare(_)
            | Self::Seal(_) => true,
            Self::Status(_)
            | Self::Promote(_)
            | Self::Canary(_)
            | Self::Shadow(_)
            | Self::Rollback(_)
            | Self::Load(_)
            | Self::Unload(_)
            | Self::Reload(_)
            | Self::Config(_)
            | Self::Health(_)
            | Self::Completions(_)
            | Self::Man(_) => false,
        }
    }
}

/// Runs the command given on the command line.
pub fn main() -> ExitCode {
    let command = Cli::parse().command;
    // Before anything is read, since this re-executes the program.
    if command.loads_models()
        && let Err(code) = reexec_with_environment()
    {
        return code;
    }
    match command {
        Command::Serve(serve) => serve.run(),
        Command::Init(init) => init.run(),
        Command::Profile(profile) => profile.run(),
        Command::Calibrate(calibrate) => calibrate.run(),
        Command::Check(check) => check.run(),
        Command::Compare(compare) => compare.run(),
        Command::Seal(seal) => seal.run(),
        Command::Status(status) => status.run(),
        Command::Promote(promote) => promote.run(),
        Command::Canary(canary) => canary.run(),
        Command::Shadow(shadow) => shadow.run(),
        Command::Rollback(rollback) => rollback.run(),
        Command::Load(load) => load.run(),
        Command::Unload(unload) => unload.run(),
        Command::Reload(reload) => reload.run(),
        Command::Config(show) => show.run(),
        Command::Health(health) => health.run(),
        Command::Completions(completions) => completions.run(Cli::command()),
        Command::Man(man) => man.run(Cli::command()),
    }
}

/// The variable by which glibc takes the size from which it maps each allocation by itself, and gives it back when freed.
/// By default glibc raises this size to that of the largest weights that were freed, and keeps the memory of unloaded models
/// in pieces.
const MMAP_THRESHOLD: &str = "MALLOC_MMAP_THRESHOLD_";
const MMAP_THRESHOLD_BYTES: &str = "1048576";

/// Re-executes this program with the usage telemetry of ONNX Runtime disabled before the library is loaded, and with
/// memory that is given back. Returns if both are set already. The variables cannot be set in the running process, since
/// that is unsafe once other threads may read them.
fn reexec_with_environment() -> Result<(), ExitCode> {
    use std::os::unix::process::CommandExt as _;

    let name = crate::runtime::DISABLE_TELEMETRY;
    let is_silent = std::env::var_os(name).is_some_and(|value| value == "1");
    let threshold = std::env::var_os(MMAP_THRESHOLD);
    if is_silent && threshold.is_some() {
        return Ok(());
    }
    let threshold = threshold.unwrap_or_else(|| MMAP_THRESHOLD_BYTES.into());
    let error = match std::env::current_exe() {
        Ok(program) => {
            let mut command = std::process::Command::new(program);
            command.args(std::env::args_os().skip(1)).env(name, "1").env(MMAP_THRESHOLD, threshold).exec()
        }
        Err(error) => error,
    };
    if is_silent {
        // Without the threshold the program only needs more memory.
        return Ok(());
    }
    complain(format_args!(
        "candor: could not restart with {name}=1, which disables the usage telemetry of ONNX Runtime: {error}"
    ));
    complain(format_args!("candor: set {name}=1 in the environment and try again"));
    Err(ExitCode::FAILURE)
}
