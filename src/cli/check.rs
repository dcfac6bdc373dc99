//! `candor check`: loads and proves every version as `serve` would, and tells everything that is wrong.

use std::{path::PathBuf, process::ExitCode, time::Instant};

use clap::Args;

use super::{Common, silence_onnxruntime};
use crate::{
    repository::{Loader, Prepared, Settings, prepare_all},
    runtime::Library,
};

/// Load every model as `serve` would, and tell everything that it would refuse.
#[derive(Debug, Args)]
pub(super) struct Check {
    /// A directory of models, the directory of one version, or one ONNX file [default: `repository.models`].
    #[arg(value_name = "MODELS")]
    path: Option<PathBuf>,
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
        let at = config.repository.coverage;
        check(&config.repository, &Loader::new(library, config.runtime.clone()).with_coverage(at))
    }
}

fn check(settings: &Settings, loader: &Loader) -> ExitCode {
    let (mut good, mut bad) = (0, 0);
    let mut started = Instant::now();
    let checked = prepare_all(settings, loader, |name, result| {
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
        started = Instant::now();
    });
    if let Err(error) = checked {
        eprintln!("candor: {error}");
        return ExitCode::FAILURE;
    }
    println!("\n{good} good, {bad} refused");
    if bad == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn describe(mut prepared: Prepared) {
    let labels = prepared.label_differences();
    if let Some(profile) = prepared.profile() {
        println!("        profile.json: {} rows of {}", profile.rows, profile.source.file);
    }
    for note in &prepared.notes {
        println!("        note: {note}");
    }
    if let Some((differing, rows)) = labels.filter(|(differing, _)| *differing > 0) {
        println!(
            "        note: the graph's own label differs from the prediction on {differing} of {rows} golden cases"
        );
    }
}
