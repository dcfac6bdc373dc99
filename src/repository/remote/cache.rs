//! The local cache of a repository in an object store.
//!
//! ```text
//! .lock                            held by the process that uses the cache
//! .partial/…                       incomplete files and directories
//! .blobs/<digest>                  downloaded objects, by key, content id and size
//! <model>/model.toml
//! <model>/<version>/<fingerprint>/ the files of a version: hard links to blobs
//! ```
//!
//! Blobs and directories are renamed into place when they are complete, so what exists is whole.

use std::{
    collections::BTreeSet,
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use super::{
    super::file_names::MODEL_SETTINGS,
    listing::RemoteVersion,
    object::{Download, RemoteObject},
    store_error::StoreError,
};
use crate::domain::name::{ModelName, VersionName};

const BLOBS: &str = ".blobs";
const PARTIAL: &str = ".partial";

/// A cache directory. No other process uses it.
#[derive(Debug)]
pub(super) struct MirrorCache {
    root: PathBuf,
    next_partial: AtomicU64,
    /// Unlocks the cache when dropped.
    _lock: File,
}

impl MirrorCache {
    /// Creates the cache if it does not exist, locks it, and removes what an interrupted process left.
    pub(super) fn open(root: &Path) -> Result<Self, StoreError> {
        let failed = |path: &Path, source| StoreError::cache(path, source);
        fs::create_dir_all(root.join(BLOBS)).map_err(|source| failed(root, source))?;
        let path = root.join(".lock");
        let lock = File::create(&path).map_err(|source| failed(&path, source))?;
        lock.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => failed(root, io::Error::other("another process uses this cache")),
            TryLockError::Error(source) => failed(&path, source),
        })?;
        let partial = root.join(PARTIAL);
        if partial.exists() {
            fs::remove_dir_all(&partial).map_err(|source| failed(&partial, source))?;
        }
        fs::create_dir(&partial).map_err(|source| failed(&partial, source))?;
        Ok(Self { root: root.to_path_buf(), next_partial: AtomicU64::new(0), _lock: lock })
    }

    /// The directory of a model, which holds its model.toml.
    pub(super) fn model_directory(&self, model: &ModelName) -> PathBuf {
        self.root.join(model.as_str())
    }

    /// The directory of a version with this content.
    pub(super) fn version_directory(&self, model: &ModelName, version: &VersionName, fingerprint: &str) -> PathBuf {
        self.model_directory(model).join(version.as_str()).join(fingerprint)
    }

    /// Where an object is after its download.
    pub(super) fn blob(&self, object: &RemoteObject) -> PathBuf {
        self.root.join(BLOBS).join(object.fingerprint())
    }

    /// A download of an object, unless the cache has it.
    pub(super) fn missing(&self, object: &RemoteObject) -> Option<Download> {
        let known = self.blob(object).is_file();
        (!known).then(|| Download { object: object.clone(), target: self.partial() })
    }

    /// Makes a complete download a blob.
    pub(super) fn accept(&self, download: &Download) -> Result<(), StoreError> {
        let blob = self.blob(&download.object);
        fs::rename(&download.target, &blob).map_err(|source| StoreError::cache(blob, source))
    }

    /// Builds the directory of a version from blobs, which must all be there, and returns it.
    pub(super) fn assemble(
        &self,
        model: &ModelName,
        version: &RemoteVersion,
        fingerprint: &str,
    ) -> Result<PathBuf, StoreError> {
        let target = self.version_directory(model, &version.name, fingerprint);
        if target.is_dir() {
            return Ok(target);
        }
        let partial = self.partial();
        let built = self.link_files(version, &partial).and_then(|()| {
            fs::create_dir_all(target.parent().unwrap_or(&self.root))?;
            fs::rename(&partial, &target)
        });
        built.map_err(|source| {
            // What is left of it would only take space until the next start.
            let _ = fs::remove_dir_all(&partial);
            StoreError::cache(&target, source)
        })?;
        Ok(target)
    }

    fn link_files(&self, version: &RemoteVersion, directory: &Path) -> io::Result<()> {
        fs::create_dir(directory)?;
        for (path, object) in &version.files {
            let place = directory.join(path);
            fs::create_dir_all(place.parent().unwrap_or(directory))?;
            link(&self.blob(object), &place)?;
        }
        Ok(())
    }

    /// Replaces the model.toml of a model, or removes it. It is never there in part.
    pub(super) fn place_settings(&self, model: &ModelName, settings: Option<&RemoteObject>) -> Result<(), StoreError> {
        let place = self.model_directory(model).join(MODEL_SETTINGS);
        let placed = match settings {
            Some(object) => {
                let partial = self.partial();
                let placed = fs::create_dir_all(self.model_directory(model))
                    .and_then(|()| link(&self.blob(object), &partial))
                    .and_then(|()| fs::rename(&partial, &place));
                // A rename between two links to one file succeeds and leaves both.
                let _ = fs::remove_file(&partial);
                placed
            }
            None => match fs::remove_file(&place) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => fs::create_dir_all(self.model_directory(model)),
            },
        };
        placed.map_err(|source| StoreError::cache(place, source))
    }

    /// Removes the directories of versions that are not in `keep`, and blobs that are not in `blobs`. Returns the number
    /// of removed versions.
    pub(super) fn prune(&self, keep: &BTreeSet<PathBuf>, blobs: &BTreeSet<PathBuf>) -> io::Result<usize> {
        let mut removed = 0;
        for model in visible_directories(&self.root)? {
            for version in visible_directories(&model)? {
                for content in visible_directories(&version)?.into_iter().filter(|content| !keep.contains(content)) {
                    fs::remove_dir_all(&content)?;
                    removed += 1;
                }
                // Fails while the version has content in use.
                let _ = fs::remove_dir(&version);
            }
        }
        for blob in fs::read_dir(self.root.join(BLOBS))? {
            let blob = blob?.path();
            if !blobs.contains(&blob) {
                fs::remove_file(&blob)?;
            }
        }
        Ok(removed)
    }

    /// A new path for something incomplete.
    fn partial(&self) -> PathBuf {
        let number = self.next_partial.fetch_add(1, Ordering::Relaxed);
        self.root.join(PARTIAL).join(number.to_string())
    }
}

