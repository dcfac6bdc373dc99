//! Atomic writes: files are written under a hidden name in the target's directory, then renamed.
//!
//! Writes survive a power loss. A rename may reach the disk before the content it refers to, so the content is synced
//! before the rename, and the directory is synced before success is reported.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::error::AuthoringError;
use crate::repository::{PACKAGE, parent_of, sync_directory, write_and_sync};

/// A directory under construction. It is removed on drop unless it was committed.
#[derive(Debug)]
pub(super) struct StagedDirectory {
    /// The hidden directory that the files are written to.
    pub(super) directory: PathBuf,
    place: PathBuf,
    /// The parent directories that were created for it, outermost first.
    made: Vec<PathBuf>,
    kept: bool,
}

fn write_error(path: &Path) -> impl FnOnce(std::io::Error) -> AuthoringError {
    let path = path.to_path_buf();
    move |source| AuthoringError::Write { path, source }
}

/// Returns a hidden sibling of a path. Scans for models skip hidden names.
fn hidden_sibling(place: &Path, word: &str) -> PathBuf {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    place.with_file_name(format!(".{name}.{word}-{}", std::process::id()))
}

impl StagedDirectory {
    /// Returns an error if `place` exists and is not an empty directory, unless it may be replaced.
    pub(super) fn ensure_vacant(place: &Path, replace: bool) -> Result<(), AuthoringError> {
        let occupied = match fs::read_dir(place) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) => place.exists(),
        };
        if occupied && !replace {
            return Err(AuthoringError::NeedsDecision(format!(
                "{} already exists: choose another directory with --out, or replace it with --force",
                place.display()
            )));
        }
        Ok(())
    }

    /// Creates the hidden directory that will become `place`.
    pub(super) fn create(place: &Path) -> Result<Self, AuthoringError> {
        let mut made: Vec<PathBuf> = Vec::new();
        let above = place.ancestors().skip(1).take_while(|path| !path.as_os_str().is_empty() && !path.exists());
        let missing: Vec<&Path> = above.collect();
        for path in missing.into_iter().rev() {
            fs::create_dir(path).map_err(write_error(path))?;
            made.push(path.to_path_buf());
        }
        let directory = hidden_sibling(place, "draft");
        let draft = Self { directory, place: place.to_path_buf(), made, kept: false };
        fs::create_dir(&draft.directory).map_err(write_error(&draft.directory))?;
        Ok(draft)
    }

    /// Writes a text file in the directory.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), AuthoringError> {
        self.write_bytes(Path::new(name), text.as_bytes())
    }

    /// Writes a file in the directory, creating its parent directories.
    pub(super) fn write_bytes(&self, place: &Path, bytes: &[u8]) -> Result<(), AuthoringError> {
        let path = self.directory.join(place);
        let inner: Vec<&Path> = place.ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()).collect();
        let written = fs::create_dir_all(parent_of(&path)).and_then(|()| write_and_sync(&path, bytes));
        let settled =
            written.and_then(|()| inner.iter().try_for_each(|above| sync_directory(&self.directory.join(above))));
        settled.map_err(write_error(&path))
    }

    /// Renames the directory to its target. An existing target is removed only after the new one is in place.
    pub(super) fn commit(mut self) -> Result<(), AuthoringError> {
        sync_directory(&self.directory).map_err(write_error(&self.directory))?;
        let old = hidden_sibling(&self.place, "old");
        let replaced = self.place.exists();
        if replaced {
            fs::rename(&self.place, &old).map_err(write_error(&self.place))?;
        }
        if let Err(error) = fs::rename(&self.directory, &self.place) {
            if replaced {
                // Restore the old directory. If that fails too, it remains under its hidden name.
                let _ = fs::rename(&old, &self.place);
            }
            return Err(write_error(&self.place)(error));
        }
        self.kept = true;
        // Keep the old directory until the new one is synced.
        for path in self.made.iter().chain([&self.place]) {
            sync_directory(parent_of(path)).map_err(write_error(path))?;
        }
        if replaced {
            fs::remove_dir_all(&old).map_err(write_error(&old))?;
        }
        Ok(())
    }
}

