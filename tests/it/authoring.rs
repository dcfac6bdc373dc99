//! Packages made from a model and a table: the quickstart of the README, every type and format, and what is refused.

mod calibrate;
mod profiles;
mod quickstart;
mod refused;
mod streaming;
mod tables;
mod weights;

use std::{
    fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use candor::{
    authoring::{AuthoringError, InitOptions, InitReport, init},
    repository::Loader,
    runtime::OrtLibrary,
};
use serde_json::Value;

use crate::support::{paths::root, server::config};

/// A loader in this process.
fn loader() -> &'static Loader {
    static LOADER: LazyLock<Loader> = LazyLock::new(|| {
        let settings = config().runtime;
        Loader::new(OrtLibrary::load(&settings.library).expect("ONNX Runtime"), settings)
    });
    &LOADER
}

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
