//! `candor compare`: what a reviewer wants to know of a new version, and whether it keeps the limits of `[gate]`.

mod report;

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::{output::Terminal, progress::Progress};
use crate::{
    authoring::{CompareOptions, CompareReport, ProgressEvent, compare},
    cli::{
        config_args::{ConfigArgs, loader},
        errors::{exists, print_error, print_problem},
        table_args::{TableArgs, table_help},
    },
};

/// Compare a new version of a model with the one it replaces: contracts, predictions, uncertainty, quality, cost.
///
/// Both versions answer the same rows, as the server would. Without `--data` these are the golden cases of both packages
/// and the background rows of their profiles, which are few and chosen. The limits are those of `[gate]` in model.toml;
/// the exit code is 1 if the new version does not keep them, and each limit is named. The values of features marked
/// `x-sensitive` are not shown with rows.
#[derive(Debug, Args)]
pub(in crate::cli) struct Compare {
    /// Directory of the version in use, such as `models/churn/1`.
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// Directory of the version that would replace it, such as `models/churn/2`.
    #[arg(value_name = "NEW")]
    new: PathBuf,
    #[arg(long, value_name = "FILE", help = table_help("Table of rows to compare on"))]
    data: Option<PathBuf>,
    /// Column of the table with the true outcomes: accuracy or error, and coverage, are measured where it has a value.
    #[arg(long, value_name = "COLUMN", requires = "data")]
    target: Option<String>,
    /// Feature whose values are compared one by one; a number is cut at the quartiles of the training data. May be
    /// repeated [default: the features that the calibrations are grouped by].
    #[arg(long, value_name = "FEATURE")]
    slice: Vec<String>,
    /// Print everything as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    common: ConfigArgs,
}

impl Compare {
    pub(super) fn run(self) -> ExitCode {
        let made = loader(&self.common).and_then(|loader| {
            exists(&self.old)?;
            exists(&self.new)?;
            let reading = self.table.reading().map_err(|problem| print_problem(&problem))?;
            let options = CompareOptions {
                data: self.data.clone(),
                target: self.target.clone(),
                slices: self.slice.clone(),
                reading,
            };
            let mut progress = Progress::on_terminal();
            let made = compare(&loader, (&self.old, &self.new), &options, &mut |rows| {
                progress.show(ProgressEvent::Rows(rows));
            });
            progress.clear();
            made.map_err(|error| print_error(&error))
        });
        match made {
            Ok(made) => self.print(&made),
            Err(code) => code,
        }
    }

    fn print(&self, made: &CompareReport) -> ExitCode {
        let text = if self.json {
            match serde_json::to_string_pretty(made) {
                Ok(text) => text + "\n",
                Err(error) => return print_error(&error),
            }
        } else {
            report::text(made)
        };
        let mut output = Terminal::standard();
        output.bytes(text.as_bytes());
        output.finish(if made.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}
