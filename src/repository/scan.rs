//! Scans a repository for models and versions, and reports what cannot be either. Reads names only, no file contents.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use super::{
    error::ModelError,
    file_names::{GRAPH, MODEL_SETTINGS, PACKAGE},
};
use crate::domain::name::{MAX_NAME_LENGTH, ModelName, VersionName};

/// One version on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VersionDirectory {
    /// The version's name: that of the directory, or `1` for a bare ONNX file.
    pub name: VersionName,
    /// The path of the graph.
    pub graph: PathBuf,
    /// The directory of contract.json and the other files; `None` for a bare ONNX file.
    pub directory: Option<PathBuf>,
}

/// One model on disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelDirectory {
    /// The model's name: that of the directory, or of the bare ONNX file.
    pub name: ModelName,
    /// The directory that may hold model.toml; `None` for a bare ONNX file.
    pub directory: Option<PathBuf>,
    /// The versions, oldest first.
    pub versions: Vec<VersionDirectory>,
    /// Whether its only version was requested by path. It is then served whichever versions model.toml selects.
    pub by_path: bool,
}

/// The result of a scan.
#[derive(Debug, Default)]
pub struct ScanResult {
    /// The models, by name.
    pub models: Vec<ModelDirectory>,
    /// What was found and cannot be served.
    pub problems: Vec<ModelError>,
}

/// The kind of a directory, by the location of the graphs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DirectoryKind {
    /// It contains the files of a version.
    Version,
    /// Some of its subdirectories are versions.
    Model,
    /// Neither.
    Other,
}

/// Scans a repository directory, the directory of one model or of one version, or a single ONNX file.
///
/// # Errors
/// Returns [`ModelError`] if `path` itself cannot be used or holds nothing that could be served. Other problems inside
/// it are part of the result.
pub fn scan(path: &Path) -> Result<ScanResult, ModelError> {
    let kind = fs::metadata(path).map_err(|source| read_error(path, source))?;
    if kind.is_file() {
        return single_file(path);
    }
    if is_version(path) {
        return single_version(path);
    }
    let inside = directories(path)?;
    let shapes: Vec<DirectoryKind> = inside.iter().map(|directory| directory_kind(directory)).collect();
    if shapes.contains(&DirectoryKind::Version) && !shapes.contains(&DirectoryKind::Model) {
        let versions = inside.iter().zip(&shapes).filter(|(_, shape)| **shape == DirectoryKind::Version);
        return single_model(path, &versions.map(|(directory, _)| file_name(directory)).collect::<Vec<_>>());
    }
    if !shapes.contains(&DirectoryKind::Model) {
        return Err(content(path, no_model(path, &inside)));
    }
    let mut listing = ScanResult::default();
    for directory in inside {
        match model(&directory, &file_name(&directory)) {
            Ok(model) => listing.models.push(model),
            Err(error) => listing.problems.push(error),
        }
    }
    listing.models.sort_by(|left, right| left.name.cmp(&right.name));
    match listing.problems.as_slice() {
        // Nothing can be served: report an error instead of starting a server without models.
        problems if listing.models.is_empty() => {
            let reasons: Vec<String> = problems.iter().map(ToString::to_string).collect();
            Err(content(path, format!("holds no model that could be served: {}", reasons.join("; "))))
        }
        _ => Ok(listing),
    }
}

/// Whether the files of a directory are those of a version. A missing graph is reported at load.
fn is_version(directory: &Path) -> bool {
    let graph = |directory: &Path| directory.join(GRAPH).is_file();
    let beside = PACKAGE.iter().any(|name| directory.join(name).is_file());
    graph(directory) || beside && !directories(directory).is_ok_and(|inside| inside.iter().any(|inner| graph(inner)))
}

fn directory_kind(directory: &Path) -> DirectoryKind {
    if directories(directory).is_ok_and(|inside| inside.iter().any(|inner| is_version(inner))) {
        DirectoryKind::Model
    } else if is_version(directory) {
        DirectoryKind::Version
    } else {
        DirectoryKind::Other
    }
}

