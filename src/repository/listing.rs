//! What lies in a repository: models, versions, and what cannot be either. Reads names only, no files' contents.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::error::ModelError;
use crate::domain::name::{ModelName, VersionName};

/// The graph's file in a version directory.
pub(super) const GRAPH: &str = "model.onnx";

/// The files beside the graph: they show that a directory was meant as a version, even where the graph is missing.
pub(super) const PACKAGE: &[&str] =
    &["contract.json", "version.json", "golden.jsonl", "calibration.json", "profile.json"];

/// One version on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionDirectory {
    /// The version's name: the directory's.
    pub name: VersionName,
    /// The graph.
    pub graph: PathBuf,
    /// Where contract.json and the others lie; `None` for a bare ONNX file.
    pub directory: Option<PathBuf>,
}

/// One model on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelDirectory {
    /// The model's name: the directory's.
    pub name: ModelName,
    /// Where model.toml lies, where there is one.
    pub directory: Option<PathBuf>,
    /// The versions, oldest first.
    pub versions: Vec<VersionDirectory>,
}

/// What was found.
#[derive(Debug, Default)]
pub struct Listing {
    /// The models, by name.
    pub models: Vec<ModelDirectory>,
    /// What lies there and cannot be served.
    pub problems: Vec<ModelError>,
}

/// Lists a repository directory, one version's directory, or a single ONNX file.
///
/// # Errors
/// [`ModelError`] when `path` itself cannot be used; problems inside it are in the listing.
pub fn list(path: &Path) -> Result<Listing, ModelError> {
    let kind = fs::metadata(path).map_err(|source| read_error(path, source))?;
    if kind.is_file() {
        return single_file(path);
    }
    if path.join(GRAPH).is_file() {
        return single_version(path);
    }
    let mut listing = Listing::default();
    for directory in directories(path)? {
        match model(&directory) {
            Ok(Some(model)) => listing.models.push(model),
            Ok(None) => {}
            Err(error) => listing.problems.push(error),
        }
    }
    listing.models.sort_by(|left, right| left.name.cmp(&right.name));
    if listing.models.is_empty() && listing.problems.is_empty() {
        return Err(content(path, format!("holds no model; expected <model>/<version>/{GRAPH}")));
    }
    Ok(listing)
}

fn read_error(path: &Path, source: io::Error) -> ModelError {
    ModelError::Read { path: path.to_path_buf(), source }
}

fn content(path: &Path, detail: String) -> ModelError {
    ModelError::Content { path: path.to_path_buf(), detail }
}

/// The subdirectories that are not hidden.
fn directories(path: &Path) -> Result<Vec<PathBuf>, ModelError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path).map_err(|source| read_error(path, source))? {
        let entry = entry.map_err(|source| read_error(path, source))?.path();
        let hidden = file_name(&entry).starts_with(['.', '_']);
        if entry.is_dir() && !hidden {
            found.push(entry);
        }
    }
    found.sort();
    Ok(found)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn model(directory: &Path) -> Result<Option<ModelDirectory>, ModelError> {
    let name = ModelName::new(&file_name(directory)).map_err(|error| content(directory, error.to_string()))?;
    let mut versions = Vec::new();
    for version in directories(directory)? {
        let graph = version.join(GRAPH);
        // A version without its graph is told when it is loaded; a directory of something else is passed over.
        if graph.is_file() || PACKAGE.iter().any(|name| version.join(name).is_file()) {
            let name = VersionName::new(&file_name(&version)).map_err(|error| content(&version, error.to_string()))?;
            versions.push(VersionDirectory { name, graph, directory: Some(version) });
        }
    }
    if versions.is_empty() {
        return Err(content(
            directory,
            format!("holds no version; expected {}/<version>/{GRAPH}", file_name(directory)),
        ));
    }
    versions.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(Some(ModelDirectory { name, directory: Some(directory.to_path_buf()), versions }))
}

fn single_file(graph: &Path) -> Result<Listing, ModelError> {
    let stem = graph.file_stem().unwrap_or_default().to_string_lossy();
    let plain: String = stem.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect();
    let name = ModelName::new(&plain).map_err(|error| content(graph, error.to_string()))?;
    let version = VersionName::new("1").map_err(|error| content(graph, error.to_string()))?;
    let versions = vec![VersionDirectory { name: version, graph: graph.to_path_buf(), directory: None }];
    Ok(Listing { models: vec![ModelDirectory { name, directory: None, versions }], problems: Vec::new() })
}

fn single_version(path: &Path) -> Result<Listing, ModelError> {
    let directory = path.canonicalize().map_err(|source| read_error(path, source))?;
    let parent = directory.parent().map(file_name).unwrap_or_default();
    let name = ModelName::new(&parent).map_err(|error| content(path, error.to_string()))?;
    let version = VersionName::new(&file_name(&directory)).map_err(|error| content(path, error.to_string()))?;
    let versions =
        vec![VersionDirectory { name: version, graph: path.join(GRAPH), directory: Some(path.to_path_buf()) }];
    Ok(Listing { models: vec![ModelDirectory { name, directory: None, versions }], problems: Vec::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_repository_is_read_and_what_is_no_model_is_told() {
        let root = tempfile::tempdir().expect("a directory");
        for version in ["a/10", "a/9", "a/notes", "b", ".git/1", "bad name/1"] {
            fs::create_dir_all(root.path().join(version)).expect("made");
        }
        for graph in ["a/10", "a/9", ".git/1", "bad name/1"] {
            fs::write(root.path().join(graph).join(GRAPH), "").expect("written");
        }
        let listing = list(root.path()).expect("a listing");
        let versions: Vec<&str> = listing.models[0].versions.iter().map(|version| version.name.as_str()).collect();
        assert_eq!((listing.models.len(), versions), (1, vec!["9", "10"]));
        let problems: Vec<String> = listing.problems.iter().map(ToString::to_string).collect();
        assert!(problems.iter().any(|text| text.contains("b: holds no version")), "{problems:?}");
        assert!(problems.iter().any(|text| text.contains("\"bad name\" is not a name")), "{problems:?}");
    }

    #[test]
    fn one_file_and_one_version_are_repositories_too() {
        let root = tempfile::tempdir().expect("a directory");
        let version = root.path().join("iris/3");
        fs::create_dir_all(&version).expect("made");
        fs::write(version.join(GRAPH), "").expect("written");
        fs::write(root.path().join("my model.onnx"), "").expect("written");
        let single = list(&version).expect("a version").models.remove(0);
        assert_eq!((single.name.as_str(), single.versions[0].name.as_str()), ("iris", "3"));
        let file = list(&root.path().join("my model.onnx")).expect("a file").models.remove(0);
        assert_eq!((file.name.as_str(), file.versions[0].directory.as_deref()), ("my-model", None));
        assert!(list(&root.path().join("nothing")).is_err());
    }
}
