//! Probabilities, scores that need a flag, and targets.

use super::{assert_all, decided, float, held, options, row, tensor, three};
use crate::{
    authoring::init::options::InitOptions,
    domain::{
        contract::Task,
        tensor::{Buffer, ElementType, Tensor},
    },
};

#[test]
fn scores_that_prove_nothing_need_their_flag() {
    let three = [float("p", 3)];
    let sigmoids: &[&[&[f32]]] = &[&[&[0.9, 0.8, 0.1]], &[&[0.1, 0.2, 0.1]]];
    let zero: &[&[&[f32]]] = &[&[&[0.9, 0.8, 0.1]], &[&[0.0, 0.0, 0.0]]];
    let named = |options: &mut InitOptions| options.classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    let normalized = |options: &mut InitOptions| {
        named(options);
        (options.probabilities, options.normalize) = (Some("p".into()), true);
    };
    let refused = "the output p float32[?, 3] holds scores from 0 to 1 whose rows sum to 0.4 to 1.8, not to 1. If exactly \
                   one class is true per row, pass --probabilities p --normalize: each row is divided by its sum. If \
                   several labels can be true at once, this is multi-label classification, which Candor does not \
                   support: --task tensors returns the outputs unchanged, or export one model per label";
    assert_all(&[
        (decided(&three, sigmoids, named), &[refused]),
        (
            decided(&three, sigmoids, |options| {
                named(options);
                options.probabilities = Some("p".into());
            }),
            &[refused],
        ),
        (
            decided(&three, sigmoids, |options| options.task = Some(Task::Classification)),
            &[refused, "the graph does not name its 3 classes: list their names in its order with --classes NAME,NAME"],
        ),
        (
            decided(&three, sigmoids, normalized),
            &[
                r#""probabilities":{"tensor":"p","normalize":true}"#,
                "each row of p float32[?, 3] is divided by its sum (0.4 to 1.8)",
            ],
        ),
        (decided(&three, zero, normalized), &["--normalize needs scores from 0 to 1 with a sum above 0 in every row"]),
    ]);
}

#[test]
fn logits_are_told_from_probabilities() {
    let sound: &[&[&[f32]]] = &[&[&[0.7, 0.2, 0.1]]];
    let three = [float("p", 3)];
    let named = |options: &mut InitOptions| options.classes = ["a", "b", "c"].map(str::to_owned).to_vec();
    let logits = |options: &mut InitOptions| {
        options.classes = ["a", "b"].map(str::to_owned).to_vec();
        options.logits = Some("z".into());
    };
    assert_all(&[
        (
            decided(&three, sound, |options| {
                named(options);
                options.logits = Some("p".into());
            }),
            &["--logits: the output p float32[?, 3] holds probabilities already", "pass --probabilities p"],
        ),
        (
            decided(&[float("z", 1)], &[&[&[2.5]], &[&[-0.5]]], logits),
            &[
                r#""classes":["a","b"],"logits":{"tensor":"z"}"#,
                "Decision values (LinearSVC, SGDClassifier, RidgeClassifier) are scores, not log-odds: run `candor \
                 calibrate` before `uncertainty` means anything",
            ],
        ),
        (
            decided(&[float("z", 1)], &[&[&[2.5]]], |options| {
                logits(options);
                (options.logits, options.normalize) = (None, true);
            }),
            &["--normalize divides the scores of a row by their sum, but the output z float32[?, 1] has one column"],
        ),
        (
            decided(&[float("a", 2), float("b", 2)], &[&[&[1.0, 2.0], &[3.0, 4.0]]], |options| {
                options.task = Some(Task::Classification);
            }),
            &["more than one output can hold the scores of the classes: choose with --logits a or --logits b"],
        ),
        (
            decided(&[float("a", 2), float("b", 2)], &[&[&[1.0, 2.0], &[0.3, 0.7]]], |options| {
                options.classes = ["x", "y"].map(str::to_owned).to_vec();
            }),
            &[r#""probabilities":{"tensor":"b"}"#, "the output a float32[?, 2] is not used"],
        ),
    ]);
}

#[test]
fn a_target_is_read_as_by_the_calibration() {
    let label = || tensor("label", ElementType::I64, &[None]);
    let scores = || tensor("p", ElementType::F32, &[None, Some(2)]);
    let rows = || vec![row(0, &[0.7, 0.3]), row(1, &[0.2, 0.8])];
    let logits = options(|options| options.logits = Some("p".into()));
    let single = || {
        let row = |label, score: f32| vec![Tensor { shape: vec![1], buffer: Buffer::I64(vec![label]) }, held(&[score])];
        vec![row(0, -0.9), row(1, 0.2), row(1, 0.4)]
    };
    let against = || {
        let mut rows = single();
        for row in &mut rows {
            row[1] = held(&[-1.0]);
        }
        rows
    };
    let named = options(|options| options.classes = vec!["low".into(), "high".into()]);
    assert_all(&[
        (three(vec![label(), scores()], rows(), &["False", "True"], &InitOptions::default()), &["[\"0\",\"1\"]"]),
        (three(vec![label(), scores()], rows(), &["false", "true"], &InitOptions::default()), &["[\"0\",\"1\"]"]),
        (
            three(vec![label(), scores()], rows(), &["1", "true"], &InitOptions::default()),
            &["the target mixes class names (\"1\") and class numbers (\"true\")"],
        ),
        (
            three(vec![label(), scores()], rows(), &["Fair", "Very Good"], &InitOptions::default()),
            &["with --classes 'Fair,Very Good', if it was trained on them in that order"],
        ),
        (
            three(vec![label(), scores()], rows(), &["a,b", "c"], &InitOptions::default()),
            &["with --classes '\"a,b\",c', if it was trained"],
        ),
        (three(vec![label(), scores()], rows(), &["low", "high"], &named), &["[\"low\",\"high\"]"]),
        (
            three(vec![label(), float("p", 1)], single(), &["0", "1"], &logits),
            &[r#""logits":{"tensor":"p"},"label":{"tensor":"label"}"#],
        ),
        (
            three(vec![label(), float("p", 1)], single(), &["0", "1"], &InitOptions::default()),
            &["can be interpreted in more than one way: label int64[?]; p float32[?, 1]. Choose one with --logits p, \
               --task regression or --task tensors"],
        ),
        (three(vec![label(), float("p", 1)], against(), &["0", "1"], &logits), &["does not name its 2 classes"]),
    ]);
}
