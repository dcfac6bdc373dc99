//! Generates docs/configuration.md from the shipped file.

use std::fmt::Write as _;

use super::key::keys;

/// The configuration reference in Markdown.
pub fn markdown_reference() -> String {
    let mut text = String::from(
        "# Configuration\n\nGenerated from `config/candor.toml`; `make docs` writes it anew. Defaults, then the file, then \
         variables, then flags:\neach wins over those before. `candor config` shows what is in force and where each value \
         came from.\nOn the command line any key can be set with `--set key=value`. A variable has two underscores after each section; one\nthat begins with `CANDOR_` and has none sets nothing, and is a warning.\n\n\
         | key | default | variable | what it does |\n|---|---|---|---|\n",
    );
    for key in keys() {
        let _ = writeln!(text, "| `{}` | `{}` | `{}` | {} |", key.name, key.default, key.variable(), key.help);
    }
    text
}
