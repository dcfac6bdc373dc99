//! Converts the rows of a table to instances of a contract: one value per feature, in the contract's order, and the
//! target cell.

use super::invalid_rows::InvalidCell;
use crate::{
    authoring::error::DecisionError,
    dataset::{Cell, ParsedText, RowLocation, Rows, Table, TableError},
    domain::{
        contract::{Contract, Feature},
        json::JsonValue,
        number::Number,
        text::did_you_mean,
    },
};

/// One row, converted to the contract's features.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// The location of the row in its file.
    pub place: RowLocation,
    /// One value per feature, in the contract's order; null if missing.
    pub values: Vec<JsonValue>,
    /// The target cell; missing if no target was requested.
    pub target: Cell,
}

/// A row cannot be converted, or the table cannot be read on.
#[derive(Debug)]
pub enum InstanceError {
    /// The table cannot be read.
    Table(TableError),
    /// Cells of the row do not fit the contract; the next row can be read.
    Cells(RowLocation, Vec<InvalidCell>),
}

/// An iterator over the instances of a table.
pub struct Instances<'a> {
    features: &'a [Feature],
    /// The column index of each feature; `None` for one that the table may lack.
    columns: Vec<Option<usize>>,
    target: Option<usize>,
    rows: Rows,
}

impl<'a> Instances<'a> {
    /// Finds the column of each feature by name. Other columns are ignored.
    ///
    /// # Errors
    /// Returns [`TableError`] listing every feature, and the target, without a column.
    pub fn new(table: &'a Table, contract: &'a Contract, target: Option<&str>) -> Result<Self, TableError> {
        Self::with_gaps(table, contract, target, &|_| false)
    }

    /// Like [`Instances::new`], for a table that may lack the column of some features. Their values are null.
    ///
    /// # Errors
    /// As for [`Instances::new`], for the other features.
    pub(super) fn with_gaps(
        table: &'a Table,
        contract: &'a Contract,
        target: Option<&str>,
        may_lack: &dyn Fn(&str) -> bool,
    ) -> Result<Self, TableError> {
        let find = |name: &str| table.columns().iter().position(|column| column == name);
        let wanted = contract.features.iter().map(|feature| feature.name.as_str()).chain(target);
        let lacking: Vec<String> = wanted
            .filter(|name| find(name).is_none() && (Some(*name) == target || !may_lack(name)))
            .map(|name| format!("{name:?}{}", did_you_mean(name, table.columns().iter().map(String::as_str))))
            .collect();
        if !lacking.is_empty() {
            let detail = format!("has no column {}; it has: {}", lacking.join(", "), table.columns().join(", "));
            return Err(table.table_error(detail));
        }
        let columns = contract.features.iter().map(|feature| find(&feature.name)).collect();
        Ok(Self { features: &contract.features, columns, target: target.and_then(find), rows: table.rows()? })
    }
}

impl Iterator for Instances<'_> {
    type Item = Result<Instance, InstanceError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut row = match self.rows.next()? {
            Ok(row) => row,
            Err(error) => return Some(Err(InstanceError::Table(error))),
        };
        let mut values = Vec::with_capacity(self.columns.len());
        let mut invalid = Vec::new();
        for (feature, column) in self.features.iter().zip(&self.columns) {
            let Some(column) = column else {
                values.push(JsonValue::Null);
                continue;
            };
            match value(feature, &row.cells[*column]) {
                Ok(value) => values.push(value),
                Err(detail) => {
                    let column = feature.name.clone();
                    invalid.push(InvalidCell { detail: format!("column {column:?} {detail}"), column });
                }
            }
        }
        if !invalid.is_empty() {
            return Some(Err(InstanceError::Cells(row.place, invalid)));
        }
        let target = self.target.map_or(Cell::Missing, |target| row.cells.swap_remove(target));
        Some(Ok(Instance { place: row.place, values, target }))
    }
}

/// Converts a cell to a value of the feature's type; does not check the contract's bounds or enums.
fn value(feature: &Feature, cell: &Cell) -> Result<JsonValue, DecisionError> {
    let wrong = || Err(format!("holds {:?}; the contract takes {}", cell.text(), feature.types()));
    match cell {
        Cell::Missing if feature.accepts_null() || !feature.required => Ok(JsonValue::Null),
        Cell::Missing => Err(format!("has no value; the contract takes {}", feature.types()).into()),
        Cell::Unsupported(what) => Err(format!("holds {what}; no request can hold that").into()),
        Cell::Untyped(_) if feature.accepts_array() => wrong().map_err(DecisionError),
        Cell::Untyped(text) => match ParsedText::read(text) {
            ParsedText::Integer(number) | ParsedText::Number(number) if feature.accepts_number() => {
                Ok(JsonValue::Number(plain(feature, number)))
            }
            ParsedText::Boolean(flag) if feature.accepts_boolean() => Ok(JsonValue::Bool(flag)),
            // R and SQL write booleans as 0 and 1.
            ParsedText::Integer(Number::Unsigned(bit @ (0 | 1))) if feature.accepts_boolean() => {
                Ok(JsonValue::Bool(bit == 1))
            }
            _ if feature.accepts_text() => Ok(JsonValue::Text(text.clone())),
            ParsedText::Infinite => Err("holds an infinite number; no request can hold that".to_owned().into()),
            _ => wrong().map_err(DecisionError),
        },
        Cell::Value(JsonValue::Number(number)) if feature.accepts_number() && !feature.accepts_array() => {
            Ok(JsonValue::Number(plain(feature, *number)))
        }
        Cell::Value(JsonValue::Number(Number::Unsigned(bit @ (0 | 1)))) if feature.accepts_boolean() => {
            Ok(JsonValue::Bool(*bit == 1))
        }
        Cell::Value(JsonValue::Bool(flag)) if feature.accepts_boolean() => Ok(JsonValue::Bool(*flag)),
        Cell::Value(JsonValue::List(_)) if !feature.accepts_array() => wrong().map_err(DecisionError),
        Cell::Value(value @ JsonValue::List(_)) => Ok(value.clone()),
        Cell::Value(_) if feature.accepts_array() => wrong().map_err(DecisionError),
        Cell::Value(value) if feature.accepts_text() => Ok(JsonValue::Text(value.to_string())),
        Cell::Value(_) => wrong().map_err(DecisionError),
    }
}

/// Converts whole numbers to integers if the feature accepts only integers: pandas writes `3.0` in a column with
/// missing values.
fn plain(feature: &Feature, number: Number) -> Number {
    match number.as_whole().and_then(|whole| i64::try_from(whole).ok()) {
        Some(whole) if feature.accepts_whole_only() => Number::from(whole),
        _ => number,
    }
}
