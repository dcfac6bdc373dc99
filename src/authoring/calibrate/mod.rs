//! The `calibrate` command: fits calibration.json of a version to held-out rows. Each row takes the path of a request,
//! so that what is measured is what will be served. The files are written together, after checking that the version can
//! serve with them.

mod advice;
mod collect_rows;
mod evaluate;
mod options;
mod plan;
mod targets;
pub(super) mod training_data;

use std::path::{Path, PathBuf};

use super::{
    error::{AuthoringError, DecisionError},
    files, locate_version, plot,
};
use crate::{
    dataset::Table,
    domain::{
        calibration::CalibrationErrors,
        name::{ModelName, VersionName},
        uncertainty::{CalibrationDocument, CalibrationSource, Coverage, FORMAT},
    },
    repository::{CALIBRATION, Loader, VerifiedVersion},
    telemetry::error_chain,
};
pub use collect_rows::CalibrationRows as HeldOut;
use collect_rows::{check_target, collect_rows};
pub use evaluate::{EvaluateOptions, Evaluation, MeasuredCoverage, evaluate};
pub use options::{CalibrateOptions, CalibrationMethod, SetChoice};
use plan::plan;
use training_data::{refuse_training_data, trained_on};

/// The progress of a calibration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProgressEvent {
    /// The number of rows read so far.
    Rows(u64),
    /// Fitting and measuring has started.
    Fit,
}

/// The result of a calibration.
pub struct CalibrationReport {
    /// The model.
    pub model: ModelName,
    /// The version.
    pub version: VersionName,
    /// The version's directory.
    pub directory: PathBuf,
    /// The content of calibration.json.
    pub calibration: CalibrationDocument,
    /// The unit of a regression's values.
    pub unit: Option<String>,
    /// The number of rows of each class.
    pub classes: Vec<(String, usize)>,
    /// The served coverage.
    pub coverage: Coverage,
    /// The file that sets the coverage; `None` for the server's configuration.
    pub coverage_of: Option<&'static str>,
    /// The name of the method, as in responses.
    pub method: &'static str,
    /// Points for the operator to check, one sentence each.
    pub notes: Vec<String>,
    /// The written files; empty for a dry run.
    pub written: Vec<PathBuf>,
}

/// Calibrates the version in a directory with the rows of a table.
///
/// # Errors
/// Returns [`AuthoringError`] if the version cannot be calibrated; no file is written in that case.
pub fn calibrate(
    loader: &Loader,
    place: &Path,
    data: &Path,
    options: &CalibrateOptions,
    progress: &mut dyn FnMut(ProgressEvent),
) -> Result<CalibrationReport, AuthoringError> {
    let directory = locate_version::version_directory(place)?;
    let mut prepared = locate_version::load(&loader.clone().without_calibrations(), &directory)?;
    let about = |problems: Vec<DecisionError>| {
        let lines: Vec<String> = problems.iter().map(|problem| format!("{}: {problem}", directory.display())).collect();
        AuthoringError::NeedsDecision(lines.join("\n"))
    };
    let plan = plan(&prepared.contract, options).map_err(about)?;
    let table = Table::open(data, &options.reading)?;
    check_target(&table, options.target.as_deref())?;
    let sha256 = table.sha256()?;
    let trained_on = trained_on(&prepared, &sha256);
    if !options.allow_training_data {
        refuse_training_data(&table, trained_on)?;
    }
    let (rows, truths) =
        collect_rows(&mut prepared, &table, plan, options, &mut |rows| progress(ProgressEvent::Rows(rows)))?;
    progress(ProgressEvent::Fit);
    let classes = rows.classes();
    let (rule, report) = rows.fit().map_err(|faults| table_faults(&table, &faults))?;
    let calibration = CalibrationDocument {
        format: FORMAT,
        model_sha256: prepared.model_sha256(),
        contract: prepared.contract.calibration_basis(),
        created: time(options.created),
        data: CalibrationSource {
            file: table.file_name(),
            sha256: format!("sha256:{sha256}"),
            rows: usize::try_from(truths.usable()).unwrap_or(0),
            skipped: truths.invalid.count(),
        },
        rule,
        report,
    };
    let path = directory.join(CALIBRATION);
    let text = text(&calibration).map_err(|error| AuthoringError::NeedsDecision(error.to_string()))?;
    let served = prepared.bind_calibration(&path, &text).map_err(|errors| {
        AuthoringError::NeedsDecision(errors.iter().map(|error| error_chain(error)).collect::<Vec<_>>().join("\n"))
    })?;
    let mut notes: Vec<String> =
        trained_on.map(advice::calibrated_on_training_data).into_iter().chain(truths.reading()).collect();
    notes.extend(truths.left_out());
    notes.extend(advice::duplicate_rows(truths.copies, truths.usable()));
    notes.extend(advice::of(&calibration, prepared.coverage, &classes));
    let written = if options.dry_run { Vec::new() } else { write(&prepared, &directory, &calibration, text)? };
    Ok(CalibrationReport {
        method: served.calibrator.method(),
        coverage: prepared.coverage,
        coverage_of: prepared.coverage_of,
        unit: prepared.contract.output.unit().map(str::to_owned),
        model: prepared.model,
        version: prepared.version,
        directory,
        calibration,
        classes,
        notes,
        written,
    })
}