/// Links a file, or copies it where the file system has no hard links.
fn link(from: &Path, to: &Path) -> io::Result<()> {
    fs::hard_link(from, to).or_else(|_| fs::copy(from, to).map(drop))
}

fn visible_directories(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        if !hidden && entry.file_type()?.is_dir() {
            found.push(entry.path());
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeMap, time::SystemTime};

    use super::*;

    fn object(key: &str) -> RemoteObject {
        RemoteObject { key: key.into(), size: 1, e_tag: Some("\"1\"".into()), modified: SystemTime::UNIX_EPOCH }
    }

    /// Puts an object into the cache as a download does.
    fn fill(cache: &MirrorCache, object: &RemoteObject) {
        let download = cache.missing(object).expect("it is missing");
        fs::write(&download.target, &object.key).expect("written");
        cache.accept(&download).expect("accepted");
        assert!(cache.missing(object).is_none(), "it is there");
    }

    fn version(files: &[&str]) -> RemoteVersion {
        let files = files.iter().map(|path| ((*path).to_owned(), object(&format!("wine/1/{path}"))));
        RemoteVersion { name: VersionName::new("1").expect("a name"), files: files.collect::<BTreeMap<_, _>>() }
    }

    #[test]
    fn versions_are_complete_or_absent() {
        let root = tempfile::tempdir().expect("a directory");
        let cache = MirrorCache::open(root.path()).expect("a cache");
        let (model, version) = (ModelName::new("wine").expect("a name"), version(&["model.onnx", "weights/w.bin"]));
        fill(&cache, &version.files["model.onnx"]);
        cache.assemble(&model, &version, "f").expect_err("a blob is missing");
        assert!(!cache.version_directory(&model, &version.name, "f").exists());
        fill(&cache, &version.files["weights/w.bin"]);
        let directory = cache.assemble(&model, &version, "f").expect("a version");
        assert_eq!(directory, root.path().join("wine/1/f"));
        assert_eq!(fs::read_to_string(directory.join("weights/w.bin")).expect("a file"), "wine/1/weights/w.bin");
        assert_eq!(cache.assemble(&model, &version, "f").expect("it is there"), directory);
    }

    #[test]
    fn settings_are_replaced_and_removed() {
        let root = tempfile::tempdir().expect("a directory");
        let cache = MirrorCache::open(root.path()).expect("a cache");
        let (model, path) = (ModelName::new("wine").expect("a name"), root.path().join("wine/model.toml"));
        for settings in [Some("first"), Some("second"), Some("second"), None, None] {
            let settings = settings.map(object);
            if let Some(object) = settings.as_ref().filter(|object| cache.missing(object).is_some()) {
                fill(&cache, object);
            }
            cache.place_settings(&model, settings.as_ref()).expect("placed");
            assert_eq!(fs::read_to_string(&path).ok(), settings.map(|object| object.key));
        }
    }

    #[test]
    fn what_nobody_uses_is_pruned() {
        let root = tempfile::tempdir().expect("a directory");
        let cache = MirrorCache::open(root.path()).expect("a cache");
        let (model, version) = (ModelName::new("wine").expect("a name"), version(&["model.onnx"]));
        fill(&cache, &version.files["model.onnx"]);
        let directories = ["a", "b"].map(|content| cache.assemble(&model, &version, content).expect("a version"));
        let keep = BTreeSet::from([directories[1].clone()]);
        assert_eq!(cache.prune(&keep, &BTreeSet::new()).expect("pruned"), 1);
        assert!(!directories[0].exists() && directories[1].join("model.onnx").is_file());
        assert!(cache.missing(&version.files["model.onnx"]).is_some(), "its blob is gone");
        assert_eq!(cache.prune(&BTreeSet::new(), &BTreeSet::new()).expect("pruned"), 1);
        assert!(!root.path().join("wine/1").exists());
    }

    #[test]
    fn one_process_uses_a_cache_and_starts_without_remains() {
        let root = tempfile::tempdir().expect("a directory");
        let cache = MirrorCache::open(root.path()).expect("a cache");
        fs::write(cache.partial(), "half").expect("written");
        let error = MirrorCache::open(root.path()).expect_err("it is in use");
        assert!(crate::telemetry::error_chain(&error).contains("another process uses this cache"), "{error}");
        drop(cache);
        let cache = MirrorCache::open(root.path()).expect("a cache");
        assert_eq!(fs::read_dir(cache.root.join(PARTIAL)).expect("a directory").count(), 0);
    }
}
