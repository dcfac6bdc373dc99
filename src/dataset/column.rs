//! What each column of a table holds: its type, its range, its values, found in one pass.

use std::collections::BTreeSet;

use super::{
    cell::{Cell, Written},
    error::{Place, TableError},
    table::Table,
};
use crate::domain::{contract::Literal, number::Number};

/// Different values that are kept of a column, so that they can be listed.
pub const MOST_VALUES: usize = 100;

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
    /// The different values as texts, where there are no more than [`MOST_VALUES`]; none of arrays.
    pub values: Option<BTreeSet<String>>,
    /// The first value that keeps the column from being numbers: where it stands, and the value.
    pub odd: Option<(Place, String)>,
    /// Whether all are whole, however they are written.
    pub whole: bool,
}

/// The columns of a table.
#[derive(Debug, Clone)]
pub struct Columns {
    /// How many rows the table has.
    pub rows: u64,
    /// The columns, in their order.
    pub columns: Vec<Column>,
}

/// Reads the whole table once.
///
/// # Errors
/// [`TableError`] where a row cannot be read, or there is none.
pub fn describe(table: &Table) -> Result<Columns, TableError> {
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
        return Err(table.unfit("has columns and no rows".to_owned()));
    }
    Ok(Columns { rows, columns })
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

    fn add(&mut self, cell: &Cell, place: Place) {
        let (kind, number) = match cell {
            Cell::Missing => {
                self.missing += 1;
                return;
            }
            Cell::Foreign(_) => (ColumnKind::Foreign, None),
            Cell::Written(text) => match Written::read(text) {
                Written::Integer(number) => (ColumnKind::Integer, Some(number)),
                Written::Number(number) => (ColumnKind::Number, Some(number)),
                Written::Boolean(_) => (ColumnKind::Boolean, None),
                Written::Infinite => (ColumnKind::Foreign, None),
                Written::Text => (ColumnKind::Text, None),
            },
            Cell::Value(Literal::Number(number @ Number::Float(_))) => (ColumnKind::Number, Some(*number)),
            Cell::Value(Literal::Number(number)) => (ColumnKind::Integer, Some(*number)),
            Cell::Value(Literal::Bool(_)) => (ColumnKind::Boolean, None),
            Cell::Value(Literal::List(_)) => (ColumnKind::List, None),
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
        self.keep(cell);
    }

    fn keep(&mut self, cell: &Cell) {
        let Some(values) = &mut self.values else { return };
        match cell {
            Cell::Value(Literal::List(_)) | Cell::Foreign(_) => self.values = None,
            cell => {
                let text = full_text(cell);
                // A longer text is no category.
                if text.len() > 256 || (values.len() >= MOST_VALUES && !values.contains(&text)) {
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
        Cell::Written(text) => text.clone(),
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
