//! Reads the files of one version, checks their digests and reports all problems at once.

use std::{
    collections::BTreeMap,
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{
    error::{LoadError, not_an_object},
    file_names::{CALIBRATION, GOLDEN, GRAPH, PACKAGE, PROFILE},
    files::{self, MAX_TEXT_BYTES, digest, digest_file},
    golden::{Case, read_cases},
    profile::read_profile,
    scan::VersionDirectory,
    served_calibration::{self, CalibrationFile},
    snapshot::Snapshot,
};
use crate::{
    domain::{json::JsonValue, profile::Profile},
    telemetry::reason,
};

/// The provenance of a version (version.json).
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Provenance {
    /// The creation time (RFC 3339).
    pub created: Option<String>,
    /// The training data.
    pub training_data: Option<TrainingData>,
    /// Evaluation results, by metric.
    pub metrics: BTreeMap<String, serde_json::Value>,
    /// The digests of its files, `sha256:` followed by hexadecimal.
    pub files: BTreeMap<String, String>,
    /// Its licence.
    pub license: Option<String>,
    /// Free-form notes.
    pub notes: Option<String>,
    /// The author.
    pub author: Option<String>,
    /// The contract that the digests are of, so that `candor seal` can show what an edit changed. Not shown elsewhere.
    #[serde(skip_serializing)]
    pub contract: Option<JsonValue>,
}

/// The data that a version was trained on.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingData {
    /// The name of the data set, which is part of every response.
    pub tag: Option<String>,
    /// The number of rows.
    pub rows: Option<u64>,
    /// The digest of the data.
    pub sha256: Option<String>,
}

/// The files of a version, read and parsed.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) graph: PathBuf,
    /// The bytes that sessions are opened from.
    pub(super) snapshot: Snapshot,
    /// The SHA-256 of the graph's file, in hexadecimal.
    pub(super) graph_digest: String,
    pub(super) contract: Option<ContractFile>,
    pub(super) provenance: Provenance,
    pub(super) golden: Option<(PathBuf, Vec<Case>)>,
    pub(super) profile: Option<(PathBuf, Profile)>,
    pub(super) calibration: Option<CalibrationFile>,
    /// The names of files that exist but cannot be used.
    pub(super) broken: Vec<&'static str>,
}

/// contract.json: its path and parsed content.
#[derive(Debug)]
pub(super) struct ContractFile {
    pub(super) path: PathBuf,
    pub(super) document: JsonValue,
}

/// What is passed over when a package is read.
#[derive(Debug, Clone, Default)]
pub(super) struct PassedOver {
    /// The files that are treated as absent.
    pub(super) files: Vec<&'static str>,
    /// Whether the digests of contract.json and the other text files are not compared. Those of the graph and its weights
    /// always are.
    pub(super) text_digests: bool,
}

/// Reads the files of a version and reports every problem. Returns `None` if there is no graph that may be opened: it
/// cannot be read, or it differs from version.json.
pub(super) fn read(
    version: &VersionDirectory,
    passed_over: &PassedOver,
    errors: &mut Vec<LoadError>,
) -> Option<Package> {
    let snapshot = Snapshot::read(&version.graph).map_err(|found| errors.extend(found)).ok();
    let graph = snapshot.as_ref().map(|snapshot| snapshot.graph_digest().to_owned());
    let mut package = Files::default();
    let mut trusted = true;
    let mut read = Documents::default();
    if let Some(directory) = &version.directory {
        package = Files::read(directory, passed_over);
        read.provenance = package.read_optional("version.json", errors, provenance).unwrap_or_default();
        let mut listed = read.provenance.files.clone();
        let compared = |name: &str| !(passed_over.text_digests && PACKAGE.contains(&name));
        listed.retain(|name, _| !passed_over.files.contains(&name.as_str()) && compared(name));
        trusted = package.check_digests(&listed, snapshot.as_ref(), errors);
        read.take_from(&mut package, graph.as_deref(), errors);
    }
    let Documents { contract, provenance, golden, profile, calibration } = read;
    let (snapshot, graph_digest) = snapshot.filter(|_| trusted).zip(graph)?;
    Some(Package {
        graph: version.graph.clone(),
        snapshot,
        graph_digest,
        contract,
        provenance,
        golden,
        profile,
        calibration,
        broken: package.broken,
    })
}

/// The parsed documents of a version.
#[derive(Default)]
struct Documents {
    contract: Option<ContractFile>,
    provenance: Provenance,
    golden: Option<(PathBuf, Vec<Case>)>,
    profile: Option<(PathBuf, Profile)>,
    calibration: Option<CalibrationFile>,
}

