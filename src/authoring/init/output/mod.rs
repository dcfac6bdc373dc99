//! Infers the task, the roles of the outputs and the class names from the signature and from the model's outputs for rows
//! of the table. If these are not conclusive, returns errors that name the flags to set.

mod classes;
mod classification;
mod output_table;
mod regression;
#[cfg(test)]
mod tests;

use classification::{classification, scores_flag};
pub(super) use output_table::OutputColumns;
use output_table::{OutputShape, OutputTable};
use regression::regression;
use serde_json::{Value, json};

use super::options::InitOptions;
use crate::{
    authoring::error::DecisionError,
    domain::{contract::Task, signature::Signature},
};

/// Returns `x-output` and notes on what to check. Without observed rows, only the errors mean anything.
///
/// # Errors
/// Returns everything that is ambiguous or does not fit, with the flags that decide it.
pub(super) fn assign_output_roles(
    signature: &Signature,
    observed: &OutputColumns,
    options: &InitOptions,
) -> Result<(Value, Vec<String>), Vec<DecisionError>> {
    let table = OutputTable { signature, observed, options };
    let flagged = flagged_task(options)?;
    let decided = flagged.or_else(|| obvious_task(table));
    let task = decided.ok_or_else(|| vec![DecisionError(ambiguous(table))])?;
    let (output, mut notes) = match task {
        Task::Classification => classification(table)?,
        Task::Regression => regression(table)?,
        Task::Tensors => {
            let note = format!("the outputs are passed on as they are: {}", table.listed());
            (json!({ "task": "tensors" }), vec![note])
        }
    };
    if task != Task::Tensors {
        notes.extend(unused(table, &output));
    }
    Ok((output, notes))
}

/// Returns the task that the flags decide: `--task`, or the flags of outputs and classes, which must agree.
fn flagged_task(options: &InitOptions) -> Result<Option<Task>, Vec<DecisionError>> {
    let given = [
        ("--value", options.value.is_some(), Task::Regression),
        ("--value-column", options.value_column.is_some(), Task::Regression),
        ("--sigma", options.sigma.is_some(), Task::Regression),
        ("--quantiles", options.quantiles.is_some(), Task::Regression),
        ("--members", options.members.is_some(), Task::Regression),
        ("--probabilities", options.probabilities.is_some(), Task::Classification),
        ("--logits", options.logits.is_some(), Task::Classification),
        ("--normalize", options.normalize, Task::Classification),
        ("--classes", !options.classes.is_empty(), Task::Classification),
    ];
    let given: Vec<(&str, Task)> =
        given.into_iter().filter(|(_, given, _)| *given).map(|(flag, _, task)| (flag, task)).collect();
    let task = options.task.or_else(|| given.first().map(|(_, task)| *task));
    let mut problems: Vec<DecisionError> = Vec::new();
    if let Some(task) = task {
        let decided = match (options.task, given.first()) {
            (None, Some((flag, _))) => (*flag).to_owned(),
            _ => format!("--task {}", task.as_str()),
        };
        let others = given.iter().filter(|(_, other)| *other != task);
        problems.extend(others.map(|(flag, other)| {
            DecisionError(format!(
                "{flag} belongs to --task {}, but {decided} was given, too: remove one of them",
                other.as_str()
            ))
        }));
    }
    let both = |left: bool, right: bool| left && right;
    if both(options.probabilities.is_some(), options.logits.is_some()) {
        problems.push("--probabilities and --logits exclude each other: remove one of them".to_owned().into());
    }
    if both(options.normalize, options.logits.is_some()) {
        problems.push("--normalize is for --probabilities: softmax normalizes logits already".to_owned().into());
    }
    if problems.is_empty() { Ok(task) } else { Err(problems) }
}

/// Returns the task if the outputs and the target leave only one.
fn obvious_task(table: OutputTable<'_>) -> Option<Task> {
    let (several, singles) = (table.shaped(OutputShape::Several), table.shaped(OutputShape::Single));
    let label = !table.shaped(OutputShape::Label).is_empty();
    match (several.is_empty(), singles.is_empty(), label) {
        (false, _, true) => Some(Task::Classification),
        (_, false, false) if !table.has_class_target() => Some(Task::Regression),
        (true, true, _) => Some(Task::Tensors),
        (false, true, false) if !table.observed.has_target => Some(Task::Tensors),
        _ => None,
    }
}

/// Lists the interpretations of the outputs, each with the flags that choose it.
fn ambiguous(table: OutputTable<'_>) -> String {
    let (several, singles) = (table.shaped(OutputShape::Several), table.shaped(OutputShape::Single));
    let label = !table.shaped(OutputShape::Label).is_empty();
    let alone = several.len() + singles.len() == 1;
    let mut choices = Vec::new();
    for index in table.floats() {
        let width = table.width(index).unwrap_or(2);
        let classes = if label { String::new() } else { format!(" {}", table.classes_flag(width.max(2))) };
        let logits = table.is_observed() && !table.summary(index).are_probabilities();
        choices.push(if alone && !logits {
            format!("--task classification{classes}")
        } else {
            format!("{}{classes}", scores_flag(table, index))
        });
        if width == 1 {
            choices.push(if alone { "--task regression".to_owned() } else { table.flag("--value", index) });
        } else {
            let levels = if width > 3 { "LEVEL,LEVEL,…".to_owned() } else { vec!["LEVEL"; width].join(",") };
            let value = if alone { String::new() } else { format!("{} ", table.flag("--value", index)) };
            choices.push(format!("{value}--value-column N (one package per target)"));
            choices.push(format!("--quantiles {levels}"));
            choices.push(table.flag("--members", index));
        }
    }
    format!(
        "the graph's outputs can be interpreted in more than one way: {}. Choose one with {} or --task tensors; classes \
         are named in the order of training",
        table.listed(),
        choices.join(", ")
    )
}

/// Names every output that the contract does not use.
fn unused(table: OutputTable<'_>, output: &Value) -> Vec<String> {
    let members = ["probabilities", "logits", "label", "value", "sigma", "quantiles", "members"];
    let used: Vec<&str> = members.iter().filter_map(|member| output[member]["tensor"].as_str()).collect();
    let left = table.signature.outputs.iter().filter(|spec| !used.contains(&spec.name()));
    left.map(|spec| format!("the output {spec} is not used")).collect()
}
