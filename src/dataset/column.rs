//! What each column of a table holds: its type, its range, its values, found in one pass.

use std::collections::BTreeSet;

use super::{
    cell::{Cell, ParsedText},
    error::{RowLocation, TableError},
    table::Table,
};
use crate::domain::{contract::JsonValue, number::Number};

/// Different values that are kept of a column, so that they can be listed.
pub const MAX_DISTINCT_VALUES: usize = 100;

/// What the values of a column are, all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// There is no value.
    Empty,
    /// Whole numbers, written as such.
    Integer,
    /// Numbers.
    Number,
    /// Booleans.
    Boolean,
    /// Texts, or a mixture.
    Text,
    /// Arrays.
    List,
    /// At least one value that no request could hold.
    Foreign,
}

impl ColumnKind {
    /// The kind in words.
    pub fn describe(self) -> &'static str {
        match self {
            Self::Empty => "no value",
            Self::Integer => "whole numbers",
            Self::Number => "numbers",
            Self::Boolean => "booleans",
            Self::Text => "texts",
            Self::List => "arrays",
            Self::Foreign => "values that no request can hold",
        }
    }
}

/// One column.
#[derive(Debug, Clone)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// What its values are.
    pub kind: ColumnKind,
    /// Rows without a value.
    pub missing: u64,
    /// The least and the greatest number.
    pub range: Option<(Number, Number)>,
    /// The different values as texts, where there are no more than [`MAX_DISTINCT_VALUES`]; none of arrays.
    pub values: Option<BTreeSet<String>>,
    /// The first value that keeps the column from being numbers: where it stands, and the value.
    pub odd: Option<(RowLocation, String)>,
    /// Whether all are whole, however they are written.
    pub whole: bool,
}

/// The columns of a table.
#[derive(Debug, Clone)]
pub struct ColumnInference {
    /// How many rows the table has.
    pub rows: u64,
    /// The columns, in their order.
    pub columns: Vec<Column>,
}

/// Reads the whole table once.
///
/// # Errors
/// [`TableError`] where a row cannot be read, or there is none.
pub fn describe(table: &Table) -> Result<ColumnInference, TableError> {
    let mut columns: Vec<Column> = table.columns().iter().map(|name| Column::new(name)).collect();
    let mut rows = 0;
    for row in table.rows()? {
        let row = row?;
        rows += 1;
        for (column, cell) in columns.iter_mut().zip(&row.cells) {
            column.add(cell, row.place);
        }
    }
    if rows == 0 {
        return Err(table.table_error("has columns and no rows".to_owned()));
    }
    Ok(ColumnInference { rows, columns })
}

impl Column {
    fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: ColumnKind::Empty,
            missing: 0,
            range: None,
            values: Some(BTreeSet::new()),
            odd: None,
            whole: true,
        }
    }

    fn add(&mut self, cell: &Cell, place: RowLocation) {
        let (kind, number) = match cell {
            Cell::Missing => {
                self.missing += 1;
                return;
            }
            Cell::Unsupported(_) => (ColumnKind::Foreign, None),
            Cell::Untyped(text) => match ParsedText::read(text) {
                ParsedText::Integer(number) => (ColumnKind::Integer, Some(number)),
                ParsedText::Number(number) => (ColumnKind::Number, Some(number)),
                ParsedText::Boolean(_) => (ColumnKind::Boolean, None),
                ParsedText::Infinite => (ColumnKind::Foreign, None),
                ParsedText::Text => (ColumnKind::Text, None),
            },
            Cell::Value(JsonValue::Number(number @ Number::Float(_))) => (ColumnKind::Number, Some(*number)),
            Cell::Value(JsonValue::Number(number)) => (ColumnKind::Integer, Some(*number)),
            Cell::Value(JsonValue::Bool(_)) => (ColumnKind::Boolean, None),
            Cell::Value(JsonValue::List(_)) => (ColumnKind::List, None),
            Cell::Value(_) => (ColumnKind::Text, None),
        };
        if number.is_none() && self.odd.is_none() {
            self.odd = Some((place, cell.text()));
        }
        if let Some(number) = number {
            self.whole &= number.is_whole();
            let (low, high) = self.range.unwrap_or((number, number));
            self.range = Some((
                if number.compare(low).is_lt() { number } else { low },
                if number.compare(high).is_gt() { number } else { high },
            ));
        }
        self.kind = self.kind.with(kind);
        self.record_value(cell);
    }

    fn record_value(&mut self, cell: &Cell) {
        let Some(values) = &mut self.values else { return };
        match cell {
            Cell::Value(JsonValue::List(_)) | Cell::Unsupported(_) => self.values = None,
            cell => {
                let text = full_text(cell);
                // A longer text is no category.
                if text.len() > 256 || (values.len() >= MAX_DISTINCT_VALUES && !values.contains(&text)) {
                    self.values = None;
                } else if !values.contains(&text) {
                    values.insert(text);
                }
            }
        }
    }
}

fn full_text(cell: &Cell) -> String {
    match cell {
        Cell::Untyped(text) => text.clone(),
        Cell::Value(value) => value.to_string(),
        _ => String::new(),
    }
}

impl ColumnKind {
    /// The kind of a column that holds both.
    fn with(self, other: Self) -> Self {
        match (self, other) {
            (left, right) if left == right => left,
            (Self::Empty, kind) | (kind, Self::Empty) => kind,
            // `inf` among texts is a text.
            (Self::Foreign, Self::Text) | (Self::Text, Self::Foreign) => Self::Text,
            (Self::Foreign, _) | (_, Self::Foreign) => Self::Foreign,
            (Self::Integer, Self::Number) | (Self::Number, Self::Integer) => Self::Number,
            _ => Self::Text,
        }
    }
}
