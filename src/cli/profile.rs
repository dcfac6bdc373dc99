//! `candor profile`: rebuilds profile.json of a version that has a contract, from a table.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::output::Terminal;
use crate::{
    authoring::rebuild_profile,
    cli::{
        config_args::{ConfigArgs, loader},
        errors::{exists, print_error, print_problem},
        table_args::{TableArgs, print_features, table_help},
    },
};

/// Rebuild profile.json of a version from a table and the version's own contract.
///
/// Each feature is read from the column of the same name; other columns are ignored.
#[derive(Debug, Args)]
pub(super) struct ProfileCommand {
    /// Directory of the version, such as `models/churn/1`.
    #[arg(value_name = "VERSION")]
    version: PathBuf,
    #[arg(long, value_name = "FILE", help = table_help("Table that the model was trained on"))]
    data: PathBuf,
    #[command(flatten)]
    table: TableArgs,
    #[command(flatten)]
    common: ConfigArgs,
}

impl ProfileCommand {
    pub(super) fn run(self) -> ExitCode {
        let made = loader(&self.common).and_then(|loader| {
            exists(&self.version)?;
            let reading = self.table.reading().map_err(|problem| print_problem(&problem))?;
            rebuild_profile(&loader, &self.version, &self.data, &reading).map_err(|error| print_error(&error))
        });
        let made = match made {
            Ok(made) => made,
            Err(code) => return code,
        };
        let mut output = Terminal::standard();
        print_features(&mut output, &made.profile);
        for note in &made.notes {
            output.line(format_args!("check   {note}"));
        }
        output.line(format_args!("wrote   {} ({} rows)", made.path.display(), made.profile.rows));
        output.finish(ExitCode::SUCCESS)
    }
}
