//! The `compare` command: what a reviewer wants to know of a new version. Runs two versions of a model on the same rows,
//! as the server would, and judges the new one by the limits of `[gate]` in model.toml.

mod pairing;
mod slices;
mod sources;
mod version_summary;

use std::path::{Path, PathBuf};

use super::{
    calibrate::training_data::trained_on,
    error::AuthoringError,
    locate_version::{self, LocatedVersion},
};
use crate::{
    dataset::{ReadOptions, Table},
    domain::{
        comparison::{Comparison, GateFailure, GateLimits, PairTally, UncheckedLimit, gate, unchecked},
        contract::Task,
        name::ModelName,
    },
    repository::{Loader, VerifiedVersion},
};
use pairing::Pairing;
use slices::slice_features;
pub use sources::ComparedRows;
pub use version_summary::{ComparedVersion, ServedUncertainty};

/// The options of `compare`.
#[derive(Debug, Clone, Default)]
pub struct CompareOptions {
    /// The table of rows; `None` for the golden cases and the background rows of both packages.
    pub data: Option<PathBuf>,
    /// The name of the column with the true outcomes.
    pub target: Option<String>,
    /// The features to slice by; if empty, those that the calibrations are grouped by.
    pub slices: Vec<String>,
    /// Options for reading the table.
    pub reading: ReadOptions,
}

/// The result of a comparison.
#[derive(Debug, Clone, serde::Serialize)]
pub struct CompareReport {
    /// The model.
    pub model: String,
    /// The old version.
    pub old: ComparedVersion,
    /// The new version.
    pub new: ComparedVersion,
    /// The task, by its name in contract.json.
    pub task: &'static str,
    /// The unit of the new version's values.
    pub unit: Option<String>,
    /// The rows.
    pub rows: ComparedRows,
    /// Points for the reviewer to check, one sentence each.
    pub notes: Vec<String>,
    /// Contracts, predictions, slices and the rows that differ most.
    pub comparison: Comparison,
    /// The limits of the gate.
    pub limits: GateLimits,
    /// The limits that the new version does not keep; empty if it passes.
    pub failures: Vec<GateFailure>,
    /// The limits that are set and could not be checked.
    pub unchecked: Vec<UncheckedLimit>,
}

/// Compares the version in one directory with that in another, which replaces it.
///
/// # Errors
/// Returns [`AuthoringError`] if a version does not load, if they are of different models or tasks, or if there are no
/// rows. Rows that one version refuses are part of the report.
pub fn compare(
    loader: &Loader,
    (old, new): (&Path, &Path),
    options: &CompareOptions,
    seen: &mut dyn FnMut(u64),
) -> Result<CompareReport, AuthoringError> {
    let ((old_at, new_at), limits) = locate(old, new)?;
    let (mut before, mut after) = load(loader, &old_at, &new_at)?;
    let slices = slice_features(&before, &after, &options.slices)?;
    let tally = PairTally::new(before.contract_source(), after.contract_source(), slices)
        .map_err(|error| AuthoringError::NeedsDecision(format!("{} and {}: {error}", old.display(), new.display())))?;
    let summaries = (ComparedVersion::of(&before, old), ComparedVersion::of(&after, new));
    let (task, unit) = (after.contract.output.task(), after.contract.output.unit().map(str::to_owned));
    let mut notes = Vec::new();
    let mut pairing = Pairing::new(&mut before, &mut after, tally);
    let rows = match &options.data {
        Some(data) => {
            let table = Table::open(data, &options.reading)?;
            let sha256 = table.sha256()?;
            notes
                .extend([&*pairing.old, &*pairing.new].into_iter().filter_map(|version| seen_before(version, &sha256)));
            sources::read_table(&mut pairing, &table, options.target.as_deref(), seen)?
        }
        None => sources::read_packages(&mut pairing)?,
    };
    let comparison = pairing.finish();
    Ok(CompareReport {
        model: old_at.model().to_string(),
        old: summaries.0,
        new: summaries.1,
        task: Task::as_str(task),
        unit,
        rows,
        notes,
        failures: gate(&comparison, &limits),
        unchecked: unchecked(&comparison, &limits),
        comparison,
        limits,
    })
}

/// Says whether a version was trained or calibrated on a table, on which it then looks better than on new rows.
fn seen_before(version: &VerifiedVersion, sha256: &str) -> Option<String> {
    let name = &version.version;
    if let Some(file) = trained_on(version, sha256) {
        return Some(format!(
            "{file} of version {name} names this table as training data: on new rows the version is worse than here"
        ));
    }
    let calibrated = version.calibrated.as_ref()?;
    let same = calibrated.calibration.data.sha256 == format!("sha256:{sha256}");
    same.then(|| {
        format!("version {name} was calibrated on this table: on new rows its uncertainty and coverage may be worse than here")
    })
}

/// Finds both versions and the limits: those beside the new version, or if it has none, those beside the old one.
fn locate(old: &Path, new: &Path) -> Result<((LocatedVersion, LocatedVersion), GateLimits), AuthoringError> {
    let find = |path: &Path| LocatedVersion::find(&locate_version::version_directory(path)?);
    let (before, after) = (find(old)?, find(new)?);
    let name = |version: &LocatedVersion| -> ModelName { version.model().clone() };
    if name(&before) != name(&after) {
        return Err(AuthoringError::NeedsDecision(format!(
            "{} is a version of {}, and {} one of {}: compare two versions of one model, such as models/churn/1 \
             models/churn/2",
            old.display(),
            name(&before),
            new.display(),
            name(&after)
        )));
    }
    let limits = [after.gate(), before.gate()].into_iter().find(|limits| *limits != GateLimits::default());
    Ok(((before, after), limits.unwrap_or_default()))
}

/// Loads both versions, and reports the errors of both.
fn load(
    loader: &Loader,
    old: &LocatedVersion,
    new: &LocatedVersion,
) -> Result<(VerifiedVersion, VerifiedVersion), AuthoringError> {
    match (old.verify(loader), new.verify(loader)) {
        (Ok(old), Ok(new)) => Ok((old, new)),
        (old, new) => {
            let errors: Vec<_> = [old.err(), new.err()].into_iter().flatten().flatten().collect();
            Err(AuthoringError::refused(&errors))
        }
    }
}
