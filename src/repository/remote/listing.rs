//! Groups the objects of a listing into models and versions, and reports what cannot be either. The rules are those of
//! `scan` for directories.

use std::collections::BTreeMap;

use super::{
    super::{
        error::ModelError,
        file_names::{GRAPH, MODEL_SETTINGS, PACKAGE},
        files::{MAX_GRAPH_BYTES, MAX_TEXT_BYTES, digest},
    },
    address::StoreAddress,
    object::RemoteObject,
    store_error::StoreError,
};
use crate::domain::name::{ModelName, VersionName};

/// A version in the store: its files by path below its directory.
#[derive(Debug)]
pub(super) struct RemoteVersion {
    pub(super) name: VersionName,
    pub(super) files: BTreeMap<String, RemoteObject>,
}

/// A model in the store.
#[derive(Debug)]
pub(super) struct RemoteModel {
    pub(super) name: ModelName,
    /// Its model.toml.
    pub(super) settings: Option<RemoteObject>,
    /// Its versions, oldest first.
    pub(super) versions: Vec<RemoteVersion>,
}

/// The models of a listing, by name, and what was found and cannot be served.
#[derive(Debug, Default)]
pub(super) struct RemoteListing {
    pub(super) models: Vec<RemoteModel>,
    pub(super) problems: Vec<ModelError>,
}

impl RemoteVersion {
    /// A digest of all its files: names, contents and sizes.
    pub(super) fn fingerprint(&self) -> String {
        let lines = self.files.iter().map(|(path, object)| format!("{path}\0{}\n", object.fingerprint()));
        digest(lines.collect::<String>().as_bytes())
    }

    /// The first file that is too large to be read, and its error.
    fn too_large(&self) -> Option<(&str, StoreError)> {
        self.files.iter().find_map(|(path, object)| {
            let limit = match path.as_str() {
                GRAPH => MAX_GRAPH_BYTES,
                path if PACKAGE.contains(&path) => MAX_TEXT_BYTES,
                // External weights have no limit of their own.
                _ => u64::MAX,
            };
            let size = object.size;
            (size > limit).then_some((path.as_str(), StoreError::TooLarge { size, limit }))
        })
    }
}

/// What lies below one name directly under the prefix.
#[derive(Default)]
struct ListedDirectory {
    settings: Option<RemoteObject>,
    /// Whether a graph lies where versions are expected.
    holds_graph: bool,
    /// Whether a version lies one level too deep: the prefix ends one level too early.
    holds_models: bool,
    /// The directories in it that may be versions: their files by path.
    inside: BTreeMap<String, BTreeMap<String, RemoteObject>>,
}

/// Groups the objects below the address.
///
/// # Errors
/// Returns [`ModelError`] if there is nothing that could ever be served. Other problems are part of the result.
pub(super) fn group(address: &StoreAddress, objects: Vec<RemoteObject>) -> Result<RemoteListing, ModelError> {
    let mut directories: BTreeMap<String, ListedDirectory> = BTreeMap::new();
    let mut listing = RemoteListing::default();
    let mut is_one_version = false;
    for object in objects {
        let Some(below) = address.below(&object.key).map(str::to_owned) else { continue };
        if let Err(detail) = check_path(&below) {
            listing.problems.push(content(address.url(&below), detail.to_owned()));
            continue;
        }
        match below.split('/').collect::<Vec<_>>().as_slice() {
            [file] => is_one_version |= *file == GRAPH || PACKAGE.contains(file),
            [model, ..] if is_hidden(model) => {}
            [model, path @ ..] => directories.entry((*model).to_owned()).or_default().add(path, object),
            [] => {}
        }
    }
    for (called, directory) in &mut directories {
        match directory.take_model(address, called, &mut listing.problems) {
            Ok(model) => listing.models.push(model),
            Err(error) => listing.problems.push(error),
        }
    }
    if listing.models.is_empty() {
        return Err(content(address.to_string(), nothing(address, &directories, is_one_version, &listing.problems)));
    }
    Ok(listing)
}

impl ListedDirectory {
    /// Adds an object by its path below the model's directory.
    fn add(&mut self, path: &[&str], object: RemoteObject) {
        match path {
            [file] if *file == MODEL_SETTINGS => self.settings = Some(object),
            [file] => self.holds_graph |= *file == GRAPH,
            [version, ..] if is_hidden(version) => {}
            [version, files @ ..] => {
                self.holds_models |= matches!(files, [_, file] if *file == GRAPH);
                self.inside.entry((*version).to_owned()).or_default().insert(files.join("/"), object);
            }
            [] => {}
        }
    }

