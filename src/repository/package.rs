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
    listing::VersionDirectory,
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
}

/// contract.json: its text, and what it says.
#[derive(Debug)]
pub(super) struct ContractFile {
    pub(super) path: PathBuf,
    pub(super) document: Literal,
}

/// Reads the files of a version, as if the one that is passed over were not there.
pub(super) fn read(version: &VersionDirectory, passed_over: Option<&str>) -> Result<Package, Vec<LoadError>> {
    let mut errors = Vec::new();
    let bytes = read_file(&version.graph).map_err(|error| vec![error])?;
    let mut package = Package {
        graph: version.graph.clone(),
        graph_digest: digest(&bytes),
        contract: None,
        provenance: Provenance::default(),
        golden: None,
        profile: None,
        calibration: None,
    };
    let Some(directory) = &version.directory else { return Ok(package) };
    if let Some((path, text)) = optional(directory, "version.json", &mut errors) {
        // Serde would read an array into a struct, member by member.
        let read = if text.trim_start().starts_with('[') { Err(not_an_object()) } else { serde_json::from_str(&text) };
        match read {
            Ok(provenance) => package.provenance = provenance,
            Err(error) => errors.push(LoadError::Content { path, detail: error.to_string() }),
        }
    }
    let mut listed = package.provenance.files.clone();
    listed.retain(|name, _| Some(name.as_str()) != passed_over);
    check_digests(directory, &listed, &mut errors);
    if let Some((path, text)) = optional(directory, "contract.json", &mut errors) {
        match serde_json::from_str(&text) {
            Ok(document) => package.contract = Some(ContractFile { path, document }),
            Err(error) => errors.push(LoadError::Content { path, detail: error.to_string() }),
        }
    }
    if let Some((path, text)) = optional(directory, "golden.jsonl", &mut errors) {
        match read_cases(&path, &text) {
            Ok(cases) => package.golden = Some((path, cases)),
            Err(problems) => errors.extend(problems),
        }
    }
    if let Some((path, text)) = optional(directory, "profile.json", &mut errors) {
        match read_profile(&path, &text) {
            Ok(profile) => package.profile = Some((path, profile)),
            Err(problems) => errors.extend(problems),
        }
    }
    if passed_over != Some(CALIBRATION)
        && let Some((path, text)) = optional(directory, CALIBRATION, &mut errors)
    {
        match calibrated::read(path, &text, &package.graph_digest) {
            Ok(calibration) => package.calibration = Some(calibration),
            Err(problems) => errors.extend(problems),
        }
    }
    if errors.is_empty() { Ok(package) } else { Err(errors) }
}

fn read_file(path: &Path) -> Result<Vec<u8>, LoadError> {
    std::fs::read(path).map_err(|source| LoadError::Read { path: path.to_path_buf(), source })
}

fn optional(directory: &Path, name: &str, errors: &mut Vec<LoadError>) -> Option<(PathBuf, String)> {
    let path = directory.join(name);
    if !path.exists() {
        return None;
    }
    match std::fs::read_to_string(&path) {
        Ok(text) => Some((path, text)),
        Err(source) => {
            errors.push(LoadError::Read { path, source });
            None
        }
    }
}

/// The SHA-256 of some bytes, in hexadecimal.
pub(super) fn digest(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    Sha256::digest(bytes).iter().fold(String::with_capacity(64), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn check_digests(directory: &Path, listed: &BTreeMap<String, String>, errors: &mut Vec<LoadError>) {
    for (name, expected) in listed {
        let path = directory.join(name);
        let inside = Path::new(name).components().all(|part| matches!(part, std::path::Component::Normal(_)));
        if !inside {
            let detail = format!("lists {name:?}, which lies outside of the version's directory");
            errors.push(LoadError::Content { path: directory.join("version.json"), detail });
            continue;
        }
        match read_file(&path) {
            Ok(bytes) => {
                let found = digest(&bytes);
                if expected.strip_prefix("sha256:") != Some(found.as_str()) {
                    errors.push(LoadError::Digest { path, expected: expected.clone(), found });
                }
            }
            Err(LoadError::Read { source, .. }) => {
                let detail = format!("lists {name:?}, which cannot be read: {source}");
                errors.push(LoadError::Content { path: directory.join("version.json"), detail });
            }
            Err(error) => errors.push(error),
        }
    }
}
