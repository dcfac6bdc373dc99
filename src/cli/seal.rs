//! `candor seal`: reviews and accepts the edited files of a version.

use std::{path::PathBuf, process::ExitCode};

use clap::Args;

use super::output::Terminal;
use crate::{
    authoring::{SealOptions, SealReport, seal},
    cli::{
        config_args::{ConfigArgs, loader},
        errors::{exists, print_error},
    },
};

/// Review the edited files of a version, run its golden cases, and renew the digests in version.json.
///
/// version.json lists the digests of the files, and a version whose files differ from them is rejected. After an
/// intended edit, such as adding a `minimum` to contract.json, this command shows what changed, loads the version the way
/// `serve` would load it, and accepts the change. Another model.onnx is not accepted: it is another version.
#[derive(Debug, Args)]
pub(super) struct Seal {
    /// Directory of the version, such as `models/churn/1`, or of a model that has a single version.
    #[arg(value_name = "VERSION")]
    version: PathBuf,
    /// Record golden.jsonl again from the predictions of the model, if the edit changes what they should be (such as the
    /// name of a class).
    #[arg(long)]
    record_golden: bool,
    /// Show the changes without accepting them.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    common: ConfigArgs,
}

impl Seal {
    pub(super) fn run(self) -> ExitCode {
        let options = SealOptions { record_golden: self.record_golden, dry_run: self.dry_run };
        let made = loader(&self.common).and_then(|loader| {
            exists(&self.version)?;
            seal(&loader, &self.version, options).map_err(|error| print_error(&error))
        });
        match made {
            Ok(made) => {
                let mut output = Terminal::standard();
                print(&mut output, &made, options);
                output.finish(ExitCode::SUCCESS)
            }
            Err(code) => code,
        }
    }
}

fn print(output: &mut Terminal, made: &SealReport, options: SealOptions) {
    let directory = made.directory.display();
    for change in &made.changes {
        output.line(format_args!("{:<8}{}", change.kind, change.name));
        for line in &change.lines {
            output.line(format_args!("        {line}"));
        }
    }
    let verb = if options.record_golden { "recorded" } else { "reproduced" };
    let loads = if made.stale.is_empty() { "as `candor serve` would" } else { "once the stale files are made again" };
    output.line(format_args!("loads   {loads}; {} golden cases {verb}", made.golden));
    for stale in &made.stale {
        output.line(format_args!("stale   {stale}"));
    }
    if !made.written.is_empty() {
        let names: Vec<_> =
            made.written.iter().map(|path| path.file_name().unwrap_or_default().to_string_lossy()).collect();
        output.line(format_args!("wrote   {directory}: {}", names.join(", ")));
    } else if options.dry_run {
        output.line(format_args!("wrote   nothing: this was a dry run"));
    } else {
        output.line(format_args!("wrote   nothing: no file differs from its digest"));
    }
}