    fn take_model(
        &mut self,
        address: &StoreAddress,
        called: &str,
        problems: &mut Vec<ModelError>,
    ) -> Result<RemoteModel, ModelError> {
        let url = address.url(called);
        let name = ModelName::new(called).map_err(|error| content(url.clone(), error.to_string()))?;
        if let Some(size) = self.settings.as_ref().map(|object| object.size).filter(|size| *size > MAX_TEXT_BYTES) {
            let error = StoreError::TooLarge { size, limit: MAX_TEXT_BYTES };
            return Err(content(format!("{url}/{MODEL_SETTINGS}"), error.to_string()));
        }
        let (mut versions, mut refused) = (Vec::new(), 0);
        for (called, files) in std::mem::take(&mut self.inside) {
            let url = format!("{url}/{called}");
            let files = without_directory_markers(files);
            if !is_version(&files) {
                continue;
            }
            let name = VersionName::new(&called).map_err(|error| content(url.clone(), error.to_string()))?;
            let version = RemoteVersion { name, files };
            if let Some((path, error)) = version.too_large() {
                problems.push(content(format!("{url}/{path}"), error.to_string()));
                refused += 1;
            } else {
                versions.push(version);
            }
        }
        if versions.is_empty() && refused == 0 {
            let hint = if self.holds_graph {
                format!("; move {GRAPH} and the files next to it to {name}/1")
            } else {
                String::new()
            };
            return Err(content(url, format!("holds no version; expected {name}/<version>/{GRAPH}{hint}")));
        }
        versions.sort_by(|left, right| left.name.cmp(&right.name));
        Ok(RemoteModel { name, settings: self.settings.take(), versions })
    }
}

/// Whether files are those of a version: a graph, or files of a package without a graph one level below.
fn is_version(files: &BTreeMap<String, RemoteObject>) -> bool {
    let nested =
        |path: &String| path.split_once('/').is_some_and(|(directory, file)| !is_hidden(directory) && file == GRAPH);
    let beside = PACKAGE.iter().any(|name| files.contains_key(*name));
    files.contains_key(GRAPH) || beside && !files.keys().any(nested)
}

/// Removes the empty objects by which consoles represent directories.
fn without_directory_markers(mut files: BTreeMap<String, RemoteObject>) -> BTreeMap<String, RemoteObject> {
    let parents: Vec<String> = files
        .keys()
        .flat_map(|path| path.match_indices('/').map(|(at, _)| path[..at].to_owned()).collect::<Vec<_>>())
        .collect();
    for parent in parents {
        if files.get(&parent).is_some_and(|object| object.size == 0) {
            files.remove(&parent);
        }
    }
    files
}

fn is_hidden(name: &str) -> bool {
    name.starts_with(['.', '_'])
}

/// Refuses a path that would leave the cache or that no file system can hold.
fn check_path(path: &str) -> Result<(), &'static str> {
    let invalid = |part: &str| part.is_empty() || part == "." || part == ".." || part.contains('\0');
    if path.split('/').any(invalid) { Err("has a name that cannot be a path of a file") } else { Ok(()) }
}

/// Describes what was found instead of a model, and where models may be.
fn nothing(
    address: &StoreAddress,
    directories: &BTreeMap<String, ListedDirectory>,
    is_one_version: bool,
    problems: &[ModelError],
) -> String {
    let expected = format!("expected <model>/<version>/{GRAPH} below it");
    if is_one_version {
        return format!("is one version: {expected}; name the prefix two levels up");
    }
    if let Some((version, _)) = directories.iter().find(|(_, directory)| directory.holds_graph) {
        return format!("holds {version}/{GRAPH}: {expected}; if it is one model, name the prefix above it");
    }
    if let Some((name, _)) = directories.iter().find(|(_, directory)| directory.holds_models) {
        return format!("holds no model: {expected}; did you mean {}?", address.url(name));
    }
    if problems.is_empty() {
        return format!("holds no model: nothing was found; {expected}");
    }
    let reasons: Vec<String> = problems.iter().map(ToString::to_string).collect();
    format!("holds no model that could be served: {}", reasons.join("; "))
}

