//! Generates docs/configuration.md from the shipped file.

use std::fmt::Write as _;

use super::key::keys;

/// The configuration reference in Markdown.
pub fn markdown_reference() -> String {
    let mut text = String::from(
        "# Configuration\n\n\
         Generated from `config/candor.toml` by `make docs`. Settings come from the defaults, the file, the\n\
         environment variables and the flags; each overrides those before it. `candor config` prints the effective\n\
         settings and their sources. On the command line, `--set key=value` sets any key. An environment variable has\n\
         two underscores after each section; a variable that begins with `CANDOR_` but has none is ignored, with a\n\
         warning.\n\n\
         | key | default | variable | description |\n|---|---|---|---|\n",
    );
    for key in keys() {
        let _ = writeln!(text, "| `{}` | `{}` | `{}` | {} |", key.name, key.default, key.variable(), key.help);
    }
    text
}
