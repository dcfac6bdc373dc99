//! Names the classes of a classification: by flag, by the graph's own labels, or not at all.

use std::collections::{BTreeMap, BTreeSet};

use super::output_table::OutputTable;
use crate::{
    authoring::{
        error::DecisionError,
        flag_value::csv_record,
        target::{ClassEncoding, class_index},
    },
    domain::{contract::label_text, signature::OutputSpec},
};

/// The labels that were observed together with each column as the greatest.
pub(super) type LabelsByColumn = BTreeMap<usize, BTreeSet<String>>;

/// Returns the labels observed for each arg max of the scores.
pub(super) fn observed_labels(table: OutputTable<'_>, label: usize, scores: &[Vec<f64>]) -> LabelsByColumn {
    let mut seen = LabelsByColumn::new();
    for (row, scores) in table.observed.rows.iter().zip(scores) {
        let greatest = (0..scores.len()).max_by(|left, right| scores[*left].total_cmp(&scores[*right]));
        if let (Some(greatest), Some(label)) = (greatest, label_text(&row[label])) {
            seen.entry(greatest).or_default().insert(label);
        }
    }
    seen
}

/// Returns the class names in the graph's order, with notes. `seen` is `None` if the graph has a label that was not
/// observed: then a later run can name the classes.
pub(super) fn name_classes(
    table: OutputTable<'_>,
    (scores, count): (usize, usize),
    seen: Option<&LabelsByColumn>,
) -> Result<(Vec<String>, Vec<String>), DecisionError> {
    let (spec, given) = (table.spec(scores), &table.options.classes);
    if !given.is_empty() && given.len() != count {
        return Err(format!("--classes names {} classes, the output {spec} has {count}", given.len()).into());
    }
    let Some(seen) = seen else { return Ok((given.clone(), Vec::new())) };
    let target = table.observed.target.as_ref().filter(|_| table.observed.has_target);
    let graph = own_names(spec, count, seen, target);
    let fits = target.is_some_and(|values| values.len() == count);
    let flag = table.classes_flag(count);
    let suggestion = if fits { format!("{flag}, if it was trained on them in that order") } else { flag };
    if !given.is_empty() {
        let texts = graph.iter().flatten().any(|name| name.parse::<i64>().is_err());
        if let Some(names) = graph.filter(|names| texts && names != given) {
            return Err(format!(
                "--classes lists {}, but the graph itself names its classes {}",
                csv_record(given),
                csv_record(&names)
            )
            .into());
        }
        let notes = read_target(given, target, ("--classes names", &suggestion))?;
        return Ok((given.clone(), notes));
    }
    let Some(names) = graph else {
        return Err(format!(
            "the graph does not name its {count} classes: list their names in its order with {suggestion}"
        )
        .into());
    };
    let mut notes = read_target(&names, target, ("the graph names its classes", &suggestion))?;
    if names.iter().all(|name| name.parse::<i64>().is_ok()) {
        notes.push(format!("the classes are only numbered ({}): name them with --classes", names.join(", ")));
    }
    Ok((names, notes))
}

/// Reads the values of the target as `candor calibrate` does: as class names, or else as class numbers.
fn read_target(
    names: &[String],
    target: Option<&BTreeSet<String>>,
    (named_by, suggestion): (&str, &str),
) -> Result<Vec<String>, DecisionError> {
    let (mut by_name, mut by_number) = (None, Vec::new());
    for value in target.into_iter().flatten() {
        match class_index(names, value) {
            Some((_, ClassEncoding::Name)) => by_name = Some(value),
            Some((index, ClassEncoding::Number)) => by_number.push((value, &names[index])),
            None => {
                return Err(format!(
                    "the target holds {value:?}, but {named_by} {}: list the names of the target in the graph's order with \
                     {suggestion}",
                    names.join(", ")
                )
                .into());
            }
        }
    }
    if let (Some(named), Some((number, _))) = (by_name, by_number.first()) {
        return Err(format!(
            "the target mixes class names ({named:?}) and class numbers ({number:?}); {named_by} {}: write one or the \
             other in the table, or list their names in the graph's order with {suggestion}",
            names.join(", ")
        )
        .into());
    }
    let pairs: Vec<String> = by_number.iter().map(|(value, name)| format!("{value} is {name}")).collect();
    Ok(if pairs.is_empty() {
        Vec::new()
    } else {
        vec![format!("the target holds class numbers, or true and false: {}", pairs.join(", "))]
    })
}

/// Returns the class names that the graph itself gives, if they are certain.
fn own_names(
    spec: &OutputSpec,
    count: usize,
    seen: &LabelsByColumn,
    target: Option<&BTreeSet<String>>,
) -> Option<Vec<String>> {
    if let OutputSpec::ZipMap { keys, .. } = spec
        && keys.len() == count
    {
        return Some(keys.clone());
    }
    // If one column occurs with several labels, the labels do not identify its class.
    if seen.is_empty() || seen.values().any(|labels| labels.len() > 1) {
        return None;
    }
    let fits = |names: &[String]| seen.iter().all(|(index, labels)| labels.contains(&names[*index]));
    let numbered: Vec<String> = (0..count).map(|class| class.to_string()).collect();
    if fits(&numbered) {
        return Some(numbered);
    }
    if seen.len() == count {
        return Some(seen.values().flatten().cloned().collect());
    }
    // scikit-learn sorts its classes; accept that order if the observed labels agree with it.
    let sorted: Vec<String> = target.filter(|values| values.len() == count)?.iter().cloned().collect();
    fits(&sorted).then_some(sorted)
}
