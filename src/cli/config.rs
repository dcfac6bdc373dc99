//! `candor config`: prints every key, its value, and the source of the value.

use std::process::ExitCode;

use clap::Args;

use super::output::Terminal;
use crate::cli::config_args::{ConfigArgs, warn};

/// Show the effective configuration and the source of each value.
#[derive(Debug, Args)]
pub(super) struct ConfigCommand {
    #[command(flatten)]
    common: ConfigArgs,
}

impl ConfigCommand {
    pub(super) fn run(self) -> ExitCode {
        let loaded = match self.common.load(Vec::new()) {
            Ok(loaded) => loaded,
            Err(code) => return code,
        };
        warn(&loaded.warnings);
        let rows: Vec<(String, String)> =
            loaded.settings.iter().map(|setting| (setting.key.clone(), setting.value.to_string())).collect();
        let widest =
            |column: fn(&(String, String)) -> &String| rows.iter().map(|row| column(row).len()).max().unwrap_or(0);
        let (key_width, value_width) = (widest(|row| &row.0), widest(|row| &row.1));
        let mut output = Terminal::standard();
        for ((key, value), setting) in rows.iter().zip(&loaded.settings) {
            output.line(format_args!("{key:<key_width$} = {value:<value_width$}  # {}", setting.source));
        }
        output.finish(ExitCode::SUCCESS)
    }
}
