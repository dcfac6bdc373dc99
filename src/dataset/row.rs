//! A row of a table, and how it is read.

use super::{
    cell::Cell,
    error::{RowLocation, TableError},
};

/// The default spellings of a missing value in CSV: those that pandas reads and R writes.
const MISSING: &[&str] = &["", "NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "-nan", "NULL", "null", "None"];

/// Options for reading a table.
#[derive(Debug, Clone, Default)]
pub struct ReadOptions {
    /// The field separator; by default a comma, or a tab for .tsv.
    pub separator: Option<u8>,
    /// The spellings of a missing value in CSV, in addition to the empty field; if empty, the usual spellings are used.
    pub missing: Vec<String>,
}

impl ReadOptions {
    pub(super) fn is_missing(&self, text: &str) -> bool {
        let text = text.trim();
        if self.missing.is_empty() {
            MISSING.contains(&text)
        } else {
            text.is_empty() || self.missing.iter().any(|word| word == text)
        }
    }
}

/// One row.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// Its location in the file.
    pub place: RowLocation,
    /// One cell per column.
    pub cells: Vec<Cell>,
}

/// An iterator over the rows of one pass in file order; it ends after the first error.
pub type Rows = Box<dyn Iterator<Item = Result<Row, TableError>>>;
