//! The flags of the commands that read a table, and the table of its features.

use clap::Args;

use super::output::Terminal;
use crate::{
    dataset::{ReadOptions, TABLE_EXTENSIONS},
    domain::{
        json::JsonValue,
        profile::{FeatureProfile, Profile},
    },
};

/// A flag cannot be used: what was found and what is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(pub(super) String);

impl From<String> for UsageError {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// The help text of `--data`: what the table is, and the file extensions that are read.
pub(super) fn table_help(what: &str) -> String {
    format!("{what}: {TABLE_EXTENSIONS}")
}

/// Options for reading a CSV file.
#[derive(Debug, Args)]
pub(super) struct TableArgs {
    /// Field separator of a CSV file: one character, or `tab` [default: a comma; a tab in .tsv].
    #[arg(long, value_name = "CHARACTER")]
    separator: Option<String>,
    /// Texts that mean a missing value in a CSV file, in addition to an empty field [default: NA, N/A, NaN, null, None
    /// and similar].
    #[arg(long, value_name = "TEXT,…", value_delimiter = ',')]
    na_values: Vec<String>,
}

impl TableArgs {
    pub(super) fn reading(&self) -> Result<ReadOptions, UsageError> {
        let separator = match self.separator.as_deref() {
            None => None,
            Some("tab" | "\\t") => Some(b'\t'),
            Some(text) => match text.as_bytes() {
                [byte] if !matches!(byte, b'"' | b'\n' | b'\r') => Some(*byte),
                _ => return Err(format!("--separator expects one ASCII character or \"tab\", found {text:?}").into()),
            },
        };
        Ok(ReadOptions { separator, missing: self.na_values.clone() })
    }
}

/// Prints the features of a profile as a table.
pub(super) fn print_features(output: &mut Terminal, profile: &Profile) {
    let mut rows = vec![["feature", "values", "missing", "what they are"].map(str::to_owned)];
    rows.extend(profile.features.iter().map(|(name, feature)| {
        let missing = if feature.missing() > 0.0 { format!("{:.1} %", feature.missing() * 100.0) } else { "-".into() };
        [name.clone(), feature.count().to_string(), missing, describe(feature)]
    }));
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    for [name, values, missing, what] in &rows {
        output.line(format_args!("{name:<0$}  {values:>1$}  {missing:>2$}  {what}", widths[0], widths[1], widths[2]));
    }
}

fn describe(feature: &FeatureProfile) -> String {
    const SHOWN: usize = 4;
    match feature {
        FeatureProfile::Number(found) => {
            let kind = if found.whole { "whole numbers" } else { "numbers" };
            format!("{kind} from {} to {}, median {}", found.minimum, found.maximum, found.median)
        }
        FeatureProfile::Category(found) => {
            let share = |(value, share): &(JsonValue, f64)| format!("{value} {:.0} %", share * 100.0);
            let mut shown: Vec<String> = found.categories.iter().take(SHOWN).map(share).collect();
            let more = found.categories.len().saturating_sub(SHOWN);
            if more > 0 || found.other > 0.0 {
                shown.push("…".to_owned());
            }
            format!("one of {}: {}", found.categories.len(), shown.join(", "))
        }
        FeatureProfile::Opaque(found) if found.count == 0 => "no value".to_owned(),
        FeatureProfile::Opaque(_) => "arrays".to_owned(),
    }
}
