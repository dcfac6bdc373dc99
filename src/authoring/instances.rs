//! The rows of a table as instances of a contract: one value a feature, in the contract's order, and the target's cell.

use crate::{
    dataset::{Cell, Place, Rows, Table, TableError, Written},
    domain::{
        contract::{Contract, Feature, Literal, nearest},
        number::Number,
    },
};

/// One row, as the contract sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Instance {
    /// Where the row stands in its file.
    pub place: Place,
    /// One value a feature, in the contract's order; null where it is missing.
    pub values: Vec<Literal>,
    /// The target, where one was asked for.
    pub target: Cell,
}

/// The instances of a table, one after another.
pub struct Instances<'a> {
    table: &'a Table,
    features: &'a [Feature],
    /// The column of each feature.
    columns: Vec<usize>,
    target: Option<usize>,
    rows: Rows,
}

impl<'a> Instances<'a> {
    /// Finds each feature's column by its name. Columns beside are passed over.
    ///
    /// # Errors
    /// [`TableError`] naming every feature, and the target, that has no column.
    pub fn new(table: &'a Table, contract: &'a Contract, target: Option<&str>) -> Result<Self, TableError> {
        let find = |name: &str| table.columns().iter().position(|column| column == name);
        let wanted = contract.features.iter().map(|feature| feature.name.as_str()).chain(target);
        let lacking: Vec<String> = wanted
            .filter(|name| find(name).is_none())
            .map(|name| format!("{name:?}{}", nearest(name, table.columns().iter().map(String::as_str))))
            .collect();
        if !lacking.is_empty() {
            let detail = format!("has no column {}; it has: {}", lacking.join(", "), table.columns().join(", "));
            return Err(table.unfit(detail));
        }
        let columns = contract.features.iter().filter_map(|feature| find(&feature.name)).collect();
        Ok(Self { table, features: &contract.features, columns, target: target.and_then(find), rows: table.rows()? })
    }
}

impl Iterator for Instances<'_> {
    type Item = Result<Instance, TableError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut row = match self.rows.next()? {
            Ok(row) => row,
            Err(error) => return Some(Err(error)),
        };
        let mut values = Vec::with_capacity(self.columns.len());
        for (feature, column) in self.features.iter().zip(&self.columns) {
            match value(feature, &row.cells[*column]) {
                Ok(value) => values.push(value),
                Err(detail) => {
                    let detail = format!("column {:?} {detail}", feature.name);
                    return Some(Err(self.table.wrong(row.place, detail)));
                }
            }
        }
        let target = self.target.map_or(Cell::Missing, |target| row.cells.swap_remove(target));
        Some(Ok(Instance { place: row.place, values, target }))
    }
}

/// A cell as a value of a feature; the rule's bounds and choices are not looked at.
fn value(feature: &Feature, cell: &Cell) -> Result<Literal, String> {
    let wrong = || Err(format!("holds {:?}; the contract takes {}", cell.text(), feature.types()));
    match cell {
        Cell::Missing if feature.takes_null() || !feature.required => Ok(Literal::Null),
        Cell::Missing => Err(format!("has no value; the contract takes {}", feature.types())),
        Cell::Foreign(what) => Err(format!("holds {what}; no request can hold that")),
        Cell::Written(_) if feature.takes_array() => wrong(),
        Cell::Written(text) => match Written::read(text) {
            Written::Integer(number) | Written::Number(number) if feature.takes_number() => {
                Ok(Literal::Number(plain(feature, number)))
            }
            Written::Boolean(flag) if feature.takes_boolean() => Ok(Literal::Bool(flag)),
            // R and SQL write booleans so.
            Written::Integer(Number::Unsigned(bit @ (0 | 1))) if feature.takes_boolean() => Ok(Literal::Bool(bit == 1)),
            _ if feature.takes_text() => Ok(Literal::Text(text.clone())),
            Written::Infinite => Err("holds an infinite number; no request can hold that".to_owned()),
            _ => wrong(),
        },
        Cell::Value(Literal::Number(number)) if feature.takes_number() && !feature.takes_array() => {
            Ok(Literal::Number(plain(feature, *number)))
        }
        Cell::Value(Literal::Number(Number::Unsigned(bit @ (0 | 1)))) if feature.takes_boolean() => {
            Ok(Literal::Bool(*bit == 1))
        }
        Cell::Value(Literal::Bool(flag)) if feature.takes_boolean() => Ok(Literal::Bool(*flag)),
        Cell::Value(Literal::List(_)) if !feature.takes_array() => wrong(),
        Cell::Value(value @ Literal::List(_)) => Ok(value.clone()),
        Cell::Value(_) if feature.takes_array() => wrong(),
        Cell::Value(value) if feature.takes_text() => Ok(Literal::Text(value.to_string())),
        Cell::Value(_) => wrong(),
    }
}

/// Whole numbers as integers where the feature takes no others; pandas writes `3.0` in a column that has gaps.
fn plain(feature: &Feature, number: Number) -> Number {
    match number.as_whole().and_then(|whole| i64::try_from(whole).ok()) {
        Some(whole) if feature.takes_whole_only() => Number::from(whole),
        _ => number,
    }
}
