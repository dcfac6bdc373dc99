//! Changing what is served without anyone noticing: files that come, change and go under running servers, moves, several
//! servers over one repository, and what all of that does to requests and to memory.

mod copies;
mod files;
mod memory;
mod moves;
mod servers;
mod settings;
mod stops;
mod unnoticed;

use crate::support::{models_directory::state, server::Server, wait::wait_until};

/// Waits until a version such as `m/1` is in this state.
fn until(server: &Server, version: &str, expected: &str) {
    wait_until(&format!("{version} is {expected}"), || state(server, version).0 == expected);
}

/// As a pair of a version and its constant, for comparisons.
fn answer(version: &str, constant: f32) -> (String, f32) {
    (version.to_owned(), constant)
}
