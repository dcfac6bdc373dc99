//! Where rollout.json is kept: beside the versions of its model, in a state directory, or in an object store.
//!
//! Several servers may use one repository. A state is therefore replaced only if it is still the one that the move was
//! made from: the loser of a race is told, and reads the state of the winner.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use super::{
    file_names::ROLLOUT,
    files::{self, MAX_TEXT_BYTES, digest, sync_directory, write_and_sync},
    remote::StateTag,
    scan::ModelDirectory,
};
use crate::domain::rollout::{FORMAT, Rollout};

/// How long the lock of a state is waited for, and how often it is tried. It is held for one write.
const LOCK_TIMEOUT: Duration = Duration::from_secs(2);
const LOCK_INTERVAL: Duration = Duration::from_millis(5);

/// A state as it was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct StoredRollout {
    pub(super) rollout: Rollout,
    pub(super) tag: StateTag,
}

/// A state cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadStateError {
    /// The file cannot be read.
    #[error("{place}")]
    Read {
        /// The file or object.
        place: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The file is not a state.
    #[error("{place}: {detail}; correct the file, or remove it to start over")]
    Content {
        /// The file.
        place: String,
        /// The cause.
        detail: String,
    },
}

/// A state was not written.
#[derive(Debug, thiserror::Error)]
pub enum RolloutWriteError {
    /// Another server wrote first.
    #[error("another move was made at the same time")]
    Conflict,
    /// There is no place for it.
    #[error("{0} is served by its own path and has no rollout.json: serve a directory of models")]
    NoPlace(String),
    /// The place cannot be written.
    #[error("{place} cannot be written; set repository.state_directory to a directory that can")]
    Write {
        /// The file or object.
        place: String,
        /// The cause.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Reads and replaces the states of models.
pub(super) trait RolloutStore: Send {
    /// Reads the state of a model; `None` if there is none.
    fn read(&self, model: &ModelDirectory) -> Result<Option<StoredRollout>, ReadStateError>;

    /// Replaces the state of a model, if it is still the expected one. Returns the tag of the new state.
    fn write(
        &self,
        model: &ModelDirectory,
        next: &Rollout,
        expected: Option<&StateTag>,
    ) -> Result<StateTag, RolloutWriteError>;

    /// Where the state of a model is kept, for messages; `None` if there is no place for it.
    fn place(&self, model: &ModelDirectory) -> Option<String>;
}

/// Parses a state.
pub(super) fn parse(bytes: &[u8], place: &str) -> Result<Rollout, ReadStateError> {
    let wrong = |detail: String| ReadStateError::Content { place: place.to_owned(), detail };
    let rollout: Rollout = serde_json::from_slice(bytes).map_err(|error| wrong(error.to_string()))?;
    if rollout.format != FORMAT {
        return Err(wrong(format!("its format is {}; this server reads format {FORMAT}", rollout.format)));
    }
    Ok(rollout)
}

/// Renders a state.
pub(super) fn render(rollout: &Rollout) -> Vec<u8> {
    // A rollout holds only texts and numbers, which JSON can express.
    let mut bytes = serde_json::to_vec_pretty(rollout).unwrap_or_default();
    bytes.push(b'\n');
    bytes
}

/// States in directories: beside the versions, or in a directory of their own.
pub(super) struct DirectoryStore {
    /// The directory of the states, if they are not beside the versions.
    pub(super) state_directory: Option<PathBuf>,
}

impl DirectoryStore {
    fn path(&self, model: &ModelDirectory) -> Option<PathBuf> {
        let beside = model.directory.as_ref().filter(|_| !model.by_path).map(|directory| directory.join(ROLLOUT));
        let apart = self
            .state_directory
            .as_ref()
            .filter(|_| !model.by_path)
            .map(|root| root.join(model.name.as_str()).join(ROLLOUT));
        apart.or(beside)
    }
}

fn read_file(path: &Path) -> Result<Option<StoredRollout>, ReadStateError> {
    let place = path.display().to_string();
    match files::read(path, MAX_TEXT_BYTES) {
        Ok(bytes) => {
            Ok(Some(StoredRollout { rollout: parse(&bytes, &place)?, tag: StateTag::of_digest(digest(&bytes)) }))
        }
        Err(error) if is_absent(&error) => Ok(None),
        Err(source) => Err(ReadStateError::Read { place, source: source.into() }),
    }
}

/// Whether there is no such file, nor can be one without somebody else's doing.
fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// Locks a file, within a time: whoever holds the lock may hang.
fn lock(file: &File) -> io::Result<()> {
    let latest = Instant::now() + LOCK_TIMEOUT;
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < latest => std::thread::sleep(LOCK_INTERVAL),
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::new(io::ErrorKind::TimedOut, "another program holds its lock, .rollout.lock"));
            }
            Err(TryLockError::Error(error)) => return Err(error),
            Ok(()) => return Ok(()),
        }
    }
}

impl RolloutStore for DirectoryStore {
    fn read(&self, model: &ModelDirectory) -> Result<Option<StoredRollout>, ReadStateError> {
        self.path(model).map_or(Ok(None), |path| read_file(&path))
    }

    fn write(
        &self,
        model: &ModelDirectory,
        next: &Rollout,
        expected: Option<&StateTag>,
    ) -> Result<StateTag, RolloutWriteError> {
        let path = self.path(model).ok_or_else(|| RolloutWriteError::NoPlace(model.name.to_string()))?;
        let place = path.display().to_string();
        let failed = |source: io::Error| RolloutWriteError::Write { place: place.clone(), source: source.into() };
        let directory = files::parent_of(&path);
        fs::create_dir_all(directory).map_err(failed)?;
        // The lock ends with the process, so a server that is killed leaves none behind.
        let locked = File::create(path.with_file_name(".rollout.lock")).map_err(failed)?;
        lock(&locked).map_err(failed)?;
        let found = match files::read(&path, MAX_TEXT_BYTES) {
            Ok(bytes) => Some(StateTag::of_digest(digest(&bytes))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(failed(source)),
        };
        if found.as_ref() != expected {
            return Err(RolloutWriteError::Conflict);
        }
        let (bytes, draft) = (render(next), path.with_file_name(".rollout.json.new"));
        write_and_sync(&draft, &bytes).map_err(failed)?;
        fs::rename(&draft, &path).map_err(failed)?;
        sync_directory(directory).map_err(failed)?;
        Ok(StateTag::of_digest(digest(&bytes)))
    }

    fn place(&self, model: &ModelDirectory) -> Option<String> {
        self.path(model).map(|path| path.display().to_string())
    }
}
