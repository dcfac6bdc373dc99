//! Paths in the repository.

use std::path::{Path, PathBuf};

/// The root of the repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A graph from tests/fixtures/graphs.
pub(crate) fn fixture(name: &str) -> PathBuf {
    root().join("tests/fixtures/graphs").join(name)
}
