//! Finds the scores of a classification and their encoding. Scores that are not proven probabilities need a flag.

use serde_json::{Value, json};

use super::{
    classes::{name_classes, observed_labels},
    output_table::{OutputShape, OutputTable},
};
use crate::{
    authoring::error::DecisionError,
    domain::contract::{Labels, ProbabilitySummary, label_text},
};

/// How the scores are declared in the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DeclaredScores {
    Probabilities,
    Normalized,
    Logits,
}

/// Returns `x-output` of a classification, and notes on what to check.
pub(super) fn classification(table: OutputTable<'_>) -> Result<(Value, Vec<String>), Vec<DecisionError>> {
    let label = table.shaped(OutputShape::Label).first().copied();
    let scores = find_scores(table, label).map_err(|problem| vec![problem])?;
    let Some(scores) = scores else { return Ok((json!({ "task": "classification" }), Vec::new())) };
    let summary = table.summary(scores);
    let declared = declare(table, scores, &summary);
    let values = table.values(scores);
    // One column is the score of the second of two classes.
    let both: Vec<Vec<f64>> = values
        .iter()
        .map(|row| match row.as_slice() {
            [one] if declared == Ok(DeclaredScores::Logits) || !summary.are_probabilities() => vec![0.0, *one],
            [one] => vec![1.0 - one, *one],
            many => many.to_vec(),
        })
        .collect();
    let mut problems: Vec<DecisionError> =
        label.and_then(|label| follows(table, (scores, label), &both).err()).into_iter().collect();
    // Scores that contradict the label are no scores of classes, whatever their encoding.
    let declared = if problems.is_empty() { declared.map_err(|problem| problems.push(problem)).ok() } else { None };
    let Some(width) = table.width(scores) else {
        return if problems.is_empty() { Ok((json!({ "task": "classification" }), Vec::new())) } else { Err(problems) };
    };
    let count = width.max(2);
    let seen = match label {
        Some(label) if table.is_observed() => Some(observed_labels(table, label, &both)),
        Some(_) => None,
        None => Some(super::classes::LabelsByColumn::new()),
    };
    let named = name_classes(table, (scores, count), seen.as_ref()).map_err(|problem| problems.push(problem)).ok();
    let (Some((classes, mut notes)), Some(declared), true) = (named, declared, problems.is_empty()) else {
        return Err(problems);
    };
    let (key, member, note) = member(table, scores, declared, &summary);
    notes.extend(note);
    let mut output = json!({ "task": "classification", "classes": classes, key: member });
    if let Some(label) = label {
        output["label"] = json!({ "tensor": table.name(label) });
    }
    Ok((output, notes))
}

/// Returns the member of `x-output` for the scores: its key, its value, and what to check.
fn member(
    table: OutputTable<'_>,
    scores: usize,
    declared: DeclaredScores,
    summary: &ProbabilitySummary,
) -> (&'static str, Value, Option<String>) {
    let (spec, name) = (table.spec(scores), table.name(scores));
    match declared {
        DeclaredScores::Probabilities => ("probabilities", json!({ "tensor": name }), None),
        DeclaredScores::Normalized => {
            let note = format!(
                "each row of {spec} is divided by its sum ({}), which is right only if exactly one class is true per row",
                summary.sums()
            );
            ("probabilities", json!({ "tensor": name, "normalize": true }), Some(note))
        }
        DeclaredScores::Logits => {
            let note = format!(
                "the output {spec} holds {summary}; {} turns them into probabilities, which is right for logits \
                 (log-odds). Decision values (LinearSVC, SGDClassifier, RidgeClassifier) are scores, not log-odds: run \
                 `candor calibrate` before `uncertainty` means anything",
                if table.width(scores) == Some(1) { "a sigmoid" } else { "softmax" }
            );
            ("logits", json!({ "tensor": name }), Some(note))
        }
    }
}

/// Finds the output with the scores: by flag, else the only one, else the only one that holds probabilities. `None` if
/// that can only be told from rows.
fn find_scores(table: OutputTable<'_>, label: Option<usize>) -> Result<Option<usize>, DecisionError> {
    let options = table.options;
    let probabilities = table.find("--probabilities", options.probabilities.as_deref())?;
    let logits = table.find("--logits", options.logits.as_deref())?;
    if let Some((flag, index)) =
        probabilities.map(|index| ("--probabilities", index)).or_else(|| logits.map(|index| ("--logits", index)))
    {
        return match table.shape(index) {
            OutputShape::Single | OutputShape::Several => Ok(Some(index)),
            _ => Err(format!("{flag}: the output {} cannot hold one score per class", table.spec(index)).into()),
        };
    }
    let several = table.shaped(OutputShape::Several);
    let candidates = if several.is_empty() { table.shaped(OutputShape::Single) } else { several };
    let sound = |index: &usize| {
        let agrees = label.is_none_or(|label| follows(table, (*index, label), &table.values(*index)).is_ok());
        table.summary(*index).are_probabilities() && agrees
    };
    match candidates.as_slice() {
        [] => Err(format!("no output can hold class probabilities: {}", table.listed()).into()),
        [only] => Ok(Some(*only)),
        _ if !table.is_observed() => Ok(None),
        several => {
            let mut proven = several.iter().copied().filter(sound);
            if let (Some(only), None) = (proven.next(), proven.next()) {
                return Ok(Some(only));
            }
            let flags: Vec<String> = several.iter().map(|index| scores_flag(table, *index)).collect();
            Err(format!("more than one output can hold the scores of the classes: choose with {}", flags.join(" or "))
                .into())
        }
    }
}

