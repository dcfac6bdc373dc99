//! Observes the files of versions: whether they changed, and whether all of them are there.
//!
//! A directory that is being copied must not be loaded. A version is whole if its version.json lists digests that match
//! its files, or if nothing in its directory has changed for the settle time.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, Metadata},
    os::unix::fs::MetadataExt as _,
    path::{Path, PathBuf},
    time::{Duration, Instant, SystemTime},
};

use super::{
    file_names::GRAPH,
    files::{self, MAX_TEXT_BYTES, digest_file},
    model_settings::ModelSettings,
    package::Provenance,
    scan::VersionDirectory,
};
use crate::domain::rollout::ContentId;

/// The most files of a version that are observed; further ones are ignored.
const MAX_FILES: usize = 4096;

/// The deepest nesting of directories that is observed.
const MAX_DEPTH: usize = 8;

/// What was observed of a version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Observation {
    /// Identifies the files as they are now.
    pub(super) content: ContentId,
    /// Whether all files are there.
    pub(super) whole: bool,
    /// The size of all files.
    pub(super) bytes: u64,
}

/// Identifies a file's content without reading it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct FileStamp {
    bytes: u64,
    /// The status change, and not the modification: copying programs set the time of the modification, perhaps to the same
    /// one for every build, and a file that becomes readable changes too.
    changed: (i64, i64),
    inode: u64,
}

/// Remembers what was observed before.
pub(super) struct Observer {
    settle: Duration,
    /// For each directory: its content, and when this content was first seen.
    seen: BTreeMap<PathBuf, (ContentId, Instant)>,
    digests: HashMap<(PathBuf, FileStamp), String>,
}

impl Observer {
    pub(super) fn new(settle: Duration) -> Self {
        Self { settle, seen: BTreeMap::new(), digests: HashMap::new() }
    }

    /// Forgets the versions that are no longer in these directories.
    pub(super) fn retain(&mut self, graphs: &[&Path]) {
        self.seen.retain(|path, _| graphs.contains(&path.as_path()));
        self.digests.retain(|(path, _), _| graphs.iter().any(|graph| path.parent() == graph.parent()));
    }

    /// Observes a version. `now` is the time of the observation.
    pub(super) fn observe(&mut self, version: &VersionDirectory, now: Instant) -> Observation {
        let files = files_of(version);
        let content = content_id(&files);
        let first = match self.seen.get(&version.graph) {
            Some((seen, first)) if *seen == content => *first,
            _ => {
                self.seen.insert(version.graph.clone(), (content.clone(), now));
                now
            }
        };
        let quiet = now.duration_since(first).max(unchanged_for(version, &files));
        let whole = quiet >= self.settle || self.digests_match(version, &files);
        Observation { content, whole, bytes: files.iter().map(|file| file.stamp.bytes).sum() }
    }

    /// When the next of the versions that were observed settles, if one has not yet.
    pub(super) fn next_settled(&self, now: Instant) -> Option<Instant> {
        self.seen.values().map(|(_, first)| *first + self.settle).filter(|settled| *settled > now).min()
    }

    /// Whether version.json lists digests and all of them match.
    fn digests_match(&mut self, version: &VersionDirectory, files: &[ObservedFile]) -> bool {
        let Some(directory) = &version.directory else { return false };
        let listed = files::read(&directory.join("version.json"), MAX_TEXT_BYTES)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Provenance>(&bytes).ok())
            .map(|provenance| provenance.files)
            .unwrap_or_default();
        let covers_graph = listed.contains_key(GRAPH);
        covers_graph
            && listed.iter().all(|(name, expected)| {
                let Some(file) = files.iter().find(|file| file.name == Path::new(name)) else { return false };
                let path = directory.join(name);
                let key = (path, file.stamp.clone());
                if !self.digests.contains_key(&key) {
                    let Ok(digest) = digest_file(&key.0) else { return false };
                    self.digests.insert(key.clone(), digest);
                }
                let found = self.digests.get(&key);
                expected.strip_prefix("sha256:") == found.map(String::as_str)
            })
    }
}

/// Identifies the files of a version as they are now, and the settings that it is loaded with.
pub(super) fn content_of(version: &VersionDirectory, settings: &ModelSettings) -> ContentId {
    loaded_with(&content_id(&files_of(version)), settings)
}

/// Identifies files together with the settings that a version is loaded with.
pub(super) fn loaded_with(files: &ContentId, settings: &ModelSettings) -> ContentId {
    ContentId(format!("{} {:?} {:?}", files.0, settings.limits, settings.coverage))
}

/// One file of a version.
struct ObservedFile {
    /// Its path in the version's directory.
    name: PathBuf,
    stamp: FileStamp,
    metadata: Metadata,
}

/// The files of a version, sorted by name; links are followed.
fn files_of(version: &VersionDirectory) -> Vec<ObservedFile> {
    let mut files = Vec::new();
    match &version.directory {
        Some(directory) => collect(directory, Path::new(""), 0, &mut files),
        None => files.extend(observed(&version.graph, PathBuf::from(GRAPH))),
    }
    files.sort_by(|left, right| left.name.cmp(&right.name));
    files
}

