//! Errors as the command line prints them.

use std::{error::Error, fmt::Display, path::Path, process::ExitCode};

use super::output::complain;
use crate::telemetry::{error_chain, reason};

/// Prints an error with its causes.
pub(super) fn print_error(error: &(dyn Error + 'static)) -> ExitCode {
    print_problem(&error_chain(error))
}

/// Prints an error of starting the server or loading ONNX Runtime; its further lines explain the first.
pub(super) fn print_start_error(error: &(dyn Error + 'static)) -> ExitCode {
    complain(format_args!("candor: {}", error_chain(error)));
    ExitCode::FAILURE
}

/// Prints a message, each of its lines with the program's name in front.
pub(super) fn print_problem(problem: &dyn Display) -> ExitCode {
    for line in problem.to_string().lines() {
        complain(format_args!("candor: {line}"));
    }
    ExitCode::FAILURE
}

/// Rejects a path on the command line that does not exist, before a library does so in its own words.
pub(super) fn exists(path: &Path) -> Result<(), ExitCode> {
    let missing = |error| print_problem(&format_args!("{}: {}", path.display(), reason(&error)));
    path.metadata().map(drop).map_err(missing)
}

/// Like [`exists`], for a path that must be a file.
pub(super) fn is_file(path: &Path) -> Result<(), ExitCode> {
    exists(path)?;
    if path.is_dir() {
        return Err(print_problem(&format_args!("{}: it is a directory, not a file", path.display())));
    }
    Ok(())
}
