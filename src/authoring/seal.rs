//! Accepts the files of a version that were edited by hand: shows what changed, verifies the version with its golden
//! cases, and renews the digests in version.json.

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::{Value, json};

use super::{error::AuthoringError, files, golden_cases, locate_version};
use crate::{
    dataset::sha256,
    domain::{
        json::JsonValue,
        json_difference::{Difference, differences},
    },
    repository::{CALIBRATION, GOLDEN, LoadError, Loader, PACKAGE, PROFILE, VerifiedVersion},
    telemetry::error_chain,
};

/// The options of `seal`.
#[derive(Debug, Clone, Copy, Default)]
pub struct SealOptions {
    /// Whether to record golden.jsonl again from the predictions of the model.
    pub record_golden: bool,
    /// Whether to skip writing the files.
    pub dry_run: bool,
}

/// What happened to a file since its digest was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileChange {
    /// The name of the file.
    pub name: String,
    /// `changed`, `added` or `removed`.
    pub kind: &'static str,
    /// What changed in it, one line each, if that is known.
    pub lines: Vec<String>,
}

/// The result of `seal`.
#[derive(Debug)]
pub struct SealReport {
    /// The directory of the version.
    pub directory: PathBuf,
    /// The files that differ from their digests.
    pub changes: Vec<FileChange>,
    /// The files that the change makes unusable, with the command that renews each.
    pub stale: Vec<String>,
    /// The number of golden cases that were run, or recorded.
    pub golden: usize,
    /// The written files; empty for a dry run, and if nothing changed.
    pub written: Vec<PathBuf>,
}

/// Reviews and accepts the edited files of the version in a directory.
///
/// # Errors
/// Returns [`AuthoringError`] if the version has no digests, or if it would not load with the edited files; nothing is
/// written in that case.
pub fn seal(loader: &Loader, place: &Path, options: SealOptions) -> Result<SealReport, AuthoringError> {
    let directory = locate_version::version_directory(place)?;
    let mut version = read_version(&directory)?;
    let changes = changes(&directory, &version);
    let loader = loader.clone().without_text_digests();
    let loader = if options.record_golden { loader.without_golden_cases() } else { loader };
    let (mut prepared, stale) = verify(&loader, &directory)?;
    let golden = directory.join(GOLDEN);
    if options.record_golden && !golden.is_file() {
        return Err(undecided(&golden, &"does not exist, so there are no cases to record again"));
    }
    let recorded = match fs::read_to_string(&golden) {
        Ok(text) if options.record_golden => Some(golden_cases::record_again(&mut prepared, &golden, &text)?),
        _ => None,
    };
    let cases = match &recorded {
        Some(text) => text.lines().count(),
        None => prepared.golden_cases(),
    };
    let mut report = SealReport { directory: directory.clone(), changes, stale, golden: cases, written: Vec::new() };
    if options.dry_run || (report.changes.is_empty() && recorded.is_none()) {
        return Ok(report);
    }
    let mut written: Vec<(PathBuf, String)> = recorded.into_iter().map(|text| (golden.clone(), text)).collect();
    renew(&directory, &mut version, &written);
    let text = serde_json::to_string_pretty(&version).map_err(|error| undecided(&directory, &error))? + "\n";
    written.push((directory.join("version.json"), text));
    files::replace_all(&written)?;
    report.written = written.into_iter().map(|(path, _)| path).collect();
    Ok(report)
}

fn undecided(directory: &Path, detail: &dyn std::fmt::Display) -> AuthoringError {
    AuthoringError::NeedsDecision(format!("{}: {detail}", directory.display()))
}

/// Reads version.json, which must list digests.
fn read_version(directory: &Path) -> Result<Value, AuthoringError> {
    let path = directory.join("version.json");
    let version: Option<Value> = fs::read_to_string(&path).ok().and_then(|text| serde_json::from_str(&text).ok());
    let version = version.filter(|version| version["files"].as_object().is_some_and(|files| !files.is_empty()));
    version.ok_or_else(|| undecided(&path, &"lists no digests, so an edit needs no acceptance"))
}