fn collect(root: &Path, below: &Path, depth: usize, files: &mut Vec<ObservedFile>) {
    for entry in fs::read_dir(root.join(below)).into_iter().flatten().flatten() {
        let name = entry.file_name();
        if name.to_string_lossy().starts_with('.') || files.len() >= MAX_FILES {
            continue;
        }
        let below = below.join(&name);
        let path = root.join(&below);
        if path.is_dir() {
            if depth < MAX_DEPTH {
                collect(root, &below, depth + 1, files);
            }
        } else {
            files.extend(observed(&path, below));
        }
    }
}

fn observed(path: &Path, name: PathBuf) -> Option<ObservedFile> {
    let metadata = fs::metadata(path).ok()?;
    let stamp =
        FileStamp { bytes: metadata.len(), changed: (metadata.ctime(), metadata.ctime_nsec()), inode: metadata.ino() };
    Some(ObservedFile { name, stamp, metadata })
}

fn content_id(files: &[ObservedFile]) -> ContentId {
    let mut hasher = blake3::Hasher::new();
    for ObservedFile { name, stamp, .. } in files {
        let FileStamp { bytes, changed: (seconds, nanos), inode } = stamp;
        hasher.update(format!("{}\0{bytes} {seconds} {nanos} {inode}\0", name.display()).as_bytes());
    }
    ContentId(hasher.finalize().to_hex().to_string())
}

/// How long ago the files last changed, by their own times. Zero if that cannot be known.
fn unchanged_for(version: &VersionDirectory, files: &[ObservedFile]) -> Duration {
    let now = SystemTime::now();
    let directory = version.directory.as_ref().and_then(|path| fs::metadata(path).ok());
    let changes = files.iter().map(|file| &file.metadata).chain(&directory).map(|metadata| {
        let changed = u64::try_from(metadata.ctime()).map(Duration::from_secs).unwrap_or_default();
        let changed = SystemTime::UNIX_EPOCH + changed + Duration::from_nanos(metadata.ctime_nsec().unsigned_abs());
        metadata.modified().map_or(changed, |modified| modified.max(changed))
    });
    changes.max().and_then(|latest| now.duration_since(latest).ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::domain::name::VersionName;

    /// Files with the same size, whose times are set back, as copying programs do.
    #[test]
    fn each_change_changes_the_content_and_reading_does_not() {
        let root = tempfile::tempdir().expect("a directory");
        let (graph, weights) = (root.path().join(GRAPH), root.path().join("weights/0.bin"));
        fs::create_dir(root.path().join("weights")).expect("made");
        let write = |path: &Path, content: &str| {
            fs::write(path, content).expect("written");
            let file = fs::File::options().write(true).open(path).expect("a file");
            file.set_modified(SystemTime::UNIX_EPOCH).expect("set");
        };
        write(&graph, "1");
        write(&weights, "1");
        let name = VersionName::new("1").expect("a name");
        let version = VersionDirectory { name, graph: graph.clone(), directory: Some(root.path().to_path_buf()) };
        let content = || content_id(&files_of(&version));
        let mut before = content();
        assert_eq!((fs::read(&graph).map(|bytes| bytes.len()).ok(), content()), (Some(1), before.clone()));
        let changes: [(&str, &dyn Fn()); 6] = [
            ("the same size and time", &|| write(&graph, "2")),
            ("a file below", &|| write(&weights, "2")),
            ("it becomes readable", &|| {
                fs::set_permissions(&graph, fs::Permissions::from_mode(0o640)).expect("set");
            }),
            ("another file", &|| write(&root.path().join("contract.json"), "")),
            ("renamed over it", &|| {
                write(&root.path().join(".draft"), "3");
                fs::rename(root.path().join(".draft"), &graph).expect("renamed");
            }),
            ("removed", &|| fs::remove_file(&weights).expect("removed")),
        ];
        for (what, change) in changes {
            // The clock of a file system may tick only every few milliseconds.
            let started = fs::metadata(&graph).expect("there").ctime_nsec();
            let ticked = || {
                let probe = tempfile::NamedTempFile::new_in(root.path().parent()?).ok()?;
                Some(probe.as_file().metadata().ok()?.ctime_nsec() != started)
            };
            while ticked() != Some(true) {}
            change();
            assert_ne!(content(), before, "{what}");
            before = content();
        }
    }

    #[test]
    fn a_version_is_whole_once_it_has_been_quiet() {
        let root = tempfile::tempdir().expect("a directory");
        let graph = root.path().join(GRAPH);
        fs::write(&graph, "half").expect("written");
        let name = VersionName::new("1").expect("a name");
        let version = VersionDirectory { name, graph: graph.clone(), directory: Some(root.path().to_path_buf()) };
        let settle = Duration::from_hours(1);
        let (mut observer, now) = (Observer::new(settle), Instant::now());
        // When it is observed, whether it has changed, whether it is whole, and when it may be.
        for (seconds, changed, whole, next) in [
            (0, false, false, Some(3600)),
            (3599, false, false, Some(3600)),
            (3600, false, true, None),
            (3601, true, false, Some(7201)),
            (7200, false, false, Some(7201)),
            (7201, false, true, None),
        ] {
            if changed {
                fs::write(&graph, "whole, and of another size").expect("written");
            }
            let at = now + Duration::from_secs(seconds);
            assert_eq!(observer.observe(&version, at).whole, whole, "{seconds}");
            assert_eq!(observer.next_settled(at), next.map(|next| now + Duration::from_secs(next)), "{seconds}");
        }
        observer.retain(&[]);
        assert!(observer.seen.is_empty());
    }
}
