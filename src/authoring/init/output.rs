//! Infers the task and the class names from the signature and from the model's outputs for rows of the table. If
//! neither is conclusive, returns an error that names the flag to set.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::InitOptions;
use crate::{
    authoring::error::DecisionError,
    domain::{
        contract::{Labels, ProbabilitySummary, Task, label_text, numbers},
        signature::{OutputSpec, Signature, TensorSpec},
        tensor::{ElementType, Tensor},
    },
};

/// The outputs of the model for some rows: for each row, one tensor per output of the signature.
pub(super) struct OutputColumns {
    pub(super) rows: Vec<Vec<Tensor>>,
    /// The distinct values of the target in the whole table, if they can be listed; `None` without a target.
    pub(super) target: Option<BTreeSet<String>>,
    /// Whether a target was given.
    pub(super) has_target: bool,
}

/// Candidate outputs for each role, as indices.
struct OutputRoles {
    /// Class scores: `[N, C]`, or a map per row.
    matrix: Option<usize>,
    /// One float per row.
    value: Option<usize>,
    label: Option<usize>,
}

fn roles(signature: &Signature) -> OutputRoles {
    let find = |fits: &dyn Fn(&OutputSpec) -> bool| signature.outputs.iter().position(fits);
    let width = |spec: &OutputSpec| match spec {
        OutputSpec::ZipMap { .. } => None,
        OutputSpec::Tensor(TensorSpec { shape, .. }) => match shape.as_slice() {
            [_] | [_, Some(1)] => Some(1),
            [_, Some(columns)] => Some(*columns),
            _ => None,
        },
    };
    let map = find(&|spec| matches!(spec, OutputSpec::ZipMap { .. }));
    OutputRoles {
        matrix: map.or_else(|| find(&|spec| spec.element().is_float() && width(spec).is_some_and(|width| width > 1))),
        value: find(&|spec| spec.element().is_float() && width(spec) == Some(1)),
        label: find(&|spec| match spec {
            OutputSpec::Tensor(spec) => spec.element.is_integer() || spec.element == ElementType::Text,
            OutputSpec::ZipMap { .. } => false,
        }),
    }
}

/// Returns `x-output` and notes on what to check.
///
/// # Errors
/// Returns what is ambiguous or does not fit, usually with the flag that decides it.
pub(super) fn assign_output_roles(
    signature: &Signature,
    observed: &OutputColumns,
    options: &InitOptions,
) -> Result<(Value, Vec<String>), DecisionError> {
    let roles = roles(signature);
    let two = observed.has_target && observed.target.as_ref().is_some_and(|values| values.len() <= 2);
    let text_target = observed.target.iter().flatten().any(|value| value.parse::<f64>().is_err());
    let listed: Vec<String> = signature.outputs.iter().map(ToString::to_string).collect();
    let listed = listed.join("; ");
    let task = match (options.task, roles.matrix, roles.value, roles.label) {
        (Some(task), ..) => task,
        (None, Some(_), _, Some(_)) => Task::Classification,
        (None, _, Some(_), _) if !two && !text_target => Task::Regression,
        (None, None, None, _) => Task::Tensors,
        (None, Some(_), ..) if !observed.has_target => Task::Tensors,
        _ => {
            return Err(format!(
                "the graph's outputs can be interpreted in more than one way: {listed}. Choose one with --task \
                 classification, --task regression or --task tensors"
            )
            .into());
        }
    };
    match task {
        Task::Classification => {
            let scores = roles.matrix.or(roles.value);
            let scores = scores.ok_or_else(|| format!("no output can hold class probabilities: {listed}"))?;
            classification(signature, scores, roles.label, observed, options)
        }
        Task::Regression => {
            let value = roles.value.or(roles.matrix).map(|index| signature.outputs[index].name());
            let value = value.ok_or_else(|| format!("no output can hold the value of a regression: {listed}"))?;
            let notes = vec![format!("the output {value:?} is the predicted value: add its unit as x-output.unit")];
            Ok((json!({ "task": "regression", "value": { "tensor": value } }), notes))
        }
        Task::Tensors => {
            Ok((json!({ "task": "tensors" }), vec![format!("the outputs are passed on as they are: {listed}")]))
        }
    }
}

