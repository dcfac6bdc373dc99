//! Errors as the command line prints them.

use std::{path::Path, process::ExitCode};

use super::output::complain;
use crate::telemetry::reason;

/// Prints an error, each of its lines with the program's name in front.
pub(super) fn print_error(error: &dyn std::fmt::Display) -> ExitCode {
    for line in error.to_string().lines() {
        complain(format_args!("candor: {line}"));
    }
    ExitCode::FAILURE
}

/// Rejects a path on the command line that does not exist, before a library does so in its own words.
pub(super) fn exists(path: &Path) -> Result<(), ExitCode> {
    let missing = |error| print_error(&format_args!("{}: {}", path.display(), reason(&error)));
    path.metadata().map(drop).map_err(missing)
}

/// Like [`exists`], for a path that must be a file.
pub(super) fn is_file(path: &Path) -> Result<(), ExitCode> {
    exists(path)?;
    if path.is_dir() {
        return Err(print_error(&format_args!("{}: it is a directory, not a file", path.display())));
    }
    Ok(())
}
