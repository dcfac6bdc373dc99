//! Comparison with the truth: the labels of churn were sampled from known probabilities, so the model's probabilities
//! can be compared with them, on rows that neither model nor calibration has seen. `make churn-truth-report` measures the same with
//! all rows.

use candor::{
    authoring::Instances,
    dataset::{ReadOptions, Table},
    domain::{
        calibration::{ClassificationOptions, ClassificationRows, MethodChoice, calibrate_classifier, coverage_band},
        prediction::Outcome,
        uncertainty::{AssessContext, CalibrationRule, Coverage, ProbabilityMap, ScoreKind, Scores},
    },
    repository::{ModelSettings, VerifiedVersion, scan},
};

use crate::{authoring::loader, support::paths::root};

/// A row: the model's own scores, its calibrated answer, and the truth.
struct Row {
    scores: Vec<f64>,
    /// The calibrated probability of churning.
    served: f64,
    set: Vec<usize>,
    test: bool,
    /// Whether the subscriber left.
    left: usize,
    /// The true probability of churning.
    truth: f64,
}

/// Runs the bundled version on every row of the table, as a server does.
fn ask() -> Vec<Row> {
    let model = scan(&root().join("models/churn/1")).expect("a version").models.remove(0);
    let prepared = loader().verify_package(&model.name, &model.versions[0], &ModelSettings::default());
    let mut prepared = prepared.unwrap_or_else(|errors| panic!("{errors:?}"));
    let contract = prepared.contract.clone();
    let table = root().join("tests/fixtures/churn/held-out.csv");
    let table = Table::open(&table, &ReadOptions::default()).expect("a table");
    let column = |name: &str| -> Vec<String> {
        let instances = Instances::new(&table, &contract, Some(name)).expect("the column");
        instances.map(|instance| instance.expect("a row").target.text()).collect()
    };
    let (parts, labels, truths) = (column("part"), column("churned"), column("truth"));
    let instances = Instances::new(&table, &contract, None).expect("the columns");
    instances
        .enumerate()
        .map(|(at, instance)| {
            let features = contract.instance(&instance.expect("a row").values);
            let (scores, served, set) = answer(&mut prepared, &features);
            let left = usize::from(labels[at] == "churn");
            Row { scores, served, set, test: parts[at] == "test", left, truth: truths[at].parse().expect("a number") }
        })
        .collect()
}

fn answer(prepared: &mut VerifiedVersion, features: &candor::domain::json::JsonValue) -> (Vec<f64>, f64, Vec<usize>) {
    let inputs = prepared.admit(features).expect("it is admitted");
    let (outputs, row) = prepared.run(&[&inputs]).remove(0).expect("it runs");
    let (_, scores) = prepared.contract.scores(&outputs, row).expect("scores");
    let calibrated = prepared.calibrated.as_ref().expect("a calibration");
    let found = calibrated.assess(&prepared.contract, &outputs, row, AssessContext::default()).expect("an answer");
    let Outcome::Classification { probabilities, .. } = found.outcome else { panic!("a classification") };
    (scores, probabilities[1].as_f64(), found.assessment.prediction_set.expect("a set"))
}

fn distance(rows: &[&Row], probability: impl Fn(&Row) -> f64) -> f64 {
    rows.iter().map(|row| (probability(row) - row.truth).abs()).sum::<f64>() / rows.len() as f64
}

/// The scores of a model whose logits are multiplied.
fn distorted(row: &Row, factor: f64) -> Vec<f64> {
    let powers: Vec<f64> = row.scores.iter().map(|score| score.powf(factor)).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

fn fit(rows: &[&Row], factor: f64, method: MethodChoice) -> ProbabilityMap {
    let rows = ClassificationRows {
        decision: candor::domain::contract::DecisionRule::Greatest,
        element: candor::domain::tensor::ElementType::F64,
        classes: ["stay", "churn"].map(str::to_owned).to_vec(),
        kind: ScoreKind::Probabilities,
        scores: rows.iter().flat_map(|row| distorted(row, factor)).collect(),
        labels: rows.iter().map(|row| row.left).collect(),
        draws: Vec::new(),
        groups: None,
    };
    let made =
        calibrate_classifier(&rows, ClassificationOptions { method, sets: None, ..ClassificationOptions::default() })
            .expect("a calibration");
    let (CalibrationRule::Classification { probabilities, .. }, _) = made else { panic!("a classification") };
    probabilities
}

#[test]
fn calibrated_probabilities_are_near_the_true_ones() {
    let rows = ask();
    let (test, held): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.test);
    assert_eq!((held.len(), test.len()), (2000, 1000));
    let own = distance(&test, |row| row.scores[1]);
    let served = distance(&test, |row| row.served);
    assert!(own < 0.025 && served < 0.025 && served <= own + 1e-6, "{own} {served}");

    // The distribution for new rows, at the served coverage.
    let covered = test.iter().filter(|row| row.set.contains(&row.left)).count() as f64 / test.len() as f64;
    let (low, high) = coverage_band(Coverage::DEFAULT, 3334, test.len()).expect("a band");
    assert!((low..=high).contains(&covered), "{low} {covered} {high}");

    // An overconfident and an underconfident model: every method corrects both.
    for (factor, before) in [(2.0, 0.07), (0.5, 0.11)] {
        let found = distance(&test, |row| distorted(row, factor)[1]);
        assert!(found > before, "{factor}: {found}");
        for (method, after) in [
            (MethodChoice::Auto, 0.025),
            (MethodChoice::Temperature, 0.025),
            (MethodChoice::VennAbers, 0.033),
            (MethodChoice::Isotonic, 0.033),
        ] {
            let map = fit(&held, factor, method);
            let kind = ScoreKind::Probabilities;
            let after_all = distance(&test, |row| map.apply(Scores { kind, values: &distorted(row, factor) }).0[1]);
            assert!(after_all < after, "{factor} {method:?}: {after_all}");
        }
    }
}
