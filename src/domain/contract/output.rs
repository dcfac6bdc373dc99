//! Reads `x-output`, the part of a contract that says which outputs of the graph make the prediction, and how.

use super::{
    regression::{AuxiliaryOutputs, read_regression},
    schema_reader::{ContractProblem, SchemaNode, did_you_mean},
};
use crate::domain::signature::{OutputSpec, Signature, TensorSpec};
use crate::domain::uncertainty::Coverage;

/// The kind of prediction that a model makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Task {
    /// One of several classes.
    Classification,
    /// A number, optionally with a unit.
    Regression,
    /// The outputs, unchanged.
    Tensors,
}

impl Task {
    /// Returns the name of the task in contract.json.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Classification => "classification",
            Self::Regression => "regression",
            Self::Tensors => "tensors",
        }
    }
}

/// The encoding of a classifier's scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ScoreEncoding {
    /// One probability per class.
    Probabilities,
    /// The probability of the second of two classes.
    PositiveProbability,
    /// One logit per class, or the logit of the second of two classes.
    Logits,
}

/// How a class is chosen.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum DecisionRule {
    /// The class with the greatest probability; the first one in a tie.
    Greatest,
    /// The positive class if its probability reaches a threshold, else the most probable other class.
    Threshold {
        /// The index of the positive class.
        positive: usize,
        /// The minimum probability of the positive class, in [0, 1].
        threshold: f64,
    },
}

/// How a regression's value is computed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PointEstimate {
    /// A column of the output.
    Column(usize),
    /// The mean of all columns, one per ensemble member.
    Mean,
}

/// The meaning of the outputs. `requested` names the graph outputs to fetch from a run; all others are ignored.
#[derive(Debug, Clone, PartialEq)]
pub enum OutputPlan {
    /// One of several classes.
    Classification {
        /// The class names, in the order of the graph's classes.
        classes: Vec<String>,
        /// The output that holds the scores.
        requested: [String; 1],
        /// The encoding of the scores.
        scores: ScoreEncoding,
        /// How the class is chosen.
        decision: DecisionRule,
        /// The output that holds the graph's own label. Checks compare it with the class; predictions do not use it.
        label: Option<String>,
    },
    /// A number.
    Regression {
        /// The output that holds the value, then the auxiliary outputs.
        requested: Vec<String>,
        /// How the value is computed from the first output.
        point: PointEstimate,
        /// The auxiliary outputs.
        auxiliary: AuxiliaryOutputs,
        /// The unit of the value.
        unit: Option<String>,
    },
    /// The outputs, unchanged.
    Tensors {
        /// All outputs; a `ZipMap` yields its values in the order of its keys.
        requested: Vec<String>,
    },
}

impl OutputPlan {
    /// Returns the task.
    pub fn task(&self) -> Task {
        match self {
            Self::Classification { .. } => Task::Classification,
            Self::Regression { .. } => Task::Regression,
            Self::Tensors { .. } => Task::Tensors,
        }
    }

    /// Returns the names of the graph outputs to fetch from a run.
    pub fn requested(&self) -> &[String] {
        match self {
            Self::Classification { requested, .. } => requested,
            Self::Regression { requested, .. } | Self::Tensors { requested } => requested,
        }
    }

    /// The unit of a regression's value.
    pub fn unit(&self) -> Option<&str> {
        match self {
            Self::Regression { unit, .. } => unit.as_deref(),
            _ => None,
        }
    }

    /// Returns the class names; empty unless the task is classification.
    pub fn classes(&self) -> &[String] {
        match self {
            Self::Classification { classes, .. } => classes,
            _ => &[],
        }
    }
}

/// Reads `x-output`. If it returns `None`, it has added a problem.
pub(super) fn read(
    node: &SchemaNode<'_>,
    signature: &Signature,
    problems: &mut Vec<ContractProblem>,
) -> Option<OutputPlan> {
    let Some(output) = node.child("x-output") else {
        node.problem(problems, "x-output is missing: it says what the graph's outputs mean");
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
pub(super) fn read_coverage(node: &SchemaNode<'_>, problems: &mut Vec<ContractProblem>) -> Option<Coverage> {
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

/// Finds the output that a member of the form `{"tensor": …}` names.
pub(super) fn find<'s>(
    node: &SchemaNode<'_>,
    key: &str,
    signature: &'s Signature,
    problems: &mut Vec<ContractProblem>,
) -> Option<&'s OutputSpec> {
    let member = node.child(key)?;
    member.deny_unknown(&["tensor", "column", "levels"], problems);
    let Some(name) = member.text("tensor", problems) else {
        member.problem(problems, "must be an object with the member \"tensor\"");
        return None;
    };
    let found = signature.outputs.iter().find(|spec| spec.name() == name);
    if found.is_none() {
        let known = signature.outputs.iter().map(OutputSpec::name);
        member.problem(problems, format!("the graph has no output {name:?}{}", did_you_mean(name, known)));
    }
    found
}

/// Returns the declared number of columns of an output: `Some(None)` if it is open, `None` if the output has more than
/// two dimensions.
#[expect(clippy::option_option, reason = "open and impossible are two different answers")]
pub(super) fn columns(spec: &OutputSpec) -> Option<Option<usize>> {
    match spec {
        OutputSpec::ZipMap { keys, .. } => Some(Some(keys.len()).filter(|count| *count > 0)),
        OutputSpec::Tensor(TensorSpec { shape, .. }) => match shape.as_slice() {
            [] | [_] => Some(Some(1)),
            [_, columns] => Some(*columns),
            _ => None,
        },
    }
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
    let single = columns(spec) == Some(Some(1)) && classes.len() == 2;
    match columns(spec) {
        Some(Some(found)) if found != classes.len() && !single => {
            node.problem(
                problems,
                format!("classes lists {} names, the output {spec} has {found} columns", classes.len()),
            );
        }
        None => node.problem(problems, format!("the output {spec} must have the dimensions [N, {}]", classes.len())),
        _ => {}
    }
    let scores = match key {
        "logits" => ScoreEncoding::Logits,
        _ if single => ScoreEncoding::PositiveProbability,
        _ => ScoreEncoding::Probabilities,
    };
    let decision = read_decision(node, &classes, problems);
    Some(OutputPlan::Classification { classes, requested: [spec.name().to_owned()], scores, decision, label })
}

fn read_decision(node: &SchemaNode<'_>, classes: &[String], problems: &mut Vec<ContractProblem>) -> DecisionRule {
    let positive = node.text("positive", problems);
    let threshold = node.number("threshold", problems);
    match (positive, threshold) {
        (None, None) => DecisionRule::Greatest,
        (Some(name), Some(threshold)) => {
            let threshold = threshold.as_f64();
            if !(0.0..=1.0).contains(&threshold) {
                node.problem(problems, format!("threshold must lie in 0 to 1, found {threshold}"));
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