/// Describes what was found instead of a model, and where models may be.
fn no_model(path: &Path, inside: &[PathBuf]) -> String {
    const MAX_NAMED: usize = 5;
    let entries = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| file_name(&entry.path()));
    let mut found: Vec<String> = entries.filter(|name| !name.starts_with('.')).collect();
    found.sort();
    let more = if found.len() > MAX_NAMED { ", …" } else { "" };
    found.truncate(MAX_NAMED);
    let found = if found.is_empty() { "it is empty".to_owned() } else { format!("found {}{more}", found.join(", ")) };
    let models = |directory: &&PathBuf| {
        directories(directory)
            .is_ok_and(|inside| inside.iter().any(|inner| directory_kind(inner) == DirectoryKind::Model))
    };
    let hint = inside.iter().find(models).map(|directory| format!("; did you mean {}?", directory.display()));
    format!("holds no model: {found}; expected <model>/<version>/{GRAPH}{}", hint.unwrap_or_default())
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

fn model(directory: &Path, called: &str) -> Result<ModelDirectory, ModelError> {
    let name = ModelName::new(called).map_err(|error| content(directory, error.to_string()))?;
    let mut versions = Vec::new();
    // Skip directories that are not versions.
    for version in directories(directory)?.into_iter().filter(|version| is_version(version)) {
        let name = VersionName::new(&file_name(&version)).map_err(|error| content(&version, error.to_string()))?;
        versions.push(VersionDirectory { name, graph: version.join(GRAPH), directory: Some(version) });
    }
    if versions.is_empty() {
        let expected = format!("holds no version; expected {name}/<version>/{GRAPH}");
        let itself = directory.join(GRAPH).is_file();
        let hint = if itself { format!("; move {GRAPH} and the files next to it to {name}/1") } else { String::new() };
        return Err(content(directory, expected + &hint));
    }
    versions.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(ModelDirectory { name, directory: Some(directory.to_path_buf()), versions, by_path: false })
}

/// Lists the directory of one model, if that is certain: its versions are numbered or dated, or it has a model.toml.
fn single_model(path: &Path, versions: &[String]) -> Result<ScanResult, ModelError> {
    let numbered =
        |name: &String| name.trim_start_matches(['v', 'V']).starts_with(|first: char| first.is_ascii_digit());
    if !versions.iter().all(numbered) && !path.join(MODEL_SETTINGS).is_file() {
        let (named, first) = (versions.join(", "), versions.first().map_or("", String::as_str));
        return Err(content(
            path,
            format!(
                "holds {GRAPH} in {named}: if these are models, give each a version ({first}/1/{GRAPH}); if they are \
                 the versions of one model, add a {MODEL_SETTINGS} next to them (it may be empty)"
            ),
        ));
    }
    let called = file_name(&path.canonicalize().map_err(|source| read_error(path, source))?);
    Ok(ScanResult { models: vec![model(path, &called)?], problems: Vec::new() })
}

fn single_file(graph: &Path) -> Result<ScanResult, ModelError> {
    let stem = graph.file_stem().unwrap_or_default().to_string_lossy();
    let plain: String = stem.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect();
    // A file name may be longer than a model name.
    let plain = &plain[..plain.len().min(MAX_NAME_LENGTH)];
    let name = ModelName::new(plain).map_err(|error| content(graph, error.to_string()))?;
    let version = VersionName::new("1").map_err(|error| content(graph, error.to_string()))?;
    let versions = vec![VersionDirectory { name: version, graph: graph.to_path_buf(), directory: None }];
    Ok(ScanResult {
        models: vec![ModelDirectory { name, directory: None, versions, by_path: true }],
        problems: Vec::new(),
    })
}

fn single_version(path: &Path) -> Result<ScanResult, ModelError> {
    let directory = path.canonicalize().map_err(|source| read_error(path, source))?;
    let parent = directory.parent().map(file_name).unwrap_or_default();
    let name = ModelName::new(&parent).map_err(|error| content(path, error.to_string()))?;
    let version = VersionName::new(&file_name(&directory)).map_err(|error| content(path, error.to_string()))?;
    let versions =
        vec![VersionDirectory { name: version, graph: path.join(GRAPH), directory: Some(path.to_path_buf()) }];
    // The settings of its model apply as well: limits and coverage.
    let model = ModelDirectory { name, directory: directory.parent().map(Path::to_path_buf), versions, by_path: true };
    Ok(ScanResult { models: vec![model], problems: Vec::new() })
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
        let listing = scan(root.path()).expect("a listing");
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
        let single = scan(&version).expect("a version").models.remove(0);
        assert_eq!((single.name.as_str(), single.versions[0].name.as_str()), ("iris", "3"));
        let file = scan(&root.path().join("my model.onnx")).expect("a file").models.remove(0);
        assert_eq!((file.name.as_str(), file.versions[0].directory.as_deref()), ("my-model", None));
        assert!(scan(&root.path().join("nothing")).is_err());
    }
}