fn classification(
    signature: &Signature,
    scores: usize,
    label: Option<usize>,
    observed: &OutputColumns,
    options: &InitOptions,
) -> Result<(Value, Vec<String>), DecisionError> {
    let spec = &signature.outputs[scores];
    let rows: Vec<Vec<f64>> = observed.rows.iter().map(|row| numbers(&row[scores])).collect();
    let width = rows.first().map_or(0, Vec::len);
    let summary = ProbabilitySummary::of(spec.element(), rows.iter().map(Vec::as_slice));
    let probabilities = summary.are_probabilities();
    if width == 1 && !probabilities {
        return Err(format!(
            "the output {spec} holds values outside 0 to 1, which are not probabilities: append a sigmoid in the \
             graph, or pass --task regression"
        )
        .into());
    }
    if let Some(label) = label {
        follows(signature, (scores, label), observed, &rows)?;
    }
    if !probabilities && options.task.is_none() {
        return Err(format!(
            "the output {spec} does not hold class probabilities: {summary}. Pass --task tensors to return the outputs \
             unchanged, or --task classification if they are logits, which softmax turns into probabilities; calibrate \
             other scores to probabilities before the export (scikit-learn: CalibratedClassifierCV)"
        )
        .into());
    }
    let count = width.max(2);
    let seen = label.map(|label| labels(&observed.rows, label, &rows)).unwrap_or_default();
    let (classes, mut notes) = classes(spec, count, &seen, observed, options)?;
    if !probabilities {
        notes.push(format!("the output {spec} holds {summary}: it is interpreted as logits"));
    }
    let key = if probabilities { "probabilities" } else { "logits" };
    let mut output = json!({ "task": "classification", "classes": classes, key: { "tensor": spec.name() } });
    if let Some(label) = label {
        output["label"] = json!({ "tensor": signature.outputs[label].name() });
    }
    Ok((output, notes))
}

/// Returns an error if the arg max of the scores is not the graph's own label, as for distances.
fn follows(
    signature: &Signature,
    (scores, label): (usize, usize),
    observed: &OutputColumns,
    rows: &[Vec<f64>],
) -> Result<(), DecisionError> {
    let mut labels = Labels::default();
    for (row, values) in observed.rows.iter().zip(rows).filter(|(_, values)| values.len() > 1) {
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
        signature.outputs[scores], signature.outputs[label]
    )
    .into())
}

/// Returns the labels observed for each arg max of the scores.
fn labels(rows: &[Vec<Tensor>], label: usize, scores: &[Vec<f64>]) -> BTreeMap<usize, BTreeSet<String>> {
    let mut seen: BTreeMap<usize, BTreeSet<String>> = BTreeMap::new();
    for (row, scores) in rows.iter().zip(scores) {
        let greatest = match scores.as_slice() {
            [single] => Some(usize::from(*single > 0.5)),
            many => (0..many.len()).max_by(|left, right| many[*left].total_cmp(&many[*right])),
        };
        if let (Some(greatest), Some(label)) = (greatest, label_text(&row[label])) {
            seen.entry(greatest).or_default().insert(label);
        }
    }
    seen
}

/// Returns the class names in the graph's order, with notes.
fn classes(
    spec: &OutputSpec,
    count: usize,
    seen: &BTreeMap<usize, BTreeSet<String>>,
    observed: &OutputColumns,
    options: &InitOptions,
) -> Result<(Vec<String>, Vec<String>), DecisionError> {
    let graph = own_names(spec, count, seen, observed.target.as_ref());
    let target: Option<Vec<&str>> = observed.target.as_ref().map(|values| values.iter().map(String::as_str).collect());
    let target = target.filter(|_| observed.has_target);
    let suggestion = target.as_ref().filter(|values| values.len() == count).map_or_else(
        || "--classes NAME,NAME".to_owned(),
        |values| format!("--classes {}, if it was trained on them in that order", values.join(",")),
    );
    if !options.classes.is_empty() {
        if options.classes.len() != count {
            return Err(
                format!("--classes names {} classes, the output {spec} has {count}", options.classes.len()).into()
            );
        }
        let texts = graph.iter().flatten().any(|name| name.parse::<i64>().is_err());
        if let Some(names) = graph.filter(|names| texts && *names != options.classes) {
            return Err(format!(
                "--classes lists {}, but the graph itself names its classes {}",
                options.classes.join(","),
                names.join(",")
            )
            .into());
        }
        return Ok((options.classes.clone(), Vec::new()));
    }
    let Some(names) = graph else {
        return Err(format!(
            "the graph does not name its {count} classes: list their names in its order with {suggestion}"
        )
        .into());
    };
    if let Some(other) = target.iter().flatten().find(|value| !names.iter().any(|name| name == *value)) {
        return Err(format!(
            "the target holds {other:?}, but the graph names its classes {}: list their names in the graph's order \
             with {suggestion}",
            names.join(", ")
        )
        .into());
    }
    let numbered = names.iter().all(|name| name.parse::<i64>().is_ok());
    let note = format!("the classes are only numbered ({}): name them with --classes", names.join(", "));
    Ok((names, if numbered { vec![note] } else { Vec::new() }))
}

