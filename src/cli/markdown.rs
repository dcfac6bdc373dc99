//! Generates docs/cli.md from the command definitions.

use std::fmt::Write as _;

use clap::CommandFactory as _;

use super::Cli;

/// Returns the help of every command as Markdown.
pub fn markdown_reference() -> String {
    let mut text = String::from("# Commands\n\nGenerated from the program; `make docs` regenerates it.\n");
    let mut command = Cli::command().term_width(100);
    command.build();
    let _ = write!(text, "\n```text\n{}```\n", command.render_long_help());
    for subcommand in command.get_subcommands_mut().filter(|subcommand| subcommand.get_name() != "help") {
        let _ = write!(
            text,
            "\n## candor {}\n\n```text\n{}```\n",
            subcommand.get_name().to_owned(),
            subcommand.render_long_help()
        );
    }
    text
}
