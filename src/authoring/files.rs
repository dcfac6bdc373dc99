//! Files that appear whole or not at all: written beside their place, under a hidden name, and renamed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::error::AuthoringError;

/// A directory that is being made. Dropped before it is kept, it is gone.
#[derive(Debug)]
pub(super) struct Draft {
    /// Where the files are written.
    pub(super) directory: PathBuf,
    place: PathBuf,
    /// The directories above that were made for it, outermost first.
    made: Vec<PathBuf>,
    kept: bool,
}

fn write_error(path: &Path) -> impl FnOnce(std::io::Error) -> AuthoringError {
    let path = path.to_path_buf();
    move |source| AuthoringError::Write { path, source }
}

/// A hidden name beside a path, which no listing of models shows.
fn beside(place: &Path, word: &str) -> PathBuf {
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    place.with_file_name(format!(".{name}.{word}-{}", std::process::id()))
}

impl Draft {
    /// Refuses a place where something stands, unless it may be replaced.
    pub(super) fn vacant(place: &Path, replace: bool) -> Result<(), AuthoringError> {
        let occupied = match fs::read_dir(place) {
            Ok(mut entries) => entries.next().is_some(),
            Err(_) => place.exists(),
        };
        if occupied && !replace {
            return Err(AuthoringError::Undecided(format!(
                "{} is there already: choose another place with --out, or replace it with --force",
                place.display()
            )));
        }
        Ok(())
    }

    /// Begins a directory that is to stand at `place`.
    pub(super) fn begin(place: &Path) -> Result<Self, AuthoringError> {
        let mut made: Vec<PathBuf> = Vec::new();
        let above = place.ancestors().skip(1).take_while(|path| !path.as_os_str().is_empty() && !path.exists());
        let missing: Vec<&Path> = above.collect();
        for path in missing.into_iter().rev() {
            fs::create_dir(path).map_err(write_error(path))?;
            made.push(path.to_path_buf());
        }
        let directory = beside(place, "draft");
        let draft = Self { directory, place: place.to_path_buf(), made, kept: false };
        fs::create_dir(&draft.directory).map_err(write_error(&draft.directory))?;
        Ok(draft)
    }

    /// Writes a file of the directory.
    pub(super) fn write(&self, name: &str, text: &str) -> Result<(), AuthoringError> {
        let path = self.directory.join(name);
        fs::write(&path, text).map_err(write_error(&path))
    }

    /// Copies a file into the directory.
    pub(super) fn copy(&self, from: &Path, name: &str) -> Result<(), AuthoringError> {
        let path = self.directory.join(name);
        fs::copy(from, &path).map(|_| ()).map_err(write_error(&path))
    }

    /// Puts the directory in its place; what stood there goes once the new one is there.
    pub(super) fn keep(mut self) -> Result<(), AuthoringError> {
        let old = beside(&self.place, "old");
        let replaced = self.place.exists();
        if replaced {
            fs::rename(&self.place, &old).map_err(write_error(&self.place))?;
        }
        if let Err(error) = fs::rename(&self.directory, &self.place) {
            if replaced {
                // The old one goes back; if that fails too, it is still there under its hidden name.
                let _ = fs::rename(&old, &self.place);
            }
            return Err(write_error(&self.place)(error));
        }
        self.kept = true;
        if replaced {
            fs::remove_dir_all(&old).map_err(write_error(&old))?;
        }
        Ok(())
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        let _ = fs::remove_dir_all(&self.directory);
        for path in self.made.iter().rev() {
            // Only where it is empty: another may have put something there.
            let _ = fs::remove_dir(path);
        }
    }
}

/// Writes files whole, all of them or none: only a failing rename, once all are on disk, could leave some out.
pub(super) fn replace_all(files: &[(PathBuf, String)]) -> Result<(), AuthoringError> {
    let drafts: Vec<PathBuf> = files.iter().map(|(path, _)| beside(path, "draft")).collect();
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
        fs::write(draft, text).map_err(write_error(path))?;
    }
    for ((path, _), draft) in files.iter().zip(drafts) {
        fs::rename(draft, path).map_err(write_error(path))?;
    }
    Ok(())
}

/// version.json with the new digests of files, where it lists one of them.
pub(super) fn relisted(directory: &Path, files: &[(&str, String)]) -> Option<(PathBuf, String)> {
    let path = directory.join("version.json");
    let found = fs::read_to_string(&path).ok()?;
    // It was read when the version was loaded.
    let mut version: Value = serde_json::from_str(&found).ok()?;
    let mut changed = false;
    for (name, text) in files {
        if let Some(listed) = version.get_mut("files").and_then(|files| files.get_mut(*name)) {
            *listed = json!(format!("sha256:{}", crate::dataset::sha256(text.as_bytes())));
            changed = true;
        }
    }
    let text = serde_json::to_string_pretty(&version).ok()? + "\n";
    changed.then_some((path, text))
}