impl Documents {
    /// Parses everything except version.json. `graph` is the digest of the graph, if it could be read.
    fn take_from(&mut self, files: &mut Files, graph: Option<&str>, errors: &mut Vec<LoadError>) {
        self.contract = files.read_optional("contract.json", errors, |path, text| {
            let document = serde_json::from_str(text).map_err(|error| vec![content(path, error.to_string())])?;
            Ok(ContractFile { path: path.to_path_buf(), document })
        });
        let mut cases = Vec::new();
        self.golden = files
            .read_optional(GOLDEN, errors, |path, text| Ok((path.to_path_buf(), read_cases(path, text, &mut cases))));
        errors.append(&mut cases);
        self.profile =
            files.read_optional(PROFILE, errors, |path, text| Ok((path.to_path_buf(), read_profile(path, text)?)));
        let read = |path: &Path, text: &str| served_calibration::read(path.to_path_buf(), text, graph);
        self.calibration = files.read_optional(CALIBRATION, errors, read);
    }
}

/// The text files of a version. Each is read once, so that the checked bytes are the bytes in use.
#[derive(Default)]
struct Files {
    directory: PathBuf,
    read: BTreeMap<&'static str, io::Result<Arc<[u8]>>>,
    /// The names of files that exist but cannot be used.
    broken: Vec<&'static str>,
}

impl Files {
    fn read(directory: &Path, passed_over: &PassedOver) -> Self {
        let there = PACKAGE.iter().filter(|name| !passed_over.files.contains(*name));
        let there = there.map(|name| (*name, directory.join(name))).filter(|(_, path)| path.exists());
        let read = there.map(|(name, path)| (name, files::read(&path, MAX_TEXT_BYTES))).collect();
        Self { directory: directory.to_path_buf(), read, broken: Vec::new() }
    }

    /// Parses an optional text file. A file that exists but cannot be used is recorded as broken.
    fn read_optional<T>(
        &mut self,
        name: &'static str,
        errors: &mut Vec<LoadError>,
        read: impl FnOnce(&Path, &str) -> Result<T, Vec<LoadError>>,
    ) -> Option<T> {
        let path = self.directory.join(name);
        let text = self.read.remove(name)?.and_then(|bytes| files::text(&bytes));
        let text = text.map_err(|source| vec![LoadError::Read { path: path.clone(), source }]);
        match text.and_then(|text| read(&path, &text)) {
            Ok(content) => Some(content),
            Err(found) => {
                self.broken.push(name);
                errors.extend(found);
                None
            }
        }
    }

    /// Returns whether everything that ONNX Runtime loads matches version.json. A mismatch in another file rejects the
    /// version too, but its content can still be checked.
    fn check_digests(
        &self,
        listed: &BTreeMap<String, String>,
        snapshot: Option<&Snapshot>,
        errors: &mut Vec<LoadError>,
    ) -> bool {
        let mut trusted = true;
        for (name, expected) in listed {
            let path = self.directory.join(name);
            let inside = Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
            let listing = |detail: String| content(&self.directory.join("version.json"), detail);
            if !inside {
                errors.push(listing(format!("lists {name:?}, which is outside the version's directory")));
                continue;
            }
            let known =
                errors.iter().any(|error| matches!(error, LoadError::Read { path: unread, .. } if *unread == path));
            match self.digest(name, &path, snapshot) {
                Ok(found) if expected.strip_prefix("sha256:") == Some(found.as_str()) => {}
                Ok(found) => {
                    trusted &= PACKAGE.contains(&name.as_str());
                    errors.push(LoadError::Digest { path, expected: expected.clone(), found });
                }
                Err(_) if known => {}
                Err(error) => errors.push(listing(format!("lists {name:?}, which cannot be read: {}", reason(&error)))),
            }
        }
        trusted
    }

    /// Returns the digest of a file as it was read, or else as it is on disk.
    fn digest(&self, name: &str, path: &Path, snapshot: Option<&Snapshot>) -> io::Result<String> {
        if let Some(snapshot) = snapshot {
            if name == GRAPH {
                return Ok(snapshot.graph_digest().to_owned());
            }
            if let Some(digest) = snapshot.weights_digest(Path::new(name)) {
                return Ok(digest);
            }
        }
        match self.read.get(name) {
            Some(Ok(bytes)) => Ok(digest(bytes)),
            // An I/O error cannot be cloned; reading again gives the same error.
            Some(Err(_)) | None => digest_file(path),
        }
    }
}

fn content(path: &Path, detail: String) -> LoadError {
    LoadError::Content { path: path.to_path_buf(), detail }
}

fn provenance(path: &Path, text: &str) -> Result<Provenance, Vec<LoadError>> {
    // Serde would deserialize an array into the struct, member by member.
    let read = if text.trim_start().starts_with('[') { Err(not_an_object()) } else { serde_json::from_str(text) };
    read.map_err(|error| vec![content(path, error.to_string())])
}
