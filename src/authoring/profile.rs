//! Builds profile.json from a table and a contract, for a new package or to replace that of an existing version.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use super::{
    error::AuthoringError,
    files,
    instances::{Instance, InstanceError, Instances},
    invalid_rows::InvalidRows,
    locate_version,
};
use crate::{
    dataset::{ReadOptions, Table},
    domain::{
        contract::Contract,
        profile::{Profile, ProfileBuilder, ProfileSource, Reservoir},
    },
    repository::Loader,
};

/// The number of random rows that are sampled for checks and golden cases.
const RANDOM_ROWS: usize = 256;

/// The result of rebuilding a profile.
pub struct ProfileReport {
    /// The file that was written.
    pub path: PathBuf,
    /// The new profile.
    pub profile: Profile,
    /// Points for the operator to check, one sentence each.
    pub notes: Vec<String>,
}

/// Reads the whole table once and returns its profile and a random sample of its rows.
pub(super) fn profile_table(
    table: &Table,
    contract: &Contract,
    target: Option<&str>,
) -> Result<(Profile, Vec<Instance>), AuthoringError> {
    let mut profiler =
        ProfileBuilder::new(contract.features.iter().map(crate::domain::contract::Feature::profile_spec).collect());
    let mut drawn = Reservoir::new(RANDOM_ROWS, 1);
    let mut rows: u64 = 0;
    let mut invalid = InvalidRows::default();
    for instance in Instances::new(table, contract, target)? {
        rows += 1;
        match instance {
            Ok(instance) => {
                profiler.add(&instance.values);
                drawn.add_with(|| instance);
            }
            Err(InstanceError::Cells(place, cells)) => invalid.add(place, cells),
            Err(InstanceError::Table(error)) => return Err(error.into()),
        }
    }
    invalid.into_result(table)?;
    if rows == 0 {
        return Err(table.table_error("has columns but no rows".to_owned()).into());
    }
    Ok((profiler.finish(ProfileSource { file: table.file_name(), sha256: table.sha256()? }), drawn.into_items()))
}

/// Formats profile.json with one line per feature and per background row, for reading and diffs.
pub(super) fn text(profile: &Profile) -> Result<String, serde_json::Error> {
    let mut text = String::from("{\n");
    let _ = writeln!(text, "  \"rows\": {},", profile.rows);
    let _ = writeln!(text, "  \"source\": {},", serde_json::to_string(&profile.source)?);
    let features = profile.features.iter().map(|(name, feature)| {
        Ok(format!("    {}: {}", serde_json::to_string(name)?, serde_json::to_string(feature)?))
    });
    let features: Vec<String> = features.collect::<Result<_, serde_json::Error>>()?;
    let rows = profile.background.iter().map(|row| Ok(format!("    {}", serde_json::to_string(row)?)));
    let rows: Vec<String> = rows.collect::<Result<_, serde_json::Error>>()?;
    let _ = write!(text, "  \"features\": {{\n{}\n  }},\n", features.join(",\n"));
    let _ = write!(text, "  \"background\": [\n{}\n  ]\n}}\n", rows.join(",\n"));
    Ok(text)
}

/// Rewrites profile.json of a version from a table and the version's contract.
///
/// # Errors
/// Returns [`AuthoringError`] if the version does not load, the table does not fit its contract, or a file cannot be
/// written.
pub fn rebuild_profile(
    loader: &Loader,
    directory: &Path,
    data: &Path,
    reading: &ReadOptions,
) -> Result<ProfileReport, AuthoringError> {
    let undecided = |detail: String| AuthoringError::NeedsDecision(format!("{}: {detail}", directory.display()));
    if !directory.join("contract.json").is_file() {
        return Err(undecided(
            "has no contract.json; `candor init` creates a package from a model and a table".to_owned(),
        ));
    }
    let path = directory.join("profile.json");
    // The profile will be replaced, and a calibration does not concern it.
    let prepared = locate_version::load(&loader.clone().without_profiles().without_calibrations(), directory)?;
    let table = Table::open(data, reading)?;
    let (profile, drawn) = profile_table(&table, &prepared.contract, None)?;
    let mut notes = Vec::new();
    let refused: Vec<String> = drawn
        .iter()
        .filter_map(|instance| {
            let detail = prepared.admit(&prepared.contract.instance(&instance.values)).err()?;
            Some(format!("{}: {detail}", instance.place))
        })
        .collect();
    if let Some(first) = refused.first() {
        notes.push(format!("{} of {} sampled rows would be rejected: {first}", refused.len(), drawn.len()));
    }
    let text = text(&profile).map_err(|error| undecided(error.to_string()))?;
    let mut written: Vec<(PathBuf, String)> = vec![(path.clone(), text.clone())];
    written.extend(files::update_version_json(directory, &[("profile.json", text)]));
    files::replace_all(&written)?;
    Ok(ProfileReport { path, profile, notes })
}
