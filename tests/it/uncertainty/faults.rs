//! Rows that cannot be calibrated: each error names its row, what was found, and what would be right.

use candor::domain::{
    calibration::{
        ClassificationOptions, ClassificationRows, MethodChoice, RegressionOptions, RegressionRows, RowGroups,
        ScaleSource, calibrate_classifier, calibrate_regressor,
    },
    json::JsonValue,
    uncertainty::{ScoreKind, SetMethod},
};

/// Rows that can be calibrated, of this many classes.
fn good(classes: usize) -> ClassificationRows {
    let score = |row: usize, class: usize| if row % classes == class { 0.5 + 0.01 * row as f64 } else { 0.1 };
    ClassificationRows {
        decision: candor::domain::contract::DecisionRule::Greatest,
        element: candor::domain::tensor::ElementType::F64,
        classes: (0..classes).map(|class| format!("class {class}")).collect(),
        kind: ScoreKind::Probabilities,
        scores: (0..30).flat_map(|row| (0..classes).map(move |class| score(row, class))).collect(),
        labels: (0..30).map(|row| (row + usize::from(row % 5 == 0)) % classes).collect(),
        draws: vec![0.5; 30],
        groups: None,
    }
}

fn told(rows: &ClassificationRows, method: MethodChoice, sets: SetMethod) -> String {
    let options = ClassificationOptions { method, sets: Some(sets), ..ClassificationOptions::default() };
    calibrate_classifier(rows, options).map_or_else(|faults| faults.to_string(), |_| "nothing".to_owned())
}

#[test]
fn rows_of_a_classifier_are_checked() {
    type Change = fn(&mut ClassificationRows);
    let cases: [(Change, &str); 8] = [
        (|_| {}, "nothing"),
        (|rows| rows.labels.fill(1), "every row has the class \"class 1\": rows of at least two classes are needed"),
        (|rows| rows.scores[4] = f64::NAN, "row 3: the model returned NaN, which is not a finite number"),
        (
            |rows| rows.labels[2] = 7,
            "row 3: the target \"7\" is not a class of the contract; its classes are class 0, class 1",
        ),
        (|rows| rows.scores.fill(0.5), "the model returns the same output for all 30 rows"),
        (|rows| rows.scores.truncate(7), "there are 7 scores for 30 rows"),
        (
            |rows| {
                rows.scores.truncate(20);
                rows.labels.truncate(10);
            },
            "10 rows are too few: fitting probabilities (which the method uncalibrated does not) needs at least 20",
        ),
        (
            |rows| rows.groups = Some(RowGroups { feature: "f".into(), values: vec![], of_row: vec![] }),
            "there are 0 groups for 30 rows",
        ),
    ];
    for (change, expected) in cases {
        let mut rows = good(2);
        change(&mut rows);
        let found = told(&rows, MethodChoice::Auto, SetMethod::Lac);
        assert!(found.starts_with(expected), "{found:?} for {expected:?}");
    }
}

#[test]
fn methods_that_do_not_fit_the_rows_are_refused_by_name() {
    for (method, name) in [(MethodChoice::Isotonic, "isotonic"), (MethodChoice::VennAbers, "venn-abers")] {
        let found = told(&good(3), method, SetMethod::Lac);
        let expected =
            format!("{name} is for two classes, the contract has 3; use top-label-{name}, temperature, or auto");
        assert_eq!(found, expected);
        // One row of the second class: whichever part it falls into, the other has none.
        let mut rows = good(2);
        rows.labels.fill(0);
        rows.labels[0] = 1;
        let found = told(&rows, method, SetMethod::Lac);
        assert!(found.starts_with(&format!("{name} cannot be fitted: the rows")), "{found}");
        assert_eq!(told(&rows, MethodChoice::Auto, SetMethod::Lac), "nothing", "auto uses another method");
    }
    let mut grouped = good(2);
    grouped.groups = Some(RowGroups { feature: "f".into(), values: vec![JsonValue::Bool(true)], of_row: vec![0; 30] });
    assert_eq!(
        told(&grouped, MethodChoice::Auto, SetMethod::Aps),
        "groups require lac sets; aps does not support them"
    );
    let values = (0..30_u64).map(|row| JsonValue::Number(row.into())).collect();
    grouped.groups = Some(RowGroups { feature: "age".into(), values, of_row: (0..30).collect() });
    let found = told(&grouped, MethodChoice::Auto, SetMethod::Lac);
    assert!(found.starts_with("no value of \"age\" has the 9 rows that a quantile at coverage 0.9 needs"), "{found}");
    let mut undrawn = good(2);
    undrawn.draws.clear();
    assert_eq!(told(&undrawn, MethodChoice::Auto, SetMethod::Aps), "there are 0 draws for 30 rows");
}

#[test]
fn rows_of_a_regression_are_checked() {
    type Change = fn(&mut RegressionRows);
    let cases: [(Change, &str); 7] = [
        (|_| {}, "nothing"),
        (|rows| rows.targets[1] = f64::NAN, "row 2: the target must be a finite number; found NaN"),
        (|rows| rows.values[0] = f64::INFINITY, "row 1: the model returned inf, which is not a finite number"),
        (
            |rows| rows.values.fill(3.0),
            "the model returns the same output for all 10 rows: check that it is fed from the right columns",
        ),
        (|rows| rows.spread = ScaleSource::Sigma(vec![1.0; 3]), "there are 3 deviations for 10 rows"),
        (
            |rows| {
                rows.values.truncate(4);
                rows.targets.truncate(4);
            },
            "4 rows are too few: the calibration of a regression needs at least 5",
        ),
        (|rows| rows.targets.fill(f64::NAN), "row 1: the target must be a finite number; found NaN\nrow 2:"),
    ];
    for (change, expected) in cases {
        let mut rows = RegressionRows {
            values: (0..10).map(f64::from).collect(),
            targets: (0..10).map(|row| f64::from(row * row)).collect(),
            spread: ScaleSource::None,
            groups: None,
        };
        change(&mut rows);
        let found = calibrate_regressor(&rows, RegressionOptions::default());
        let found = found.map_or_else(|faults| faults.to_string(), |_| "nothing".to_owned());
        assert!(found.starts_with(expected), "{found:?} for {expected:?}");
    }
}

#[test]
fn many_faults_are_counted() {
    let rows = RegressionRows {
        values: (0..100).map(f64::from).collect(),
        targets: vec![f64::NAN; 100],
        spread: ScaleSource::None,
        groups: None,
    };
    let faults = calibrate_regressor(&rows, RegressionOptions::default()).expect_err("nothing but NaN");
    assert_eq!((faults.listed.len(), faults.total), (20, 100));
    assert!(faults.to_string().ends_with("and 80 more"));
}