/// Runs the rows of a table through the version in a directory and returns what [`calibrate`] would fit to, for
/// measuring how well calibration works.
///
/// # Errors
/// Returns [`AuthoringError`] as [`calibrate`] does.
pub fn load_held_out(
    loader: &Loader,
    place: &Path,
    data: &Path,
    options: &CalibrateOptions,
) -> Result<HeldOut, AuthoringError> {
    let mut prepared =
        locate_version::load(&loader.clone().without_calibrations(), &locate_version::version_directory(place)?)?;
    let plan = plan(&prepared.contract, options).map_err(|problems| {
        AuthoringError::NeedsDecision(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    })?;
    let table = Table::open(data, &options.reading)?;
    check_target(&table, options.target.as_deref())?;
    Ok(collect_rows(&mut prepared, &table, plan, options, &mut |_| ())?.0)
}

fn table_faults(table: &Table, faults: &CalibrationErrors) -> AuthoringError {
    let lines: Vec<String> =
        faults.to_string().lines().map(|line| table.table_error(line.to_owned()).to_string()).collect();
    AuthoringError::NeedsDecision(lines.join("\n"))
}

fn time(seconds: i64) -> String {
    let time = chrono::DateTime::from_timestamp(seconds, 0).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

/// Formats calibration.json with one line per member, and one per level or group of the report, for reading and diffs.
fn text(calibration: &CalibrationDocument) -> Result<String, serde_json::Error> {
    use std::fmt::Write as _;

    let serde_json::Value::Object(members) = serde_json::to_value(calibration)? else { return Ok(String::new()) };
    let mut text = String::new();
    for (name, value) in &members {
        let value = match value {
            serde_json::Value::Object(report) if name == "report" => lines(report)?,
            value => serde_json::to_string(value)?,
        };
        let _ =
            write!(text, "{}\n  {}: {value}", if text.is_empty() { "{" } else { "," }, serde_json::to_string(name)?);
    }
    Ok(text + "\n}\n")
}

fn lines(report: &serde_json::Map<String, serde_json::Value>) -> Result<String, serde_json::Error> {
    let mut written = Vec::with_capacity(report.len());
    for (name, value) in report {
        let value = match value {
            serde_json::Value::Array(items) if items.iter().any(serde_json::Value::is_object) => {
                let items: Vec<String> = items.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
                format!("[\n      {}\n    ]", items.join(",\n      "))
            }
            value => serde_json::to_string(value)?,
        };
        written.push(format!("    {}: {value}", serde_json::to_string(name)?));
    }
    Ok(format!("{{\n{}\n  }}", written.join(",\n")))
}

/// Writes calibration.json and its plots, all or none, and updates version.json if it lists any of them. Deletes an older
/// plot that this calibration does not have.
fn write(
    prepared: &VerifiedVersion,
    directory: &Path,
    calibration: &CalibrationDocument,
    text: String,
) -> Result<Vec<PathBuf>, AuthoringError> {
    let name = format!("{} {}", prepared.model, prepared.version);
    let made = [
        (CALIBRATION, Some(text)),
        ("reliability.svg", plot::reliability(&name, calibration)),
        ("coverage.svg", plot::coverage(&name, calibration, prepared.contract.output.unit())),
    ];
    let (there, gone): (Vec<_>, Vec<_>) = made.into_iter().partition(|(_, text)| text.is_some());
    let there: Vec<(&str, String)> = there.into_iter().filter_map(|(name, text)| Some((name, text?))).collect();
    let mut all: Vec<(PathBuf, String)> =
        there.iter().map(|(name, text)| (directory.join(name), text.clone())).collect();
    all.extend(files::update_version_json(directory, &there));
    files::replace_all(&all)?;
    for (name, _) in gone {
        // The file may not exist.
        let _ = std::fs::remove_file(directory.join(name));
    }
    Ok(all.into_iter().map(|(path, _)| path).collect())
}
