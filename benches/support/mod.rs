//! What the benches share: the bundled models, loaded and proven as the server does it, and a body that asks each.

use std::{path::Path, sync::Arc};

use candor::{
    app,
    config::{self, Config, Layers},
    repository::{Loader, ModelVersion, Repository},
    runtime::OrtLibrary,
    telemetry::Metrics,
};
use serde_json::json;

/// The program's own allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The shipped configuration over the bundled models.
pub(crate) fn config() -> Config {
    let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("models");
    let flags = vec![("repository.models".to_owned(), models.display().to_string())];
    config::load(&Layers { flags, ..Layers::default() }).expect("a good configuration").config
}

/// Every bundled model, ready, and where it is counted.
pub(crate) fn repository(config: &Config) -> (Arc<Repository>, Arc<Metrics>) {
    let library = OrtLibrary::load(&config.runtime.library).unwrap_or_else(|error| panic!("{error}"));
    let metrics = Arc::new(app::metrics(&library).expect("metrics"));
    let loader = Loader::new(library, config.runtime.clone());
    let repository = Repository::open(&config.repository, &loader, Arc::clone(&metrics)).expect("a repository");
    repository.wait_until_loaded();
    (repository, metrics)
}

/// The stable version of a model.
pub(crate) fn stable(repository: &Repository, model: &str) -> Arc<ModelVersion> {
    let catalog = repository.catalog();
    catalog.resolve(Some(model), None).map_or_else(|error| panic!("{}", error.detail), Arc::clone)
}

/// The body of a request for the contract's own example.
pub(crate) fn body(version: &ModelVersion) -> Vec<u8> {
    serde_json::to_vec(&json!({ "features": version.example })).expect("an example is JSON")
}
