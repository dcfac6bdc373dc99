//! `candor check`: loads and proves every version as `serve` would, tells everything that is wrong, and judges the rest.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::Args;

use super::{Common, silence_onnxruntime};
use crate::{
    domain::judgement::Weight,
    repository::{Loader, Prepared, Settings, judge_all},
    runtime::Library,
};

/// Load every model as `serve` would, tell everything that it would refuse, and judge what it would serve.
///
/// Refusals make the exit code 1. A warning says that an answer would promise more than the files bear out (a calibration
/// of too few rows, or made from the training data); a note is good to know.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// A directory of models, of one model, or of one version, or one ONNX file [default: `repository.models`].
    #[arg(value_name = "MODELS")]
    path: Option<PathBuf>,
    /// Warnings make the exit code 1 too.
    #[arg(long)]
    strict: bool,
    #[command(flatten)]
    common: Common,
}

impl Check {
    pub(super) fn run(self) -> ExitCode {
        let flags = self.path.map(|path| ("repository.models".to_owned(), path.display().to_string()));
        let loaded = self.common.load(flags.into_iter().collect());
        let config = match loaded.and_then(|loaded| silence_onnxruntime().map(|()| loaded.config)) {
            Ok(config) => config,
            Err(code) => return code,
        };
        let library = match Library::load(&config.runtime.library) {
            Ok(library) => library,
            Err(error) => {
                eprintln!("candor: {error}");
                return ExitCode::FAILURE;
            }
        };
        let settings = &config.repository;
        let loads = Loader::new(library, config.runtime.clone())
            .with_coverage(settings.coverage)
            .with_time_limit(settings.load_timeout());
        check(settings, &loads, self.strict)
    }
}

fn check(settings: &Settings, loader: &Loader, strict: bool) -> ExitCode {
    let (mut good, mut bad, mut warnings) = (0, 0, 0);
    let mut started = Instant::now();
    let checked = judge_all(settings, loader, |name, result, findings| {
        match result {
            Ok(prepared) => {
                good += 1;
                println!("ok      {name}  ({} ms)", started.elapsed().as_millis());
                describe(prepared);
            }
            Err(errors) => {
                bad += 1;
                println!("REFUSED {name}");
                for error in errors {
                    println!("        {error}");
                }
            }
        }
        for finding in findings {
            warnings += usize::from(finding.weight == Weight::Warning);
            println!("        {}: {}", finding.weight.as_str(), finding.detail);
        }
        started = Instant::now();
    });
    if let Err(error) = checked {
        eprintln!("candor: {error}");
        return ExitCode::FAILURE;
    }
    let told = match warnings {
        0 => String::new(),
        1 => ", 1 warning".to_owned(),
        more => format!(", {more} warnings"),
    };
    println!("\n{good} good, {bad} refused{told}");
    if bad == 0 && !(strict && warnings > 0) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn describe(mut prepared: Prepared) {
    if let Some(calibrated) = &prepared.calibrated {
        let (of, calibrator) = (&calibrated.calibration, &calibrated.calibrator);
        let (method, rows, file) = (calibrator.method(), of.data.rows, &of.data.file);
        let at = calibrator.claimed().map_or_else(String::new, |level| format!(" at {}", level.as_f64()));
        println!("        calibration.json: {method}{at}, {rows} rows of {file}");
    }
    if let Some(profile) = prepared.profile() {
        println!("        profile.json: {} rows of {}", profile.rows, profile.source.file);
    }
    if let Some((differing, rows)) = prepared.label_differences().filter(|(differing, _)| *differing > 0) {
        println!(
            "        note: the graph's own label differs from the prediction on {differing} of {rows} golden cases"
        );
    }
}
