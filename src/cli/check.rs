//! `candor check`: loads and verifies every version as `serve` would, reports every error, and assesses the versions
//! that load.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    time::Instant,
};

use clap::Args;

use super::{output::Terminal, progress::Progress, table_args::TableArgs};
use crate::{
    app::name_faults,
    authoring::{EvaluateOptions, Evaluation, ProgressEvent, evaluate},
    cli::{
        config_args::{ConfigArgs, warn},
        errors::{print_error, print_problem, print_start_error},
    },
    domain::findings::Severity,
    repository::{Loader, Settings, VerifiedVersion, check_all},
    runtime::OrtLibrary,
};

/// Load every model as `serve` would, report every error, and assess the models that would be served.
///
/// Errors make the exit code 1. A warning means that a response would promise more than the files support, for example
/// a calibration on too few rows or on the training data. A note is informational.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Directory of models, of one model or of one version, or a single ONNX file [default: `repository.models`].
    #[arg(value_name = "MODELS")]
    path: Option<PathBuf>,
    /// Exit with code 1 on warnings, too.
    #[arg(long)]
    strict: bool,
    /// Table of rows with known outcomes that had no part in the calibration: measure whether the uncertainty and the
    /// coverage of one version still hold on them, and exit with code 1 if they do not.
    #[arg(long, value_name = "FILE", requires = "target", requires = "path")]
    data: Option<PathBuf>,
    /// Column of the table with the true values.
    #[arg(long, value_name = "COLUMN", requires = "data")]
    target: Option<String>,
    /// Leave out rows of the table that cannot be used, and report how many.
    #[arg(long, requires = "data")]
    skip_invalid: bool,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    common: ConfigArgs,
}

impl Check {
    pub(super) fn run(self) -> ExitCode {
        let flags = self.path.as_ref().map(|path| ("repository.models".to_owned(), path.display().to_string()));
        let config = match self.common.load_to_serve(flags.into_iter().collect()) {
            Ok(loaded) => {
                warn(&loaded.warnings);
                loaded.config
            }
            Err(code) => return code,
        };
        let library = match OrtLibrary::load(&config.runtime.library) {
            Ok(library) => library,
            Err(error) => return print_start_error(&error),
        };
        let names = match name_faults(&config) {
            Ok(faults) => faults,
            Err(error) => return print_error(&error),
        };
        let settings = &config.repository;
        let loader = Loader::new(library, config.runtime.clone())
            .with_coverage(settings.coverage)
            .with_time_limit(settings.load_timeout());
        let code = check(settings, &loader, &names, self.strict);
        match (&self.path, &self.data) {
            (Some(path), Some(data)) if code == ExitCode::SUCCESS => self.evaluate(&loader, path, data),
            _ => code,
        }
    }

    /// Measures the answers of the version on the rows of a table.
    fn evaluate(&self, loader: &Loader, path: &Path, data: &Path) -> ExitCode {
        let mut progress = Progress::on_terminal();
        let made = self.table.reading().map_err(|problem| print_problem(&problem)).and_then(|reading| {
            let options = EvaluateOptions { target: self.target.clone(), reading, skip_invalid: self.skip_invalid };
            let made = evaluate(loader, path, data, &options, &mut |rows| progress.show(ProgressEvent::Rows(rows)));
            progress.clear();
            made.map_err(|error| print_error(&error))
        });
        match made {
            Ok(made) => {
                let mut output = Terminal::standard();
                print_evaluation(&mut output, &made, data);
                let holds = made.is_calibrated() && made.is_covered();
                output.finish(if holds { ExitCode::SUCCESS } else { ExitCode::FAILURE })
            }
            Err(code) => code,
        }
    }
}

fn print_evaluation(output: &mut Terminal, made: &Evaluation, data: &Path) {
    let skipped = if made.skipped > 0 { format!(", {} left out", made.skipped) } else { String::new() };
    output.line(format_args!("\n{} rows of {}{skipped}", made.rows, data.display()));
    if let Some((ece, by_chance)) = &made.ece {
        let verdict = if made.is_calibrated() { "holds" } else { "does not hold" };
        output.line(format_args!(
            "uncertainty  {verdict}: its top-label ECE is {ece:.3}; that of a calibration from as many rows is {:.3} by \
             chance, and at most {:.3} in 99 of 100 cases",
            by_chance.mean, by_chance.limit
        ));
    }
    if let Some(found) = &made.coverage {
        let verdict = if made.is_covered() { "holds" } else { "does not hold" };
        let band = found.band.map_or_else(
            || "there is no bound, so every row is".to_owned(),
            |(low, high)| format!("in 99 of 100 cases it is {low:.3} to {high:.3}"),
        );
        let claimed = found.claimed.as_f64();
        output.line(format_args!(
            "coverage     {verdict}: {:.3} of the rows are covered at {claimed}; {band}",
            found.share
        ));
    }
}

fn check(settings: &Settings, loader: &Loader, names: &[String], strict: bool) -> ExitCode {
    let (mut ok, mut failed, mut warnings) = (0, 0, 0);
    let mut output = Terminal::standard();
    if !names.is_empty() {
        failed += 1;
        output.line(format_args!("failed  configuration"));
        for fault in names {
            output.line(format_args!("        {fault}"));
        }
    }
    let mut started = Instant::now();
    let checked = check_all(settings, loader, |name, result, findings| {
        match result {
            Ok(prepared) => {
                ok += 1;
                output.line(format_args!("ok      {name}  ({} ms)", started.elapsed().as_millis()));
                describe(&mut output, prepared);
            }
            Err(errors) => {
                failed += 1;
                output.line(format_args!("failed  {name}"));
                for error in errors {
                    output.line(format_args!("        {error}"));
                }
            }
        }
        for finding in findings {
            warnings += usize::from(finding.severity == Severity::Warning);
            output.line(format_args!("        {}: {}", finding.severity.as_str(), finding.detail));
        }
        started = Instant::now();
    });
    if let Err(error) = checked {
        return print_error(&error);
    }
    let warned = match warnings {
        0 => String::new(),
        1 => ", 1 warning".to_owned(),
        more => format!(", {more} warnings"),
    };
    output.line(format_args!("\n{ok} ok, {failed} failed{warned}"));
    let passed = failed == 0 && !(strict && warnings > 0);
    output.finish(if passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn describe(output: &mut Terminal, mut prepared: VerifiedVersion) {
    if let Some(calibrated) = &prepared.calibrated {
        let (of, calibrator) = (&calibrated.calibration, &calibrated.calibrator);
        let (method, rows, file) = (calibrator.method(), of.data.rows, &of.data.file);
        let at =
            calibrator.claimed_coverage().map_or_else(String::new, |level| format!(" at coverage {}", level.as_f64()));
        output.line(format_args!("        calibration.json: {method}{at}, from {rows} rows of {file}"));
    }
    if let Some(profile) = prepared.profile() {
        output.line(format_args!("        profile.json: from {} rows of {}", profile.rows, profile.source.file));
    }
    if let Some((differing, rows)) = prepared.label_mismatches().filter(|(differing, _)| *differing > 0) {
        output.line(format_args!(
            "        note: the graph's own label differs from the prediction on {differing} of {rows} golden cases"
        ));
    }
}
