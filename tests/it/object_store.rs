//! A repository in an object store: what is mirrored, what waits, who wins a write, and what the errors say.

#[cfg(feature = "object-store")]
mod mirrored;
#[cfg(feature = "object-store")]
mod served;
#[cfg(feature = "object-store")]
mod unavailable;
#[cfg(feature = "object-store")]
mod whole;
#[cfg(feature = "object-store")]
mod written;

#[cfg(not(feature = "object-store"))]
#[test]
fn a_build_without_the_feature_refuses_by_name() {
    use candor::repository::{RemoteOptions, RemoteStore};

    let cache = tempfile::tempdir().expect("a directory");
    for url in ["s3://models/prod", "gs://models", "az://models"] {
        let error = RemoteStore::open(url, RemoteOptions::new(cache.path().join("cache"))).expect_err("refused");
        let expected = format!("{url}: needs a build with the feature object-store");
        assert_eq!(candor::telemetry::error_chain(&error), expected);
    }
    assert!(!cache.path().join("cache").exists());
}

/// The versions of a result, as `<model>/<version>`.
#[cfg(feature = "object-store")]
fn names(result: &candor::repository::ScanResult) -> Vec<String> {
    let versions = result
        .models
        .iter()
        .flat_map(|model| model.versions.iter().map(move |version| format!("{}/{}", model.name, version.name)));
    versions.collect()
}

/// The problems of a result, as text.
#[cfg(feature = "object-store")]
fn problems(result: &candor::repository::ScanResult) -> Vec<String> {
    result.problems.iter().map(|problem| candor::telemetry::error_chain(problem)).collect()
}

/// The directory of the only version of the only model of a result.
#[cfg(feature = "object-store")]
fn only_directory(result: &candor::repository::ScanResult) -> std::path::PathBuf {
    assert_eq!((result.models.len(), result.models[0].versions.len()), (1, 1), "{result:?}");
    result.models[0].versions[0].directory.clone().expect("a directory")
}