/// Compares the text files with their digests.
fn changes(directory: &Path, version: &Value) -> Vec<FileChange> {
    let mut changes = Vec::new();
    for name in PACKAGE.iter().filter(|name| **name != "version.json") {
        let listed = version["files"].get(*name).and_then(Value::as_str);
        let content = fs::read(directory.join(name)).ok();
        let kind = match (listed, &content) {
            (Some(listed), Some(content)) if listed == format!("sha256:{}", sha256(content)) => continue,
            (Some(_), Some(_)) => "changed",
            (None, Some(_)) => "added",
            (Some(_), None) => "removed",
            (None, None) => continue,
        };
        let lines = match content {
            Some(content) if *name == "contract.json" && kind == "changed" => contract_changes(&content, version),
            _ => Vec::new(),
        };
        changes.push(FileChange { name: (*name).to_owned(), kind, lines });
    }
    changes
}

/// Lists what changed in the contract, if version.json has the contract that its digest is of.
fn contract_changes(content: &[u8], version: &Value) -> Vec<String> {
    let old = version.get("contract").and_then(|old| serde_json::from_value::<JsonValue>(old.clone()).ok());
    match (old, serde_json::from_slice::<JsonValue>(content)) {
        (Some(old), Ok(new)) => differences(&old, &new).iter().map(describe).collect(),
        (None, _) => {
            vec!["version.json does not have the earlier contract to compare with; it will have this one".to_owned()]
        }
        (_, Err(_)) => Vec::new(),
    }
}

fn describe(difference: &Difference<'_>) -> String {
    let text = |value: &JsonValue| serde_json::to_string(value).unwrap_or_default();
    let place = &difference.pointer;
    match (difference.old.map(text), difference.new.map(text)) {
        (Some(old), Some(new)) => format!("{place}: {old} -> {new}"),
        (Some(old), None) => format!("{place}: {old} removed"),
        (None, new) => format!("{place}: {} added", new.unwrap_or_default()),
    }
}

/// Verifies the version as it is. Errors that are only about its calibration or profile make these stale; all others
/// refuse it.
fn verify(loader: &Loader, directory: &Path) -> Result<(VerifiedVersion, Vec<String>), AuthoringError> {
    let located = locate_version::LocatedVersion::find(directory)?;
    let errors = match located.verify(loader) {
        Ok(prepared) => return Ok((prepared, Vec::new())),
        Err(errors) => errors,
    };
    let about = |error: &LoadError, name: &str| error.path().is_some_and(|path| path.ends_with(name));
    let of = |name: &'static str| errors.iter().filter(move |error| about(error, name));
    if of(CALIBRATION).count() + of(PROFILE).count() < errors.len() {
        let mut lines: Vec<String> = errors.iter().map(|error| error_chain(error)).collect();
        if errors.iter().any(|error| matches!(error, LoadError::Golden { .. })) {
            lines.push(format!(
                "{}: if the edit changes what the model should answer, record the golden cases again with --record-golden",
                directory.display()
            ));
        }
        return Err(AuthoringError::NeedsDecision(lines.join("\n")));
    }
    let mut stale: Vec<String> = of(CALIBRATION).map(|error| error_chain(error)).collect();
    let profile = "create it again with `candor profile --data <training table>`";
    stale.extend(of(PROFILE).map(|error| format!("{}: {profile}", error_chain(error))));
    let loader = loader.clone().without_calibrations().without_profiles();
    let prepared = located.verify(&loader).map_err(|errors| AuthoringError::refused(&errors))?;
    Ok((prepared, stale))
}

/// Renews the digests of all text files and records the contract. `written` are files that are about to be written.
fn renew(directory: &Path, version: &mut Value, written: &[(PathBuf, String)]) {
    for name in PACKAGE.iter().filter(|name| **name != "version.json") {
        let path = directory.join(name);
        let new = written.iter().find(|(other, _)| *other == path).map(|(_, text)| text.clone().into_bytes());
        let content = new.or_else(|| fs::read(&path).ok());
        let Some(files) = version["files"].as_object_mut() else { return };
        match content {
            Some(content) => drop(files.insert((*name).to_owned(), json!(format!("sha256:{}", sha256(&content))))),
            None => drop(files.remove(*name)),
        }
    }
    let contract = fs::read(directory.join("contract.json")).ok();
    if let Some(contract) = contract.and_then(|text| serde_json::from_slice::<Value>(&text).ok()) {
        version["contract"] = contract;
    }
}
