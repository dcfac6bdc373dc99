//! The changes of what a response holds: task, classes, unit, decision, outputs.

use super::contract_change::{ChangeKind, ContractChange};
use crate::domain::contract::OutputPlan;

/// The subject of these changes.
const OUTPUT: &str = "output";

/// Lists the changes of the output.
pub(super) fn output_changes(old: &OutputPlan, new: &OutputPlan) -> Vec<ContractChange> {
    if old.task() != new.task() {
        let detail = format!("task {}, was {}", new.task().as_str(), old.task().as_str());
        return vec![ContractChange::breaking(OUTPUT, ChangeKind::Task, detail)];
    }
    let mut changes = Vec::new();
    changes.extend(classes(old.classes(), new.classes()));
    if old.unit() != new.unit() {
        let detail = format!("unit {}, was {}", new.unit().unwrap_or("none"), old.unit().unwrap_or("none"));
        // Naming the unit of a prediction that had none changes no value.
        changes.push(ContractChange::new(old.unit().is_some(), OUTPUT, ChangeKind::Unit, detail));
    }
    let (before, after) = (old.decision().describe(old.classes()), new.decision().describe(new.classes()));
    if before != after {
        let detail = format!("predicts {after}, was {before}");
        changes.push(ContractChange::compatible(OUTPUT, ChangeKind::Decision, detail));
    }
    if let (OutputPlan::Tensors { requested: before }, OutputPlan::Tensors { requested: after }) = (old, new) {
        changes.extend(outputs(before, after));
    }
    changes
}

/// Compares the classes. Callers may hold a list of them, so a new one breaks as well as a missing one; their order is
/// not part of a response.
fn classes(old: &[String], new: &[String]) -> Option<ContractChange> {
    let added = missing(new, old);
    let removed = missing(old, new);
    if added.is_empty() && removed.is_empty() {
        let detail = format!("classes in another order: {}", new.join(", "));
        return (old != new).then(|| ContractChange::compatible(OUTPUT, ChangeKind::Classes, detail));
    }
    let gone = (!removed.is_empty()).then(|| format!("never answers {}", removed.join(", ")));
    let more = (!added.is_empty()).then(|| format!("may answer {}", added.join(", ")));
    let detail: Vec<String> = gone.into_iter().chain(more).collect();
    Some(ContractChange::breaking(OUTPUT, ChangeKind::Classes, detail.join("; ")))
}

fn outputs(old: &[String], new: &[String]) -> Vec<ContractChange> {
    let (added, removed) = (missing(new, old), missing(old, new));
    let mut changes = Vec::new();
    if !removed.is_empty() {
        let detail = format!("no longer returns {}", removed.join(", "));
        changes.push(ContractChange::breaking(OUTPUT, ChangeKind::Outputs, detail));
    }
    if !added.is_empty() {
        let detail = format!("also returns {}", added.join(", "));
        changes.push(ContractChange::compatible(OUTPUT, ChangeKind::Outputs, detail));
    }
    changes
}

/// The names of one list that the other lacks.
fn missing<'a>(of: &'a [String], within: &[String]) -> Vec<&'a str> {
    of.iter().filter(|name| !within.contains(name)).map(String::as_str).collect()
}
