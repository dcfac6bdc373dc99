//! The rows of a table that cannot be used, by the column that is to blame. All are counted, the first ones are named.

use std::collections::BTreeSet;

use super::error::AuthoringError;
use crate::{
    dataset::{RowLocation, Table},
    domain::{contract::AdmitError, violation::Violation},
};

/// The maximum number of rows named per column.
const MAX_NAMED: usize = 8;

/// The maximum number of columns that are listed.
const MAX_LISTED: usize = 20;

/// A cell that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InvalidCell {
    /// The column.
    pub column: String,
    /// What was found and what was expected.
    pub detail: String,
}

/// The cells that the contract rejects.
pub(super) fn refused_cells<E: std::fmt::Display>(error: &AdmitError<E>) -> Vec<InvalidCell> {
    let blamed = |violation: &Violation| {
        let column = violation.feature.clone().unwrap_or_else(|| violation.pointer.clone());
        InvalidCell { column, detail: format!("the contract rejects it: {}", violation.detail) }
    };
    match error {
        AdmitError::Violations(violations) => violations.first_n().iter().map(blamed).collect(),
        AdmitError::Malformed(error) => vec![InvalidCell { column: String::new(), detail: error.to_string() }],
    }
}

/// The rows that cannot be used.
#[derive(Default)]
pub(super) struct InvalidRows {
    rows: u64,
    columns: Vec<InvalidColumn>,
}

/// The rows that one column invalidates.
struct InvalidColumn {
    first: (RowLocation, InvalidCell),
    others: Vec<RowLocation>,
    count: usize,
}

impl InvalidRows {
    /// Adds a row with all its invalid cells.
    pub(super) fn add(&mut self, place: RowLocation, cells: Vec<InvalidCell>) {
        self.rows += 1;
        let mut seen = BTreeSet::new();
        for cell in cells {
            if !seen.insert(cell.column.clone()) {
                continue;
            }
            match self.columns.iter_mut().find(|column| column.first.1.column == cell.column) {
                Some(column) => {
                    column.count += 1;
                    if column.others.len() < MAX_NAMED {
                        column.others.push(place);
                    }
                }
                None => {
                    self.columns.push(InvalidColumn { first: (place, cell), others: Vec::new(), count: 1 });
                }
            }
        }
    }

    /// The number of rows.
    pub(super) fn count(&self) -> u64 {
        self.rows
    }

    /// The columns and the number of rows that each invalidates, in words; for rows that were left out.
    pub(super) fn summary(&self) -> String {
        let column = |column: &InvalidColumn| format!("{:?} in {}", column.first.1.column, column.count);
        self.columns.iter().take(MAX_LISTED).map(column).collect::<Vec<_>>().join(", ")
    }

    /// Returns one line per column: its first row, and the others.
    pub(super) fn problems(&self, table: &Table) -> Vec<String> {
        let line = |column: &InvalidColumn| {
            let (place, cell) = &column.first;
            let others: Vec<String> = column.others.iter().map(ToString::to_string).collect();
            let cut = if column.count - 1 > others.len() { ", …" } else { "" };
            let others = match column.count - 1 {
                0 => String::new(),
                1 => format!(" (and in 1 more row: {})", others.join(", ")),
                count => format!(" (and in {count} more rows: {}{cut})", others.join(", ")),
            };
            table.row_error(*place, format!("{}{others}", cell.detail)).to_string()
        };
        let mut lines: Vec<String> = self.columns.iter().take(MAX_LISTED).map(line).collect();
        if self.columns.len() > MAX_LISTED {
            let more = self.columns.len() - MAX_LISTED;
            lines.push(table.table_error(format!("there are invalid values in {more} more columns")).to_string());
        }
        lines
    }

    /// Returns an error if there are any.
    pub(super) fn into_result(self, table: &Table) -> Result<(), AuthoringError> {
        if self.rows == 0 {
            return Ok(());
        }
        Err(AuthoringError::NeedsDecision(self.problems(table).join("\n")))
    }
}