/// Returns the class names that the graph itself gives, if they are certain.
fn own_names(
    spec: &OutputSpec,
    count: usize,
    seen: &BTreeMap<usize, BTreeSet<String>>,
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tensor::Buffer;

    fn tensor(name: &str, element: ElementType, shape: &[Option<usize>]) -> OutputSpec {
        OutputSpec::Tensor(TensorSpec { name: name.to_owned(), element, shape: shape.to_vec() })
    }

    fn row(label: i64, scores: &[f32]) -> Vec<Tensor> {
        vec![
            Tensor { shape: vec![1], buffer: Buffer::I64(vec![label]) },
            Tensor { shape: vec![1, scores.len()], buffer: Buffer::F32(scores.to_vec()) },
        ]
    }

    fn three(outputs: Vec<OutputSpec>, rows: Vec<Vec<Tensor>>, target: &[&str], options: &InitOptions) -> String {
        let signature = Signature { inputs: Vec::new(), outputs };
        let values = target.iter().map(|value| (*value).to_owned()).collect();
        let observed = OutputColumns { rows, target: Some(values), has_target: !target.is_empty() };
        match assign_output_roles(&signature, &observed, options) {
            Ok((output, _)) => output.to_string(),
            Err(problem) => problem.0,
        }
    }

    #[test]
    fn what_is_certain_is_decided_and_the_rest_names_its_flag() {
        let label = || tensor("label", ElementType::I64, &[None]);
        let scores = |columns| tensor("p", ElementType::F32, &[None, Some(columns)]);
        let rows = || vec![row(0, &[0.7, 0.2, 0.1]), row(1, &[0.1, 0.8, 0.1])];
        let distances = || vec![row(1, &[3.4, 0.1, 5.0]), row(0, &[0.2, 3.0, 2.0]), row(2, &[3.0, 4.0, 0.5])];
        let skewed = || vec![row(3, &[0.7, 0.2, 0.1]), row(5, &[0.1, 0.8, 0.1])];
        let one = |value: f32| vec![vec![Tensor { shape: vec![1, 1], buffer: Buffer::F32(vec![value]) }]];
        let none = InitOptions::default();
        let named = InitOptions { classes: vec!["a".into(), "b".into(), "c".into()], ..InitOptions::default() };
        let classify = InitOptions { task: Some(Task::Classification), ..named.clone() };
        let binary =
            InitOptions { task: Some(Task::Classification), classes: vec!["no".into(), "yes".into()], ..none.clone() };
        let cases = [
            (three(vec![label(), scores(3)], rows(), &["0", "1", "2"], &none), "\"classes\":[\"0\",\"1\",\"2\"]"),
            (three(vec![label(), scores(3)], rows(), &[], &named), "\"classes\":[\"a\",\"b\",\"c\"]"),
            (three(vec![label(), scores(3)], rows(), &["x", "y", "z"], &none), "--classes x,y,z, if it was trained"),
            (three(vec![label(), scores(3)], skewed(), &["3", "5", "8"], &none), "\"classes\":[\"3\",\"5\",\"8\"]"),
            (three(vec![label(), scores(3)], skewed(), &[], &none), "does not name its 3 classes"),
            (three(vec![label(), scores(3)], rows(), &[], &binary), "--classes names 2 classes, the output"),
            (three(vec![scores(1)], one(7.0), &["1.5", "2.5", "7"], &none), "\"task\":\"regression\""),
            (
                three(vec![scores(1)], one(0.7), &["0", "1"], &none),
                "can be interpreted in more than one way: p float32[?, 1]. Choose",
            ),
            (three(vec![scores(1)], one(7.0), &["0", "1"], &binary), "which are not probabilities: append a sigmoid"),
            (three(vec![scores(1)], one(0.7), &["0", "1"], &binary), "\"probabilities\":{\"tensor\":\"p\"}"),
            (
                three(vec![scores(3)], vec![vec![row(0, &[3.0, -1.0, 0.5]).remove(1)]], &["a", "b", "c"], &classify),
                "\"logits\":{\"tensor\":\"p\"}",
            ),
            (three(vec![scores(3)], Vec::new(), &[], &none), "{\"task\":\"tensors\"}"),
            (
                three(vec![label(), scores(3)], vec![row(0, &[2.2, 1.1, -0.2])], &["0", "1", "2"], &none),
                "does not hold class probabilities: values from -0.2 to 2.2, rows that sum to 3.1 to 3.1. Pass --task",
            ),
            (
                three(vec![label(), scores(3)], distances(), &["0", "1", "2"], &none),
                "is the class with the lowest value",
            ),
            (three(vec![label(), scores(3)], distances(), &["0", "1", "2"], &classify), "Pass --task tensors"),
        ];
        for (index, (found, expected)) in cases.iter().enumerate() {
            assert!(found.contains(expected), "case {index}: {found}");
        }
    }
}
