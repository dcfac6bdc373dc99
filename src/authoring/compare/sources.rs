//! The rows of a comparison: those of a table, or the golden cases and background rows of both packages.

use std::collections::HashSet;

use super::pairing::{FeatureRow, Pairing};
use crate::{
    authoring::{
        error::AuthoringError,
        instances::{Instance, InstanceError, Instances},
        invalid_rows::{InvalidCell, InvalidRows},
        target::{class_index, number, text},
    },
    dataset::{Cell, RowLocation, Table},
    domain::{
        comparison::{OutcomeScheme, TrueOutcome},
        contract::{Contract, Task},
        json::JsonValue,
        text::did_you_mean,
        violation::ViolationCode,
    },
    repository::distinct_instances,
};

/// The rows that two versions are compared on.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct ComparedRows {
    /// The file name of the table; `None` for the golden cases and the background rows.
    pub file: Option<String>,
    /// The number of rows.
    pub read: u64,
    /// The number of rows that have no true outcome, if there is a target.
    pub unlabelled: Option<u64>,
}

/// Reads the rows of a table. A row without a true outcome is compared, but not judged.
///
/// The table must have the columns of all features that both versions have. A row that lacks a feature which only one
/// version requires cannot be compared.
pub(super) fn read_table(
    pairing: &mut Pairing<'_>,
    table: &Table,
    target: Option<&str>,
    seen: &mut dyn FnMut(u64),
) -> Result<ComparedRows, AuthoringError> {
    let (old, new) = (pairing.old.contract.clone(), pairing.new.contract.clone());
    let scheme = pairing.tally.scheme().clone();
    if let Some(target) = target {
        check_target(table, target, scheme.task())?;
    }
    let only_one = |name: &str| !(has(&old, name) && has(&new, name));
    let before = Instances::with_gaps(table, &old, None, &only_one)?;
    let after = Instances::with_gaps(table, &new, target, &only_one)?;
    let columns: HashSet<&str> = table.columns().iter().map(String::as_str).collect();
    let (mut read, mut unlabelled) = (0, 0);
    let mut wrong = InvalidRows::default();
    for (before, after) in before.zip(after) {
        read += 1;
        seen(read);
        let Some((before, after)) = convertible(pairing, row(before)?, row(after)?) else { continue };
        let truth = match target.map(|target| truth(&scheme, target, &after.target)) {
            Some(Ok(truth)) => {
                unlabelled += u64::from(truth.is_none());
                truth
            }
            Some(Err(cell)) => {
                wrong.add(after.place, vec![cell]);
                continue;
            }
            None => None,
        };
        let given = |contract: &Contract, instance: &Instance| keep(&columns, contract.instance(&instance.values));
        let (old, new) = (given(&old, &before), given(&new, &after));
        pairing.add(FeatureRow { place: after.place.to_string(), old, new, truth });
    }
    wrong.into_result(table)?;
    if read == 0 {
        return Err(table.table_error("has columns but no rows".to_owned()).into());
    }
    Ok(ComparedRows { file: Some(table.file_name()), read, unlabelled: target.map(|_| unlabelled) })
}

/// A row that a contract's types refuse: its place and its first wrong column.
type RefusedRow = (RowLocation, String);

/// Returns the instances of a row; `None` if the types of a contract refuse it, which is then counted.
fn convertible(
    pairing: &mut Pairing<'_>,
    old: Result<Instance, RefusedRow>,
    new: Result<Instance, RefusedRow>,
) -> Option<(Instance, Instance)> {
    let (old, new) = match (old, new) {
        (Ok(old), Ok(new)) => return Some((old, new)),
        (old, new) => (old.err(), new.err()),
    };
    let place = old.as_ref().or(new.as_ref()).map(|(place, _)| *place)?;
    let reason = |refused: Option<RefusedRow>| {
        refused.map(|(_, column)| format!("{column}: {}", ViolationCode::WrongType.as_str()))
    };
    pairing.tally.refuse(&place, reason(old).as_deref(), reason(new).as_deref());
    None
}

fn has(contract: &Contract, name: &str) -> bool {
    contract.features.iter().any(|feature| feature.name == name)
}

/// Keeps the features that are columns of the table; the others are left out, as a request may do.
fn keep(columns: &HashSet<&str>, features: JsonValue) -> JsonValue {
    match features {
        JsonValue::Object(members) => {
            JsonValue::Object(members.into_iter().filter(|(name, _)| columns.contains(name.as_str())).collect())
        }
        other => other,
    }
}

/// Separates rows that a contract's types refuse, named by their first column, from errors of the table.
fn row(found: Result<Instance, InstanceError>) -> Result<Result<Instance, RefusedRow>, AuthoringError> {
    match found {
        Ok(instance) => Ok(Ok(instance)),
        Err(InstanceError::Cells(place, cells)) => {
            let column = cells.into_iter().next().map(|cell| cell.column);
            Ok(Err((place, column.unwrap_or_default())))
        }
        Err(InstanceError::Table(error)) => Err(error.into()),
    }
}

fn check_target(table: &Table, target: &str, task: Task) -> Result<(), AuthoringError> {
    if task == Task::Tensors {
        let detail = "--target: the task is tensors, so there are no true outcomes to compare with".to_owned();
        return Err(table.table_error(detail).into());
    }
    if table.columns().iter().any(|column| column == target) {
        return Ok(());
    }
    let near = did_you_mean(target, table.columns().iter().map(String::as_str));
    let columns = table.columns().join(", ");
    Err(table.table_error(format!("--target: the table has no column {target:?}{near}; it has: {columns}")).into())
}

/// Reads the true outcome of a row; `None` if it is missing.
fn truth(scheme: &OutcomeScheme, target: &str, cell: &Cell) -> Result<Option<TrueOutcome>, InvalidCell> {
    let missing = matches!(cell, Cell::Missing) || matches!(cell, Cell::Untyped(text) if text.trim().is_empty());
    if missing {
        return Ok(None);
    }
    let (found, expected) = if scheme.task() == Task::Classification {
        let class = class_index(scheme.classes(), &text(cell)).map(|(class, _)| TrueOutcome::Class(class));
        (class, format!("one of {}", scheme.classes().join(", ")))
    } else {
        (number(cell).map(TrueOutcome::Value), "a finite number".to_owned())
    };
    found.map(Some).ok_or_else(|| InvalidCell {
        column: target.to_owned(),
        detail: format!("the target {target:?} holds {:?}; expected {expected}", cell.text()),
    })
}

/// Takes the golden cases and the background rows of both packages; the same instance counts once.
pub(super) fn read_packages(pairing: &mut Pairing<'_>) -> Result<ComparedRows, AuthoringError> {
    let instances = distinct_instances(
        (pairing.old.version.as_str(), &pairing.old.reference_instances()),
        (pairing.new.version.as_str(), &pairing.new.reference_instances()),
    );
    let read = instances.len() as u64;
    for (place, features) in instances {
        let (old, new) = (pairing.old.contract.project(&features), pairing.new.contract.project(&features));
        pairing.add(FeatureRow { place, old, new, truth: None });
    }
    if read == 0 {
        return Err(AuthoringError::NeedsDecision(
            "there are no rows to compare: neither version has golden cases or a profile; give a table with --data"
                .to_owned(),
        ));
    }
    Ok(ComparedRows { file: None, read, unlabelled: None })
}