/// Suggests the flag for an output that holds scores, by the values that were observed.
pub(super) fn scores_flag(table: OutputTable<'_>, index: usize) -> String {
    let summary = table.summary(index);
    if summary.are_unnormalized() {
        format!("{} --normalize", table.flag("--probabilities", index))
    } else if table.is_observed() && !summary.are_probabilities() {
        table.flag("--logits", index)
    } else {
        table.flag("--probabilities", index)
    }
}

/// Decides the encoding of the scores by flag, or by proof.
fn declare(
    table: OutputTable<'_>,
    index: usize,
    summary: &ProbabilitySummary,
) -> Result<DeclaredScores, DecisionError> {
    let (spec, options) = (table.spec(index), table.options);
    let found = table.width(index);
    if options.normalize && found == Some(1) {
        return Err(format!(
            "--normalize divides the scores of a row by their sum, but the output {spec} has one column"
        )
        .into());
    }
    if !table.is_observed() {
        return Ok(DeclaredScores::Probabilities);
    }
    let logits = options.logits.is_some();
    // RidgeClassifier declares two columns for two classes, and returns one.
    let one_of_two = (found, table.declared(index)) == (Some(1), Some(2)) && !summary.are_probabilities();
    if !one_of_two {
        table.check_width(index)?;
    }
    match () {
        () if logits && found > Some(1) && summary.are_probabilities() => Err(format!(
            "--logits: the output {spec} holds probabilities already ({summary}): pass {}",
            table.flag("--probabilities", index)
        )
        .into()),
        () if logits => Ok(DeclaredScores::Logits),
        () if options.normalize && summary.can_be_normalized() => Ok(DeclaredScores::Normalized),
        () if options.normalize => Err(format!(
            "--normalize needs scores from 0 to 1 with a sum above 0 in every row; the output {spec} holds {summary}"
        )
        .into()),
        () if summary.are_probabilities() => Ok(DeclaredScores::Probabilities),
        () => Err(no_probabilities(table, index, summary).into()),
    }
}

/// Explains what scores without a flag may be, and which flag says so.
fn no_probabilities(table: OutputTable<'_>, index: usize, summary: &ProbabilitySummary) -> String {
    let spec = table.spec(index);
    if summary.are_unnormalized() {
        format!(
            "the output {spec} holds scores from 0 to 1 whose rows sum to {}, not to 1. If exactly one class is true \
             per row, pass {} --normalize: each row is divided by its sum. If several labels can be true at once, this \
             is multi-label classification, which Candor does not support: --task tensors returns the outputs \
             unchanged, or export one model per label",
            summary.sums(),
            table.flag("--probabilities", index)
        )
    } else {
        format!(
            "the output {spec} does not hold class probabilities: {summary}. Pass {} if they are logits, which softmax \
             turns into probabilities, or decision values (LinearSVC, SGDClassifier, RidgeClassifier), which `candor \
             calibrate` then turns into probabilities; or pass --task tensors to return the outputs unchanged; or \
             export probabilities (scikit-learn: CalibratedClassifierCV)",
            table.flag("--logits", index)
        )
    }
}

/// Returns an error if the arg max of the scores is not the graph's own label, as for distances.
fn follows(table: OutputTable<'_>, (scores, label): (usize, usize), rows: &[Vec<f64>]) -> Result<(), DecisionError> {
    let mut labels = Labels::default();
    for (row, values) in table.observed.rows.iter().zip(rows).filter(|(_, values)| values.len() > 1) {
        labels.add(values, label_text(&row[label]));
    }
    if !labels.disagree() && !labels.follow_minimum() {
        return Ok(());
    }
    let found = if labels.follow_minimum() {
        "is the class with the lowest value, as for distances".to_owned()
    } else {
        format!("differs from the class with the highest value in {} of {} rows", labels.disagreeing(), labels.rows())
    };
    Err(format!(
        "the output {} does not hold class scores: the label {} {found}. Pass --task tensors to return the outputs \
         unchanged",
        table.spec(scores),
        table.spec(label)
    )
    .into())
}
