//! A loader in the process of the tests.

use std::{collections::BTreeMap, path::Path, sync::LazyLock};

use candor::{
    repository::{Loader, Settings, verify_all},
    runtime::OrtLibrary,
};

use crate::support::server::config;

/// The loader.
pub(crate) fn loader() -> &'static Loader {
    static LOADER: LazyLock<Loader> = LazyLock::new(|| {
        let settings = config().runtime;
        Loader::new(OrtLibrary::load(&settings.library).expect("ONNX Runtime"), settings)
    });
    &LOADER
}

/// What a calibration of the version in this directory depends on in its contract.
pub(crate) fn calibration_basis(version: &Path) -> BTreeMap<String, String> {
    let mut basis = None;
    let loader = loader().clone().without_calibrations();
    verify_all(&Settings::at(version.to_path_buf()), &loader, |_, outcome| {
        basis = Some(outcome.map(|version| version.contract.calibration_basis()));
    })
    .expect("a repository");
    basis.expect("a version").expect("it loads")
}
