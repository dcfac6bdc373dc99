//! Reads the targets of a table as classes or numbers. Invalid targets are counted and reported once per kind.

use crate::{
    authoring::target::{ClassEncoding, class_index, number, text},
    dataset::{Cell, RowLocation, Table},
    domain::contract::{Contract, Task},
};

/// The targets read so far.
pub(super) struct Targets {
    /// The name of the target column.
    target: String,
    /// The classes of the contract; empty for a regression.
    classes: Vec<String>,
    classification: bool,
    rows: u64,
    /// Classification: the class index of each row.
    pub(super) labels: Vec<usize>,
    /// Regression: the target value of each row.
    pub(super) numbers: Vec<f64>,
    /// The number of rows whose features equal those of an earlier row.
    pub(super) copies: u64,
    missing: InvalidTargets,
    unknown: InvalidTargets,
    named: InvalidTargets,
    numbered: InvalidTargets,
}

/// Rows with the same property: their number, and the first one.
#[derive(Default)]
struct InvalidTargets {
    count: u64,
    first: Option<(RowLocation, String)>,
}

impl InvalidTargets {
    fn add(&mut self, place: RowLocation, cell: &Cell) {
        self.count += 1;
        self.first.get_or_insert_with(|| (place, cell.text()));
    }
}

impl Targets {
    pub(super) fn new(contract: &Contract, target: &str) -> Self {
        Self {
            target: target.to_owned(),
            classes: contract.output.classes().to_vec(),
            classification: contract.output.task() == Task::Classification,
            rows: 0,
            labels: Vec::new(),
            numbers: Vec::new(),
            copies: 0,
            missing: InvalidTargets::default(),
            unknown: InvalidTargets::default(),
            named: InvalidTargets::default(),
            numbered: InvalidTargets::default(),
        }
    }

    pub(super) fn add(&mut self, place: RowLocation, cell: &Cell) {
        self.rows += 1;
        if matches!(cell, Cell::Missing) || matches!(cell, Cell::Untyped(text) if text.trim().is_empty()) {
            self.missing.add(place, cell);
        } else if !self.classification {
            match number(cell) {
                Some(number) => self.numbers.push(number),
                None => self.unknown.add(place, cell),
            }
        } else if let Some((label, manner)) = class_index(&self.classes, &text(cell)) {
            self.labels.push(label);
            let counted = if manner == ClassEncoding::Name { &mut self.named } else { &mut self.numbered };
            counted.add(place, cell);
        } else {
            self.unknown.add(place, cell);
        }
    }

    /// The number of rows read.
    pub(super) fn rows(&self) -> u64 {
        self.rows
    }

    /// Whether all targets so far are valid.
    pub(super) fn all_valid(&self) -> bool {
        self.missing.count == 0 && self.unknown.count == 0 && (self.named.count == 0 || self.numbered.count == 0)
    }

    /// Returns all problems, one sentence each.
    pub(super) fn problems(&self, table: &Table) -> Vec<String> {
        let (target, rows) = (&self.target, self.rows);
        let mut problems = Vec::new();
        if rows == 0 {
            problems.push(table.table_error("has columns but no rows".to_owned()));
        }
        if let Some((place, _)) = &self.missing.first {
            problems.push(table.table_error(format!(
                "the target {target:?} has no value in {} of {rows} rows, first in {place}: a calibration needs rows \
                 with a known outcome",
                self.missing.count
            )));
        }
        if let Some((place, found)) = &self.unknown.first {
            let others = match self.unknown.count - 1 {
                0 => String::new(),
                others => format!(", and {others} more such rows"),
            };
            let right = self.right();
            problems.push(table.row_error(*place, format!("the target {target:?} holds {found:?}, {right}{others}")));
        }
        if let (Some((named_at, named)), Some((numbered_at, numbered))) = (&self.named.first, &self.numbered.first) {
            problems.push(table.table_error(format!(
                "the target {target:?} mixes class names ({named:?} in {named_at}) and class numbers ({numbered:?} in \
                 {numbered_at}): use one or the other; the classes are {}",
                self.classes.join(", ")
            )));
        }
        problems.into_iter().map(|problem| problem.to_string()).collect()
    }

    fn right(&self) -> String {
        if self.classification {
            let (last, classes) = (self.classes.len().saturating_sub(1), self.classes.join(", "));
            format!(
                "which is not a class of the contract: expected one of {classes}, or a class number from 0 to {last}"
            )
        } else {
            "which is not a finite number".to_owned()
        }
    }

    /// Returns a note on how class numbers were interpreted, if the table has any.
    pub(super) fn reading(&self) -> Option<String> {
        self.numbered.first.as_ref()?;
        let pairs: Vec<String> =
            self.classes.iter().enumerate().map(|(index, class)| format!("{index} is {class}")).collect();
        Some(format!("the target {:?} holds class numbers: {}", self.target, pairs.join(", ")))
    }
}
