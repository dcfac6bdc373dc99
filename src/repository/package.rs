//! The files of one version: read whole, digests checked, everything that is wrong told at once.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    calibrated::{self, CalibrationFile},
    error::{LoadError, not_an_object},
    golden::{Case, read_cases},
    listing::{PACKAGE, VersionDirectory},
    profile::read_profile,
};
use crate::domain::{contract::Literal, profile::Profile};

/// The file that says how outputs become uncertainty.
pub const CALIBRATION: &str = "calibration.json";

/// Where a version comes from (version.json).
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Provenance {
    /// When it was made (RFC 3339).
    pub created: Option<String>,
    /// From what data.
    pub training_data: Option<TrainingData>,
    /// How well it did, by metric.
    pub metrics: BTreeMap<String, serde_json::Value>,
    /// The digests of its files, `sha256:` and hexadecimal.
    pub files: BTreeMap<String, String>,
    /// Its licence.
    pub license: Option<String>,
    /// Anything else.
    pub notes: Option<String>,
    /// By whom it was made.
    pub author: Option<String>,
}

/// The data that a version was trained on.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainingData {
    /// The name of the data set, which is in every answer.
    pub tag: Option<String>,
    /// How many rows.
    pub rows: Option<u64>,
    /// The digest of the data.
    pub sha256: Option<String>,
}

/// The files of a version, read.
#[derive(Debug)]
pub(super) struct Package {
    pub(super) graph: PathBuf,
    /// The SHA-256 of the graph's file, in hexadecimal.
    pub(super) graph_digest: String,
    pub(super) contract: Option<ContractFile>,
    pub(super) provenance: Provenance,
    pub(super) golden: Option<(PathBuf, Vec<Case>)>,
    pub(super) profile: Option<(PathBuf, Profile)>,
    pub(super) calibration: Option<CalibrationFile>,
    /// The files that are there and cannot be used, by name.
    pub(super) broken: Vec<&'static str>,
}

/// contract.json: its text, and what it says.
#[derive(Debug)]
pub(super) struct ContractFile {
    pub(super) path: PathBuf,
    pub(super) document: Literal,
}

/// Reads the files of a version; whatever is wrong is told. `None` where there is no graph that may be opened: it cannot
/// be read, or it is another one than version.json lists. A file that is passed over is taken as not there.
pub(super) fn read(
    version: &VersionDirectory,
    passed_over: Option<&str>,
    errors: &mut Vec<LoadError>,
) -> Option<Package> {
    let graph = read_file(&version.graph).map(|bytes| digest(&bytes)).map_err(|error| errors.push(error)).ok();
    let mut package = Package {
        graph: version.graph.clone(),
        graph_digest: graph.clone().unwrap_or_default(),
        contract: None,
        provenance: Provenance::default(),
        golden: None,
        profile: None,
        calibration: None,
        broken: Vec::new(),
    };
    let Some(directory) = &version.directory else { return graph.map(|_| package) };
    package.provenance = package.take(directory, "version.json", errors, provenance).unwrap_or_default();
    let mut listed = package.provenance.files.clone();
    listed.retain(|name, _| Some(name.as_str()) != passed_over);
    let trusted = check_digests(directory, &listed, errors);
    package.contract = package.take(directory, "contract.json", errors, |path, text| {
        let document = serde_json::from_str(text).map_err(|error| vec![content(path, error.to_string())])?;
        Ok(ContractFile { path: path.to_path_buf(), document })
    });
    let mut cases = Vec::new();
    package.golden = package.take(directory, "golden.jsonl", errors, |path, text| {
        Ok((path.to_path_buf(), read_cases(path, text, &mut cases)))
    });
    errors.append(&mut cases);
    package.profile = package
        .take(directory, "profile.json", errors, |path, text| Ok((path.to_path_buf(), read_profile(path, text)?)));
    if passed_over != Some(CALIBRATION) {
        let read = |path: &Path, text: &str| calibrated::read(path.to_path_buf(), text, graph.as_deref());
        package.calibration = package.take(directory, CALIBRATION, errors, read);
    }
    graph.filter(|_| trusted).map(|_| package)
}

impl Package {
    /// Reads a file that may be absent. One that is there and cannot be used is noted as broken.
    fn take<T>(
        &mut self,
        directory: &Path,
        name: &'static str,
        errors: &mut Vec<LoadError>,
        read: impl FnOnce(&Path, &str) -> Result<T, Vec<LoadError>>,
    ) -> Option<T> {
        let path = directory.join(name);
        if !path.exists() {
            return None;
        }
        let text = std::fs::read_to_string(&path);
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
}

fn content(path: &Path, detail: String) -> LoadError {
    LoadError::Content { path: path.to_path_buf(), detail }
}

fn provenance(path: &Path, text: &str) -> Result<Provenance, Vec<LoadError>> {
    // Serde would read an array into a struct, member by member.
    let read = if text.trim_start().starts_with('[') { Err(not_an_object()) } else { serde_json::from_str(text) };
    read.map_err(|error| vec![content(path, error.to_string())])
}

fn read_file(path: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(path).map_err(|source| LoadError::Read { path: path.to_path_buf(), source })
}

/// The SHA-256 of some bytes, in hexadecimal.
pub(super) fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Whether all that ONNX Runtime would read is what version.json lists. A difference in the other files refuses the
/// version too, but they can still be judged.
fn check_digests(directory: &Path, listed: &BTreeMap<String, String>, errors: &mut Vec<LoadError>) -> bool {
    let mut trusted = true;
    for (name, expected) in listed {
        let path = directory.join(name);
        let inside = Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
        let listing = |detail: String| content(&directory.join("version.json"), detail);
        if !inside {
            errors.push(listing(format!("lists {name:?}, which lies outside of the version's directory")));
            continue;
        }
        let known = errors.iter().any(|error| matches!(error, LoadError::Read { path: unread, .. } if *unread == path));
        match read_file(&path) {
            Ok(bytes) => {
                let found = digest(&bytes);
                if expected.strip_prefix("sha256:") != Some(found.as_str()) {
                    trusted &= PACKAGE.contains(&name.as_str());
                    errors.push(LoadError::Digest { path, expected: expected.clone(), found });
                }
            }
            Err(_) if known => {}
            Err(LoadError::Read { source, .. }) => {
                errors.push(listing(format!("lists {name:?}, which cannot be read: {source}")));
            }
            Err(error) => errors.push(error),
        }
    }
    trusted
}
