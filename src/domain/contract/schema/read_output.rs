//! Reads `x-output`, the part of a contract that says which outputs of the graph make the prediction, and how.

use super::{
    output::{DecisionRule, OutputPlan, ScoreEncoding},
    output_member::{columns, find},
    regression::read_regression,
    schema_reader::{ContractProblem, SchemaNode},
};
use crate::domain::{
    signature::{OutputSpec, Signature},
    uncertainty::Coverage,
};

/// Reads `x-output`. If it returns `None`, it has added a problem.
pub(in crate::domain::contract) fn read(
    node: &SchemaNode<'_>,
    signature: &Signature,
    problems: &mut Vec<ContractProblem>,
) -> Option<OutputPlan> {
    let Some(output) = node.child("x-output") else {
        node.problem(problems, "x-output is missing: it defines what the graph's outputs mean");
        return None;
    };
    match output.text("task", problems) {
        Some("classification") => read_classification(&output, signature, problems),
        Some("regression") => read_regression(&output, signature, problems),
        Some("tensors") => {
            output.deny_unknown(&["task"], problems);
            let names = signature.outputs.iter().map(|spec| spec.name().to_owned());
            Some(OutputPlan::Tensors { requested: names.collect() })
        }
        found => {
            let found = found.map_or_else(|| "nothing".to_owned(), |task| format!("{task:?}"));
            output.problem(
                problems,
                format!("task must be \"classification\", \"regression\" or \"tensors\", found {found}"),
            );
            None
        }
    }
}

/// Reads the coverage that the contract requests, if any.
pub(in crate::domain::contract) fn read_coverage(
    node: &SchemaNode<'_>,
    problems: &mut Vec<ContractProblem>,
) -> Option<Coverage> {
    let output = node.child("x-output")?;
    let level = output.number("coverage", problems)?.as_f64();
    let coverage = Coverage::new(level).filter(|coverage| Coverage::GRID.contains(coverage));
    if coverage.is_none() {
        let grid = Coverage::grid_text();
        problems.push(ContractProblem {
            pointer: output.pointer_to("coverage"),
            detail: format!("coverage must be one of {grid}; found {level}"),
        });
    }
    coverage
}

fn read_classification(
    node: &SchemaNode<'_>,
    signature: &Signature,
    problems: &mut Vec<ContractProblem>,
) -> Option<OutputPlan> {
    node.deny_unknown(
        &["task", "classes", "probabilities", "logits", "label", "positive", "threshold", "coverage"],
        problems,
    );
    let classes: Vec<String> =
        node.texts("classes", problems).unwrap_or_default().into_iter().map(str::to_owned).collect();
    let distinct: std::collections::HashSet<&String> = classes.iter().collect();
    if classes.len() < 2 || distinct.len() < classes.len() {
        node.problem(problems, format!("classes must list at least two different names, found {}", classes.len()));
    }
    let label = find(node, "label", signature, problems).map(|spec| spec.name().to_owned());
    let (spec, scores) = read_scores(node, classes.len(), signature, problems)?;
    let decision = read_decision(node, &classes, problems);
    Some(OutputPlan::Classification { classes, requested: [spec.name().to_owned()], scores, decision, label })
}

/// Reads `probabilities` or `logits`: the output with the scores of this many classes, and their encoding.
fn read_scores<'s>(
    node: &SchemaNode<'_>,
    classes: usize,
    signature: &'s Signature,
    problems: &mut Vec<ContractProblem>,
) -> Option<(&'s OutputSpec, ScoreEncoding)> {
    let (key, spec) = match (node.child("probabilities"), node.child("logits")) {
        (Some(_), None) => ("probabilities", find(node, "probabilities", signature, problems)?),
        (None, Some(_)) => ("logits", find(node, "logits", signature, problems)?),
        _ => {
            node.problem(problems, "give either probabilities or logits");
            return None;
        }
    };
    if !spec.element().is_float() {
        node.problem(problems, format!("{key} must be a floating-point output, the graph has {spec}"));
    }
    let single = columns(spec) == Some(Some(1)) && classes == 2;
    match columns(spec) {
        Some(Some(found)) if found != classes && !single => {
            node.problem(problems, format!("classes lists {classes} names, the output {spec} has {found} columns"));
        }
        None => node.problem(problems, format!("the output {spec} must have the dimensions [N, {classes}]")),
        _ => {}
    }
    let normalize = node.child("probabilities").and_then(|member| member.flag("normalize", problems)).unwrap_or(false);
    if normalize && single {
        node.problem(
            problems,
            format!("normalize divides by the sum of all classes, but the output {spec} has one column"),
        );
    }
    let scores = match key {
        "logits" => ScoreEncoding::Logits,
        _ if single => ScoreEncoding::PositiveProbability,
        _ if normalize => ScoreEncoding::NormalizedProbabilities,
        _ => ScoreEncoding::Probabilities,
    };
    Some((spec, scores))
}

fn read_decision(node: &SchemaNode<'_>, classes: &[String], problems: &mut Vec<ContractProblem>) -> DecisionRule {
    let positive = node.text("positive", problems);
    let threshold = node.number("threshold", problems);
    match (positive, threshold) {
        (None, None) => DecisionRule::Greatest,
        (Some(name), Some(threshold)) => {
            let threshold = threshold.as_f64();
            if !(0.0..=1.0).contains(&threshold) {
                node.problem(problems, format!("threshold must be between 0 and 1, found {threshold}"));
            }
            let positive = classes.iter().position(|class| class == name).unwrap_or_else(|| {
                node.problem(problems, format!("positive must be one of the classes, found {name:?}"));
                0
            });
            DecisionRule::Threshold { positive, threshold }
        }
        _ => {
            node.problem(problems, "positive and threshold belong together: give both, or neither");
            DecisionRule::Greatest
        }
    }
}
