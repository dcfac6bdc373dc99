//! profile.json from a table and a contract: for a new package, or anew for one that has a contract.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
};

use super::{
    error::AuthoringError,
    files,
    instances::{Instance, Instances},
};
use crate::{
    dataset::{ReadOptions, Table},
    domain::{
        contract::Contract,
        profile::{Profile, ProfileSource},
        profile_builder::ProfileBuilder,
        reservoir::Reservoir,
    },
    repository::{Loader, Settings, VerifiedVersion, verify_all},
};

/// Rows that are drawn to be looked at more closely.
const RANDOM_ROWS: usize = 256;

/// A profile that was made anew.
pub struct ProfileReport {
    /// The file that was written.
    pub path: PathBuf,
    /// What it says.
    pub profile: Profile,
    /// What to check, a sentence each.
    pub notes: Vec<String>,
}

/// Reads the whole table once: its profile, and some rows of it.
pub(super) fn profile_table(
    table: &Table,
    contract: &Contract,
    target: Option<&str>,
) -> Result<(Profile, Vec<Instance>), AuthoringError> {
    let mut profiler =
        ProfileBuilder::new(contract.features.iter().map(crate::domain::contract::Feature::profile_spec).collect());
    let mut drawn = Reservoir::new(RANDOM_ROWS, 1);
    let mut rows: u64 = 0;
    for instance in Instances::new(table, contract, target)? {
        let instance = instance?;
        rows += 1;
        profiler.add(&instance.values);
        drawn.add_with(|| instance);
    }
    if rows == 0 {
        return Err(table.table_error("has columns and no rows".to_owned()).into());
    }
    let file = table.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok((profiler.finish(ProfileSource { file, sha256: table.sha256()? }), drawn.into_items()))
}

/// The text of profile.json: a line a feature and a line a row, so that it can be read and compared.
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

/// Writes profile.json of a version anew, from a table and the version's own contract.
///
/// # Errors
/// [`AuthoringError`] when the version does not load without it, or the table does not fit its contract.
pub fn rebuild_profile(
    loader: &Loader,
    directory: &Path,
    data: &Path,
    reading: &ReadOptions,
) -> Result<ProfileReport, AuthoringError> {
    let undecided = |detail: String| AuthoringError::NeedsDecision(format!("{}: {detail}", directory.display()));
    if !directory.join("contract.json").is_file() {
        return Err(undecided(
            "has no contract.json; `candor init` makes a package from a model and a table".to_owned(),
        ));
    }
    let path = directory.join("profile.json");
    let prepared = load(loader, directory, &path)?;
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
        notes.push(format!("{} of {} rows that were tried would be refused: {first}", refused.len(), drawn.len()));
    }
    let text = text(&profile).map_err(|error| undecided(error.to_string()))?;
    let mut written: Vec<(PathBuf, String)> = vec![(path.clone(), text.clone())];
    written.extend(files::update_version_json(directory, &[("profile.json", text)]));
    files::replace_all(&written)?;
    Ok(ProfileReport { path, profile, notes })
}

/// Loads the version without its profile, which may be of an older contract.
fn load(loader: &Loader, directory: &Path, profile: &Path) -> Result<VerifiedVersion, AuthoringError> {
    let settings = Settings::at(directory.to_path_buf());
    let mut outcome = Err(AuthoringError::NeedsDecision(format!("{}: holds no model.onnx", directory.display())));
    verify_all(&settings, loader, |_, result| {
        let told = profile.display().to_string();
        outcome = match result {
            Ok(prepared) => Ok(prepared),
            Err(errors) if errors.iter().any(|error| error.starts_with(&told)) => {
                Err(AuthoringError::NeedsDecision(format!("{}; move it away first", errors.join("\n"))))
            }
            Err(errors) => Err(AuthoringError::NeedsDecision(errors.join("\n"))),
        };
    })
    .map_err(|error| AuthoringError::NeedsDecision(error.to_string()))?;
    outcome
}
