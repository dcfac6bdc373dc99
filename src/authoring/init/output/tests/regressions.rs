//! Values, standard deviations, quantiles and members.

use super::{assert_all, decided, float, levels};
use crate::{authoring::init::options::InitOptions, domain::contract::Task};

#[test]
fn a_standard_deviation_is_known_by_its_name_only() {
    let pair = |second| [float("value", 1), float(second, 1)];
    let rows: &[&[&[f32]]] = &[&[&[3.0], &[0.5]], &[&[-1.0], &[0.0]]];
    assert_all(&[
        (
            decided(&pair("std"), rows, |_| {}),
            &[
                r#"{"task":"regression","value":{"tensor":"value"},"sigma":{"tensor":"std"}}"#,
                "the output std float32[?, 1] is taken as the standard deviation of the value, by its name",
            ],
        ),
        (
            decided(&pair("other"), rows, |_| {}),
            &["more than one output can hold the value of a regression: choose with --value value or --value other; \
                 and if one of them is the standard deviation, name it with --sigma value or --sigma other"],
        ),
        (
            decided(&pair("other"), rows, |options| options.sigma = Some("other".into())),
            &[r#""value":{"tensor":"value"},"sigma":{"tensor":"other"}"#],
        ),
        (
            decided(&pair("other"), rows, |options| options.value = Some("value".into())),
            &[r#"{"task":"regression","value":{"tensor":"value"}}"#, "the output other float32[?, 1] is not used"],
        ),
        (
            decided(&pair("variance"), rows, |_| {}),
            &[
                "variance float32[?, 1] is named as a variance, which is the square of a standard deviation: append Sqrt",
            ],
        ),
        (
            decided(&pair("variance"), rows, |options| options.sigma = Some("variance".into())),
            &[r#""sigma":{"tensor":"variance"}"#, "--sigma: variance float32[?, 1] is named as a variance"],
        ),
    ]);
}

#[test]
fn what_is_no_standard_deviation_is_refused() {
    let pair = |second| [float("value", 1), float(second, 1)];
    let rows: &[&[&[f32]]] = &[&[&[3.0], &[0.5]], &[&[-1.0], &[0.0]]];
    let negative: &[&[&[f32]]] = &[&[&[3.0], &[-0.5]]];
    let more = [float("value", 1), float("y_std", 1), float("hidden", 2)];
    let three: &[&[&[f32]]] = &[&[&[3.0], &[0.5], &[1.0, 2.0]]];
    assert_all(&[
        (
            decided(&pair("std"), negative, |_| {}),
            &["the output std float32[?, 1] holds -0.5, but sigma is a standard deviation, at least 0; to leave the \
               output out, name the value with --value value"],
        ),
        (
            decided(&pair("std"), negative, |options| options.value = Some("value".into())),
            &[
                r#"{"task":"regression","value":{"tensor":"value"}}"#,
                "the output std float32[?, 1] is named as a standard deviation, but holds -0.5: it is not sigma",
                "the output std float32[?, 1] is not used",
            ],
        ),
        (
            decided(&pair("std"), negative, |options| options.sigma = Some("std".into())),
            &["the output std float32[?, 1] holds -0.5, but sigma is a standard deviation, at least 0"],
        ),
        (
            decided(&more, three, |_| {}),
            &["choose with --value value or --value hidden; the outputs that no flag names are not used"],
        ),
        (
            decided(&more, three, |options| options.value = Some("value".into())),
            &[r#""sigma":{"tensor":"y_std"}"#, "the output hidden float32[?, 2] is not used"],
        ),
        (
            decided(&[float("v", 1), float("a_std", 1), float("b_std", 1)], &[&[&[1.0], &[1.0], &[1.0]]], |_| {}),
            &["more than one output is named as a standard deviation: choose with --sigma a_std or --sigma b_std"],
        ),
        (
            decided(&pair("std"), rows, |options| options.sigma = Some("sd".into())),
            &["--sigma: the graph has no output \"sd\"; did you mean \"std\"?; it has: value float32[?, 1]; std"],
        ),
        (
            decided(&[float("v", 1), float("s", 2)], &[&[&[1.0], &[1.0, 2.0]]], |options| {
                options.sigma = Some("s".into());
            }),
            &["--sigma: the output s float32[?, 2] has 2 columns"],
        ),
    ]);
}

#[test]
fn several_columns_are_never_resolved_in_silence() {
    let three = [float("q", 3)];
    let rising: &[&[&[f32]]] = &[&[&[1.0, 2.0, 4.0]], &[&[-1.0, 0.0, 2.0]]];
    let regression = |options: &mut InitOptions| options.task = Some(Task::Regression);
    assert_all(&[
        (
            decided(&three, rising, regression),
            &["the output q float32[?, 3] has 3 columns, and a regression predicts one number. Choose one with \
                 --value-column N (0 to 2) if each column is a target: several targets at once (multi-output, \
                 multi-step, joint) are not supported, so make one package per target; --quantiles LEVEL,LEVEL,LEVEL if \
                 the columns are quantiles; --members q if they are"],
        ),
        (
            decided(&three, rising, |_| {}),
            &[
                "the graph's outputs can be interpreted in more than one way: q float32[?, 3]. Choose one with --logits \
                 q --classes NAME,NAME,…, --value-column N (one package per target), --quantiles LEVEL,LEVEL,LEVEL, \
                 --members q or --task tensors",
            ],
        ),
        (
            decided(&three, rising, |options| options.value_column = Some(1)),
            &[r#""value":{"tensor":"q","column":1}"#, "column 1 of the output \"q\" is the predicted value"],
        ),
        (
            decided(&three, rising, |options| options.value_column = Some(3)),
            &["--value-column 3 does not exist: the output q float32[?, 3] has 3 columns, numbered from 0"],
        ),
    ]);
}

#[test]
fn quantiles_and_members_are_checked_against_the_rows() {
    let three = [float("q", 3)];
    let rising: &[&[&[f32]]] = &[&[&[1.0, 2.0, 4.0]], &[&[-1.0, 0.0, 2.0]]];
    let falling: &[&[&[f32]]] = &[&[&[4.0, 2.0, 1.0]]];
    let two = [float("my q", 2), float("r", 2)];
    let pairs: &[&[&[f32]]] = &[&[&[1.0, 2.0], &[3.0, 4.0]]];
    assert_all(&[
        (
            decided(&three, rising, |options| options.quantiles = Some(levels(None, &[0.05, 0.5, 0.95]))),
            &[
                r#"{"task":"regression","quantiles":{"tensor":"q","levels":[0.05,0.5,0.95]}}"#,
                "the median of the quantiles is the predicted value",
            ],
        ),
        (
            decided(&three, rising, |options| options.quantiles = Some(levels(None, &[0.05, 0.95]))),
            &["--quantiles lists 2 levels, but no output has 2 columns: q float32[?, 3]"],
        ),
        (
            decided(&three, rising, |options| options.quantiles = Some(levels(Some("q"), &[0.05, 0.95]))),
            &["--quantiles lists 2 levels, but the output q float32[?, 3] has 3 columns"],
        ),
        (
            decided(&three, rising, |options| options.quantiles = Some(levels(None, &[0.05, 0.6, 0.95]))),
            &["--quantiles: without the median (0.5), the value must be another output: name it with --value OUTPUT"],
        ),
        (
            decided(&three, falling, |options| options.quantiles = Some(levels(None, &[0.05, 0.5, 0.95]))),
            &["the columns of the output q float32[?, 3] do not rise with their levels in 1 of 1 rows"],
        ),
        (
            decided(&two, pairs, |options| options.quantiles = Some(levels(None, &[0.1, 0.9]))),
            &["more than one output has 2 columns: choose with --quantiles 'my q=0.1,0.9' or --quantiles r=0.1,0.9"],
        ),
    ]);
}

#[test]
fn members_and_widths_are_checked_against_the_rows() {
    let three = [float("q", 3)];
    let rising: &[&[&[f32]]] = &[&[&[1.0, 2.0, 4.0]], &[&[-1.0, 0.0, 2.0]]];
    let two = [float("my q", 2), float("r", 2)];
    let pairs: &[&[&[f32]]] = &[&[&[1.0, 2.0], &[3.0, 4.0]]];
    let regression = |options: &mut InitOptions| options.task = Some(Task::Regression);
    assert_all(&[
        (
            decided(&three, rising, |options| options.members = Some("q".into())),
            &[r#"{"task":"regression","members":{"tensor":"q"}}"#, "the mean of the columns of the output \"q\""],
        ),
        (
            decided(&[float("v", 1)], &[&[&[1.0]]], |options| options.members = Some("v".into())),
            &["--members: the output v float32[?, 1] has one column; an ensemble has one column per member"],
        ),
        (
            decided(&[float("v", 1)], &[&[&[1.0, 2.0]]], regression),
            &["the output v float32[?, 1] declares 1 columns, but each row has 2 values"],
        ),
        (
            decided(&two, pairs, |options| options.sigma = Some("r".into())),
            &["the output my q float32[?, 2] has 2 columns, and a regression predicts one number"],
        ),
        (
            decided(&two, pairs, |options| {
                options.sigma = Some("r".into());
                options.value_column = Some(1);
            }),
            &[r#""value":{"tensor":"my q","column":1},"sigma":{"tensor":"r","column":1}"#],
        ),
    ]);
}

#[test]
fn an_output_has_one_role() {
    let two = [float("m", 3), float("s", 1)];
    let rows: &[&[&[f32]]] = &[&[&[1.0, 2.0, 4.0], &[0.5]]];
    let members = |options: &mut InitOptions| options.members = Some("m".into());
    assert_all(&[
        (
            decided(&two, rows, |options| {
                options.value = Some("s".into());
                options.sigma = Some("s".into());
            }),
            &["--value and --sigma name the same output: each role needs its own"],
        ),
        (
            decided(&two, rows, |options| {
                members(options);
                options.quantiles = Some(levels(Some("m"), &[0.1, 0.5, 0.9]));
                options.sigma = Some("m".into());
            }),
            &[
                "--sigma and --quantiles name the same output",
                "--sigma and --members name the same output",
                "--quantiles and --members name the same output",
            ],
        ),
        (
            decided(&two, rows, |options| {
                members(options);
                options.value_column = Some(1);
                options.value = Some("m".into());
            }),
            &[r#""value":{"tensor":"m","column":1},"members":{"tensor":"m"}"#],
        ),
    ]);
}
