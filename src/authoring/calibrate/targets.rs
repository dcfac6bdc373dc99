//! Reads the targets of a table as classes or numbers, and counts the rows that cannot be used.

use crate::{
    authoring::{
        invalid_rows::{InvalidCell, InvalidRows},
        target::{ClassEncoding, class_index, number, text},
    },
    dataset::{Cell, ParsedText, RowLocation, Table},
    domain::contract::{Contract, Task},
};

/// The true value of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Truth {
    /// The index of its class.
    Label(usize),
    Number(f64),
}

/// The targets read so far.
pub(super) struct Targets {
    /// The name of the target column.
    target: String,
    /// The classes of the contract; empty for a regression.
    classes: Vec<String>,
    classification: bool,
    rows: u64,
    /// Classification: the class index of each usable row.
    pub(super) labels: Vec<usize>,
    /// Regression: the target value of each usable row.
    pub(super) numbers: Vec<f64>,
    /// The number of rows whose features equal those of an earlier row.
    pub(super) copies: u64,
    /// The rows that cannot be used, because of the target or of a feature.
    pub(super) invalid: InvalidRows,
    /// The first class name and the first class number.
    named: Option<(RowLocation, String)>,
    numbered: Option<(RowLocation, String)>,
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
            invalid: InvalidRows::default(),
            named: None,
            numbered: None,
        }
    }

    /// Reads the target of a row, or says why it is invalid.
    pub(super) fn read(&mut self, place: RowLocation, cell: &Cell) -> Result<Truth, InvalidCell> {
        let target = &self.target;
        let missing = matches!(cell, Cell::Missing) || matches!(cell, Cell::Untyped(text) if text.trim().is_empty());
        let detail = if missing {
            format!("the target {target:?} has no value: a calibration needs rows with a known outcome")
        } else if !self.classification {
            match number(cell) {
                Some(number) => return Ok(Truth::Number(number)),
                None => format!("the target {target:?} holds {:?}, {}", cell.text(), self.right()),
            }
        } else if let Some((label, manner)) = class_index(&self.classes, &text(cell)) {
            let first = if manner == ClassEncoding::Name { &mut self.named } else { &mut self.numbered };
            first.get_or_insert_with(|| (place, cell.text()));
            return Ok(Truth::Label(label));
        } else {
            format!("the target {target:?} holds {:?}, {}", cell.text(), self.right())
        };
        let column = if missing { format!("{target} (missing)") } else { target.clone() };
        Err(InvalidCell { column, detail })
    }

    /// Keeps the target of a usable row.
    pub(super) fn keep(&mut self, truth: Truth) {
        self.rows += 1;
        match truth {
            Truth::Label(label) => self.labels.push(label),
            Truth::Number(number) => self.numbers.push(number),
        }
    }

    /// The number of usable rows so far.
    pub(super) fn usable(&self) -> u64 {
        self.rows
    }

    /// The number of rows so far.
    pub(super) fn rows(&self) -> u64 {
        self.rows + self.invalid.count()
    }

    /// Whether some targets are class names and others class numbers.
    pub(super) fn mixes_names_and_numbers(&self) -> bool {
        self.named.is_some() && self.numbered.is_some()
    }

    /// Returns all problems, one sentence each. With `skip_invalid`, rows may be invalid.
    pub(super) fn problems(&self, table: &Table, skip_invalid: bool) -> Vec<String> {
        let (target, rows) = (&self.target, self.rows());
        let mut problems = Vec::new();
        if rows == 0 {
            problems.push(table.table_error("has columns but no rows".to_owned()).to_string());
        }
        if self.invalid.count() > 0 && (!skip_invalid || self.rows == 0) {
            problems.extend(self.invalid.problems(table));
            let advice =
                if skip_invalid { "none is left" } else { "correct them, or leave them out with --skip-invalid" };
            let count = self.invalid.count();
            problems.push(table.table_error(format!("{count} of {rows} rows cannot be used: {advice}")).to_string());
        }
        if let (Some((named_at, named)), Some((numbered_at, numbered))) = (&self.named, &self.numbered) {
            let detail = format!(
                "the target {target:?} mixes class names ({named:?} in {named_at}) and class numbers ({numbered:?} in \
                 {numbered_at}): use one or the other; the classes are {}",
                self.classes.join(", ")
            );
            problems.push(table.table_error(detail).to_string());
        }
        problems
    }

    /// Returns a note on the rows that were left out, if there are any.
    pub(super) fn left_out(&self) -> Option<String> {
        let (invalid, rows) = (self.invalid.count(), self.rows());
        (invalid > 0).then(|| {
            format!(
                "{invalid} of {rows} rows are left out because they cannot be used ({}): if such rows are served, the \
                 figures here say nothing about them",
                self.invalid.summary()
            )
        })
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

    /// Returns a note on how class numbers, or true and false, were interpreted, if the table has any.
    pub(super) fn reading(&self) -> Option<String> {
        let (_, first) = self.numbered.as_ref()?;
        let flags = matches!(ParsedText::read(first), ParsedText::Boolean(_));
        let shown = |index: usize| if flags { ["false", "true"][index.min(1)].to_owned() } else { index.to_string() };
        let pairs: Vec<String> =
            self.classes.iter().enumerate().map(|(index, class)| format!("{} is {class}", shown(index))).collect();
        let kind = if flags { "true and false" } else { "class numbers" };
        Some(format!("the target {:?} holds {kind}: {}", self.target, pairs.join(", ")))
    }
}
