//! Infers the type, range and distinct values of each column in one pass over the table.

use std::collections::BTreeSet;

use super::{
    cell::{Cell, ParsedText},
    error::{RowLocation, TableError},
    table::Table,
};
use crate::domain::{json::JsonValue, number::Number};

/// The maximum number of distinct values that are kept per column.
pub const MAX_DISTINCT_VALUES: usize = 100;

/// The common type of all values of a column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnKind {
    /// The column has no values.
    Empty,
    /// Integers: numbers written without a decimal point or exponent.
    Integer,
    /// Numbers.
    Number,
    /// Booleans.
    Boolean,
    /// Texts, or a mixture of types.
    Text,
    /// Arrays.
    List,
    /// The column has at least one value that no request can hold.
    Foreign,
}

impl ColumnKind {
    /// Describes the kind for messages.
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
    /// Whether it is an index that pandas wrote, which is a feature only if the operator names it.
    pub is_index: bool,
    /// The common type of its values.
    pub kind: ColumnKind,
    /// Rows without a value.
    pub missing: u64,
    /// The minimum and maximum of its numbers.
    pub range: Option<(Number, Number)>,
    /// The distinct values as text; `None` above [`MAX_DISTINCT_VALUES`], or if the column holds a text longer than 256
    /// bytes, an array or an unsupported value.
    pub values: Option<BTreeSet<String>>,
    /// The row and text of the first value that is not a number.
    pub odd: Option<(RowLocation, String)>,
    /// Whether all numbers are whole, regardless of how they are written.
    pub whole: bool,
}

/// The inferred columns of a table.
#[derive(Debug, Clone)]
pub struct ColumnInference {
    /// The number of rows.
    pub rows: u64,
    /// The columns, in table order.
    pub columns: Vec<Column>,
}

/// Infers all columns in one pass over the table.
///
/// # Errors
/// Returns [`TableError`] if a row cannot be read or the table has no rows.
pub fn describe(table: &Table) -> Result<ColumnInference, TableError> {
    let mut columns: Vec<Column> =
        table.columns().iter().enumerate().map(|(index, name)| Column::new(name, table.is_index(index))).collect();
    let mut rows = 0;
    for row in table.rows()? {
        let row = row?;
        rows += 1;
        for (column, cell) in columns.iter_mut().zip(&row.cells) {
            column.add(cell, row.place);
        }
    }
    if rows == 0 {
        return Err(table.table_error("has columns but no rows".to_owned()));
    }
    Ok(ColumnInference { rows, columns })
}

impl Column {
    fn new(name: &str, is_index: bool) -> Self {
        Self {
            name: name.to_owned(),
            is_index,
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
                // Longer texts are not categories.
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
    /// Returns the kind of a column that holds values of both kinds.
    fn with(self, other: Self) -> Self {
        match (self, other) {
            (left, right) if left == right => left,
            (Self::Empty, kind) | (kind, Self::Empty) => kind,
            // In a text column, `inf` is text.
            (Self::Foreign, Self::Text) | (Self::Text, Self::Foreign) => Self::Text,
            (Self::Foreign, _) | (_, Self::Foreign) => Self::Foreign,
            (Self::Integer, Self::Number) | (Self::Number, Self::Integer) => Self::Number,
            _ => Self::Text,
        }
    }
}
