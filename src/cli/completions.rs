//! `candor completions` and `candor man`: shell completions and manual pages, generated from the command definitions.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::{Args, Command};
use clap_complete::Shell;

use super::output::Terminal;
use crate::cli::errors::{print_error, print_problem};

/// Print the completion script of a shell.
///
/// bash: `candor completions bash > ~/.local/share/bash-completion/completions/candor`; zsh: a file `_candor` in a
/// directory of `$fpath`; fish: `~/.config/fish/completions/candor.fish`.
#[derive(Debug, Args)]
pub(super) struct Completions {
    /// Shell to complete for.
    #[arg(value_name = "SHELL")]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(&self, mut cli: Command) -> ExitCode {
        let mut script = Vec::new();
        clap_complete::generate(self.shell, &mut cli, "candor", &mut script);
        let mut output = Terminal::standard();
        output.bytes(&script);
        output.finish(ExitCode::SUCCESS)
    }
}

/// Print the manual page, or write one page per command to a directory.
#[derive(Debug, Args)]
pub(super) struct Man {
    /// Directory for candor.1, candor-serve.1 and the other pages, such as /usr/local/share/man/man1.
    #[arg(long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
}

impl Man {
    pub(super) fn run(&self, cli: Command) -> ExitCode {
        let root = documented(cli);
        let mut output = Terminal::standard();
        let Some(directory) = &self.out else {
            return match page(&root, "candor") {
                Ok(page) => {
                    output.bytes(&page);
                    output.finish(ExitCode::SUCCESS)
                }
                Err(error) => print_error(&error),
            };
        };
        let written = fs::create_dir_all(directory).and_then(|()| pages(&root, directory));
        match written {
            Ok(pages) => {
                output.line(format_args!("wrote   {}: {pages} pages", directory.display()));
                output.finish(ExitCode::SUCCESS)
            }
            Err(error) => print_problem(&format_args!("{}: cannot be written: {error}", directory.display())),
        }
    }
}

/// Writes the page of each command; returns the number of pages.
fn pages(root: &Command, directory: &Path) -> io::Result<usize> {
    let commands = std::iter::once(root).chain(root.get_subcommands());
    let mut written = 0;
    for command in commands {
        let name = match command.get_name() {
            "candor" => "candor".to_owned(),
            command => format!("candor-{command}"),
        };
        fs::write(directory.join(format!("{name}.1")), page(command, &name)?)?;
        written += 1;
    }
    Ok(written)
}

/// Returns all commands but `help`, which the pages replace.
fn documented(cli: Command) -> Command {
    let mut root = cli.disable_help_subcommand(true);
    root.build();
    root
}

fn page(command: &Command, title: &str) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).title(title).render(&mut page)?;
    Ok(page)
}