fn content(url: String, detail: String) -> ModelError {
    ModelError::Content { path: url.into(), detail }
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    fn object(key: &str, size: u64) -> RemoteObject {
        RemoteObject { key: key.to_owned(), size, e_tag: Some(format!("\"{size}\"")), modified: SystemTime::UNIX_EPOCH }
    }

    fn grouped(keys: &[&str]) -> Result<RemoteListing, ModelError> {
        let address = StoreAddress::parse("s3://models/prod").expect("an address");
        group(&address, keys.iter().map(|key| object(&format!("prod/{key}"), 1)).collect())
    }

    #[test]
    fn models_and_versions_are_found_as_in_directories() {
        let found = grouped(&[
            "README.md",
            "a/model.toml",
            "a/rollout.json",
            "a/9/model.onnx",
            "a/10/model.onnx",
            "a/10/weights/w.bin",
            "a/notes/text.md",
            "a/.old/model.onnx",
            "_drafts/1/model.onnx",
            ".git/1/model.onnx",
            "b/readme.md",
            "bad name/1/model.onnx",
            "c/bad version/model.onnx",
            "d/1/contract.json",
        ]);
        let found = found.expect("a listing");
        let described: Vec<String> = found
            .models
            .iter()
            .map(|model| {
                let versions = model.versions.iter().map(|version| {
                    let files: Vec<&str> = version.files.keys().map(String::as_str).collect();
                    format!(" {}[{}]", version.name, files.join(" "))
                });
                format!("{}{}", model.name, versions.collect::<String>())
            })
            .collect();
        assert_eq!(described, ["a 9[model.onnx] 10[model.onnx weights/w.bin]", "d 1[contract.json]"]);
        assert!(found.models[0].settings.is_some() && found.models[1].settings.is_none());
        let problems: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
        for expected in [
            "s3://models/prod/b: holds no version; expected b/<version>/model.onnx",
            "s3://models/prod/bad name: \"bad name\" is not a name",
            "s3://models/prod/c/bad version: \"bad version\" is not a name",
        ] {
            assert!(problems.iter().any(|problem| problem.contains(expected)), "{expected}: {problems:?}");
        }
        assert_eq!(problems.len(), 3, "{problems:?}");
    }

    #[test]
    fn a_prefix_without_models_is_refused_with_a_hint() {
        for (keys, expected) in [
            (&[][..], "s3://models/prod: holds no model: nothing was found; expected <model>/<version>/model.onnx"),
            (&["model.onnx", "contract.json"], "is one version: expected"),
            (&["1/model.onnx", "2/model.onnx"], "holds 1/model.onnx: expected"),
            (&["team/wine/1/model.onnx"], "did you mean s3://models/prod/team?"),
            (&["wine/readme.md"], "holds no model that could be served: s3://models/prod/wine: holds no version"),
        ] {
            let error = grouped(keys).expect_err("refused").to_string();
            assert!(error.contains(expected), "{keys:?}: {error}");
        }
    }

    #[test]
    fn unusable_objects_are_problems() {
        let address = StoreAddress::parse("s3://models").expect("an address");
        let found = group(
            &address,
            vec![
                object("a/1/model.onnx", 1),
                object("a/1/../../etc/passwd", 1),
                object("a//model.onnx", 1),
                object("a/2/model.onnx", MAX_GRAPH_BYTES + 1),
                object("a/3/model.onnx", MAX_GRAPH_BYTES),
                object("a/3/weights.bin", u64::MAX),
                object("a/4/golden.jsonl", MAX_TEXT_BYTES + 1),
            ],
        )
        .expect("a listing");
        let versions: Vec<&str> = found.models[0].versions.iter().map(|version| version.name.as_str()).collect();
        assert_eq!(versions, ["1", "3"]);
        let problems: Vec<String> = found.problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems.len(), 4, "{problems:?}");
        assert!(problems.iter().any(|text| text.contains("a/2/model.onnx: it has 2147483648 bytes; the limit is")));
    }

    #[test]
    fn markers_of_directories_are_no_files() {
        let address = StoreAddress::parse("s3://models").expect("an address");
        let markers = [("a", 0), ("a/1", 0), ("a/1/weights", 0), ("a/1/weights/w", 5), ("a/1/model.onnx", 1)];
        let found = group(&address, markers.iter().map(|(key, size)| object(key, *size)).collect()).expect("a listing");
        let files: Vec<&String> = found.models[0].versions[0].files.keys().collect();
        assert_eq!(files, ["model.onnx", "weights/w"]);
    }

    #[test]
    fn a_fingerprint_changes_with_names_contents_and_sizes() {
        let of = |files: &[(&str, &str, u64)]| {
            let file = |(path, e_tag, size): &(&str, &str, u64)| {
                let object = RemoteObject { e_tag: Some((*e_tag).into()), ..object(&format!("a/1/{path}"), *size) };
                ((*path).to_owned(), object)
            };
            let name = VersionName::new("1").expect("a name");
            RemoteVersion { name, files: files.iter().map(file).collect() }.fingerprint()
        };
        let original = of(&[("model.onnx", "a", 1), ("w", "b", 2)]);
        assert_eq!(original, of(&[("w", "b", 2), ("model.onnx", "a", 1)]));
        for other in [
            of(&[("model.onnx", "a", 1)]),
            of(&[("model.onnx", "a", 1), ("v", "b", 2)]),
            of(&[("model.onnx", "a", 1), ("w", "c", 2)]),
            of(&[("model.onnx", "a", 1), ("w", "b", 3)]),
        ] {
            assert_ne!(original, other);
        }
    }
}
