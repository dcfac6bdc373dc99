//! Packages made from a model and a table: the quickstart of the README, every type and format, and what is refused.

mod calibrate;
mod columns;
mod profiles;
mod quickstart;
mod refused;
mod roles;
mod sealed;
mod streaming;
mod tables;
mod weights;

use std::{
    fs,
    path::{Path, PathBuf},
};

use candor::authoring::{AuthoringError, InitOptions, InitReport, init};
use serde_json::Value;

use crate::support::{loader::loader, paths::root};

fn iris(file: &str) -> PathBuf {
    root().join("tests/fixtures/iris").join(file)
}

/// `init` with the target `species`, unless the test changes the options.
fn make(
    graph: &Path,
    data: &Path,
    out: &Path,
    wish: impl FnOnce(&mut InitOptions),
) -> Result<InitReport, AuthoringError> {
    let mut wishes = InitOptions::default();
    wish(&mut wishes);
    init(loader(), graph, data, Some(out), &wishes)
}

fn json(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).expect("a file")).expect("JSON")
}
