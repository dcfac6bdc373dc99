//! `candor config`: every key, its value, and where the value came from.

use std::process::ExitCode;

use clap::Args;

use super::Common;

/// Show the configuration in force, and where each value came from.
#[derive(Debug, Args)]
pub(super) struct Show {
    #[command(flatten)]
    common: Common,
}

impl Show {
    pub(super) fn run(self) -> ExitCode {
        let loaded = match self.common.load(Vec::new()) {
            Ok(loaded) => loaded,
            Err(code) => return code,
        };
        let rows: Vec<(String, String)> =
            loaded.settings.iter().map(|setting| (setting.key.clone(), setting.value.to_string())).collect();
        let widest =
            |column: fn(&(String, String)) -> &String| rows.iter().map(|row| column(row).len()).max().unwrap_or(0);
        let (key_width, value_width) = (widest(|row| &row.0), widest(|row| &row.1));
        for ((key, value), setting) in rows.iter().zip(&loaded.settings) {
            println!("{key:<key_width$} = {value:<value_width$}  # {}", setting.source);
        }
        ExitCode::SUCCESS
    }
}