impl Drop for StagedDirectory {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let _ = fs::remove_dir_all(&self.directory);
        for path in self.made.iter().rev() {
            // `remove_dir` removes only empty directories: another process may have added files.
            let _ = fs::remove_dir(path);
        }
    }
}

/// Writes all of the files or none. Only a rename that fails after all files are on disk can leave some out.
pub(super) fn replace_all(files: &[(PathBuf, String)]) -> Result<(), AuthoringError> {
    let drafts: Vec<PathBuf> = files.iter().map(|(path, _)| hidden_sibling(path, "draft")).collect();
    let outcome = write_and_rename(files, &drafts);
    if outcome.is_err() {
        for draft in &drafts {
            let _ = fs::remove_file(draft);
        }
    }
    outcome
}

fn write_and_rename(files: &[(PathBuf, String)], drafts: &[PathBuf]) -> Result<(), AuthoringError> {
    for ((path, text), draft) in files.iter().zip(drafts) {
        write_and_sync(draft, text.as_bytes()).map_err(write_error(path))?;
    }
    for ((path, _), draft) in files.iter().zip(drafts) {
        fs::rename(draft, path).map_err(write_error(path))?;
    }
    for (path, _) in files {
        sync_directory(parent_of(path)).map_err(write_error(path))?;
    }
    Ok(())
}

/// Returns version.json with updated digests of `files`, or `None` if it lists no digests, or none that changes. The files of
/// a package are added to the list; others, such as plots, are only updated if they are listed.
pub(super) fn update_version_json(directory: &Path, files: &[(&str, String)]) -> Option<(PathBuf, String)> {
    let path = directory.join("version.json");
    let found = fs::read_to_string(&path).ok()?;
    // Loading the version has already parsed it.
    let mut version: Value = serde_json::from_str(&found).ok()?;
    let listed = version.get_mut("files").and_then(Value::as_object_mut).filter(|listed| !listed.is_empty())?;
    let mut changed = false;
    for (name, text) in files {
        if PACKAGE.contains(name) || listed.contains_key(*name) {
            listed.insert((*name).to_owned(), json!(format!("sha256:{}", crate::dataset::sha256(text.as_bytes()))));
            changed = true;
        }
    }
    let text = serde_json::to_string_pretty(&version).ok()? + "\n";
    changed.then_some((path, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lists a directory, including hidden names.
    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("a directory").flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn files_are_replaced_whole_and_all_of_them_or_none() {
        let root = tempfile::tempdir().expect("a directory");
        let files = |names: &[&str], text: &str| -> Vec<(PathBuf, String)> {
            names.iter().map(|name| (root.path().join(name), text.to_owned())).collect()
        };
        for text in ["first", "second"] {
            replace_all(&files(&["a.json", "b.json"], text)).expect("written");
            assert_eq!(fs::read_to_string(root.path().join("b.json")).expect("a file"), text);
        }
        // A file in a missing directory cannot be written.
        replace_all(&files(&["a.json", "nowhere/c.json"], "third")).expect_err("refused");
        assert_eq!(fs::read_to_string(root.path().join("a.json")).expect("a file"), "second");
        assert_eq!(names(root.path()), ["a.json", "b.json"]);
    }

    #[test]
    fn a_directory_appears_with_all_its_files_or_leaves_no_trace() {
        let root = tempfile::tempdir().expect("a directory");
        let place = root.path().join("models/m/1");
        let draft = StagedDirectory::create(&place).expect("begun");
        draft.write("a", "text").expect("written");
        assert!(!place.exists());
        drop(draft);
        assert!(names(root.path()).is_empty());
        for text in ["first", "second"] {
            let draft = StagedDirectory::create(&place).expect("begun");
            draft.write("a", text).expect("written");
            draft.write_bytes(Path::new("b/c/d"), text.as_bytes()).expect("written");
            draft.commit().expect("kept");
            assert_eq!(fs::read_to_string(place.join("b/c/d")).expect("a file"), text);
        }
        assert_eq!(
            (names(&place), names(parent_of(&place))),
            (vec!["a".to_owned(), "b".to_owned()], vec!["1".to_owned()])
        );
    }
}
