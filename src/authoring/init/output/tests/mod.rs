//! Which roles are decided, and what the refusals say.

mod classifications;
mod regressions;

use super::*;
use crate::{
    authoring::init::options::QuantileOption,
    domain::{
        signature::{OutputSpec, TensorSpec},
        tensor::{Buffer, ElementType, Tensor},
    },
};

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
        Err(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

fn float(name: &str, columns: usize) -> OutputSpec {
    tensor(name, ElementType::F32, &[None, Some(columns)])
}

fn held(values: &[f32]) -> Tensor {
    Tensor { shape: vec![1, values.len()], buffer: Buffer::F32(values.to_vec()) }
}

/// Rows of float outputs: for each row, the values of each output.
fn rows_of(rows: &[&[&[f32]]]) -> Vec<Vec<Tensor>> {
    rows.iter().map(|row| row.iter().map(|values| held(values)).collect()).collect()
}

fn options(change: impl FnOnce(&mut InitOptions)) -> InitOptions {
    let mut options = InitOptions::default();
    change(&mut options);
    options
}

/// What is decided for a table with a target of many numbers, or each refusal, one per line.
fn decided(outputs: &[OutputSpec], rows: &[&[&[f32]]], change: impl FnOnce(&mut InitOptions)) -> String {
    let signature = Signature { inputs: Vec::new(), outputs: outputs.to_vec() };
    let observed = OutputColumns { rows: rows_of(rows), target: None, has_target: true };
    match assign_output_roles(&signature, &observed, &options(change)) {
        Ok((output, notes)) => format!("{output}\n{}", notes.join("\n")),
        Err(problems) => problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"),
    }
}

fn levels(output: Option<&str>, levels: &[f64]) -> QuantileOption {
    QuantileOption { output: output.map(str::to_owned), levels: levels.to_vec() }
}

fn assert_all(cases: &[(String, &[&str])]) {
    for (index, (found, expected)) in cases.iter().enumerate() {
        for expected in *expected {
            assert!(found.contains(expected), "case {index}\n  expected {expected}\n  found    {found}");
        }
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
            "can be interpreted in more than one way: p float32[?, 1]. Choose one with --task classification --classes \
             0,1, --task regression or --task tensors",
        ),
        (
            three(vec![scores(1)], one(7.0), &["0", "1"], &binary),
            "does not hold class probabilities: values from 7 to 7. Pass --logits p if",
        ),
        (three(vec![scores(1)], one(0.7), &["0", "1"], &binary), "\"probabilities\":{\"tensor\":\"p\"}"),
        (
            three(vec![scores(3)], vec![vec![row(0, &[3.0, -1.0, 0.5]).remove(1)]], &["a", "b", "c"], &classify),
            "does not hold class probabilities: values from -1 to 3, rows that sum to 2.5 to 2.5. Pass --logits p if",
        ),
        (three(vec![scores(3)], Vec::new(), &[], &none), "{\"task\":\"tensors\"}"),
        (
            three(vec![label(), scores(3)], vec![row(0, &[2.2, 1.1, -0.2])], &["0", "1", "2"], &none),
            "does not hold class probabilities: values from -0.2 to 2.2, rows that sum to 3.1 to 3.1. Pass --logits p if",
        ),
        (three(vec![label(), scores(3)], distances(), &["0", "1", "2"], &none), "is the class with the lowest value"),
        (three(vec![label(), scores(3)], distances(), &["0", "1", "2"], &classify), "Pass --task tensors"),
    ];
    for (index, (found, expected)) in cases.iter().enumerate() {
        assert!(found.contains(expected), "case {index}: {found}");
    }
}

#[test]
fn flags_that_contradict_each_other_are_named_at_once() {
    let one = [float("p", 1)];
    let rows: &[&[&[f32]]] = &[&[&[0.5]]];
    assert_all(&[
        (
            decided(&one, rows, |options| {
                options.task = Some(Task::Classification);
                options.sigma = Some("p".into());
                options.value_column = Some(0);
            }),
            &[
                "--value-column belongs to --task regression, but --task classification was given, too: remove one",
                "--sigma belongs to --task regression, but --task classification was given, too: remove one of them",
            ],
        ),
        (
            decided(&one, rows, |options| {
                options.value = Some("p".into());
                options.classes = vec!["a".into(), "b".into()];
            }),
            &["--classes belongs to --task classification, but --value was given, too: remove one of them"],
        ),
        (
            decided(&one, rows, |options| {
                options.probabilities = Some("p".into());
                options.logits = Some("p".into());
                options.normalize = true;
            }),
            &[
                "--probabilities and --logits exclude each other: remove one of them",
                "--normalize is for --probabilities: softmax normalizes logits already",
            ],
        ),
        (
            decided(&one, rows, |options| {
                options.task = Some(Task::Tensors);
                options.members = Some("p".into());
            }),
            &["--members belongs to --task regression, but --task tensors was given, too"],
        ),
    ]);
}

#[test]
fn what_needs_no_rows_is_refused_without_them() {
    let unobserved = |outputs: &[OutputSpec], change: fn(&mut InitOptions)| decided(outputs, &[], change);
    assert_all(&[
        (
            unobserved(&[float("q", 3)], |options| options.task = Some(Task::Regression)),
            &["the output q float32[?, 3] has 3 columns"],
        ),
        (
            unobserved(&[float("p", 2)], |options| options.task = Some(Task::Classification)),
            &["the graph does not name its 2 classes: list their names in its order with --classes NAME,NAME"],
        ),
        (
            unobserved(&[float("p", 2)], |_| {}),
            &["Choose one with --task classification --classes NAME,NAME, --value-column N"],
        ),
    ]);
    let label = tensor("label", ElementType::I64, &[None]);
    assert!(unobserved(&[label, float("p", 2)], |_| {}).starts_with('{'), "the label may name the classes");
}
