//! Comparison with MAPIE, crepes, scikit-learn, scipy, netcal and venn-abers on the same rows. The vectors and the
//! script that makes them are in tests/vectors/uncertainty.

use std::fs;

use candor::domain::{
    calibration::{ClassificationOptions, ClassificationRows, MethodChoice, calibrate_classifier, coverage_band},
    uncertainty::{
        AssessContext, Beta, CalibrationRule, Calibrator, Coverage, Intervals, Isotonic, Quantiles, RegressionOutputs,
        Scale, ScoreKind, Scores, Temperature, VennAbers, aps_score, aps_set, cqr_score, lac_score, lac_set,
        normalized_score, softmax, split_score,
    },
};
use serde_json::Value;

use super::{calibration, numbered};
use crate::support::paths::root;

fn vectors(name: &str) -> Value {
    let path = root().join("tests/vectors/uncertainty").join(name);
    serde_json::from_str(&fs::read_to_string(path).expect("a vector")).expect("JSON")
}

fn floats(value: &Value) -> Vec<f64> {
    value.as_array().expect("a list").iter().map(|item| item.as_f64().expect("a number")).collect()
}

fn indices(value: &Value) -> Vec<usize> {
    let index = |item: &Value| usize::try_from(item.as_u64().expect("an index")).expect("small");
    value.as_array().expect("a list").iter().map(index).collect()
}

fn rows(value: &Value) -> Vec<Vec<f64>> {
    value.as_array().expect("a list").iter().map(floats).collect()
}

fn levels(vectors: &Value) -> Vec<Coverage> {
    floats(&vectors["levels"]).into_iter().map(|level| Coverage::new(level).expect("a level")).collect()
}

/// A regression served with these quantiles at one level.
fn calibrator(intervals: Intervals, scores: &[f64], groups: Option<&[usize]>, coverage: Coverage) -> Calibrator {
    let own = |of_row: &[usize], group: usize| {
        scores.iter().zip(of_row).filter(|(_, other)| **other == group).map(|(score, _)| *score).collect()
    };
    let groups = groups.map(|of_row| numbered(&[0, 1, 2].map(|group| own(of_row, group))));
    let quantiles = Quantiles::of(scores.to_vec());
    let calibration = calibration(CalibrationRule::Regression { intervals, quantiles, groups });
    Calibrator::new(&calibration, coverage).expect("it is on the grid")
}

/// One kind of interval: its method, the score of a calibration row, and whether it has groups.
type Kind<'a> = (&'a str, Intervals, &'a dyn Fn(usize) -> f64, bool);

#[test]
fn intervals_equal_those_of_mapie_and_crepes() {
    let vectors = vectors("regression.json");
    let column = |part: &str, name: &str| floats(&vectors[part][name]);
    let of = |name: &str| column("calibration", name);
    let (value, sigma, target) = (of("value"), of("sigma"), of("target"));
    let (lower, upper) = (of("lower"), of("upper"));
    let groups = indices(&vectors["calibration"]["group"]);
    let split = |row: usize| split_score(target[row], value[row]);
    let normalized = |row: usize| normalized_score(target[row], value[row], sigma[row]);
    let cqr = |row: usize| cqr_score(target[row], lower[row], upper[row]);
    let scale = Intervals::NormalizedConformal { scale: Scale::Sigma };
    let kinds: [Kind<'_>; 6] = [
        ("split", Intervals::SplitConformal, &split, false),
        ("split_crepes", Intervals::SplitConformal, &split, false),
        ("mondrian", Intervals::SplitConformal, &split, true),
        ("normalized", scale, &normalized, false),
        ("mondrian_normalized", scale, &normalized, true),
        ("cqr", Intervals::Cqr { lower: 0.1, upper: 0.9 }, &cqr, false),
    ];
    let (value, sigma) = (column("rows", "value"), column("rows", "sigma"));
    let (lower, upper) = (column("rows", "lower"), column("rows", "upper"));
    let group_of = indices(&vectors["rows"]["group"]);
    let mut compared = 0;
    for (name, intervals, score, grouped) in kinds {
        let scores: Vec<f64> = (0..target.len()).map(score).collect();
        for (index, coverage) in levels(&vectors).into_iter().enumerate() {
            let calibrator = calibrator(intervals, &scores, grouped.then_some(&groups[..]), coverage);
            for row in 0..value.len() {
                let measured = RegressionOutputs {
                    value: value[row],
                    sigma: Some(sigma[row]),
                    spread: None,
                    band: Some((lower[row], upper[row])),
                };
                let of = AssessContext { group: grouped.then_some(group_of[row]), features_hash: "" };
                let found = calibrator.regress(measured, of).expect("a regression");
                match &vectors[name][index][row] {
                    // crepes leaves such a group without a bound; candor uses the quantile of all rows and reports it.
                    Value::Null => assert!(grouped && !found.method.starts_with("mondrian"), "{name} {coverage:?}"),
                    expected => {
                        let (low, high) = found.ends.expect("it is bounded");
                        let mut expected = floats(expected);
                        if expected[0] > expected[1] {
                            // MAPIE lets the ends cross; candor lets them meet in the middle.
                            expected = vec![f64::midpoint(expected[0], expected[1]); 2];
                        }
                        let near = (low - expected[0]).abs() < 1e-12 && (high - expected[1]).abs() < 1e-12;
                        assert!(near, "{name} {coverage:?} row {row}: {low} {high} for {expected:?}");
                        compared += 1;
                    }
                }
            }
        }
    }
    assert!(compared > 1200, "{compared}");
}

#[test]
fn sets_equal_those_of_mapie() {
    let vectors = vectors("classification.json");
    let (calibration, asked) = (rows(&vectors["probabilities"]), rows(&vectors["rows"]));
    let labels = indices(&vectors["labels"]);
    let draws = floats(&vectors["aps_draws"]["calibration"]);
    let draws_asked = floats(&vectors["aps_draws"]["rows"]);
    let each = |score: &dyn Fn(usize) -> f64| Quantiles::of((0..labels.len()).map(score).collect());
    let lac = each(&|row| lac_score(&calibration[row], labels[row]));
    let aps = each(&|row| aps_score(&calibration[row], draws[row], labels[row]));
    for (index, coverage) in levels(&vectors).into_iter().enumerate() {
        for (row, probabilities) in asked.iter().enumerate() {
            let found = lac_set(probabilities, lac.at(coverage).expect("on the grid"));
            assert_eq!(found, indices(&vectors["lac"][index][row]), "lac {coverage:?} row {row}");
            let found = aps_set(probabilities, draws_asked[row], aps.at(coverage).expect("on the grid"));
            assert_eq!(found, indices(&vectors["aps"][index][row]), "aps {coverage:?} row {row}");
        }
    }
}

#[test]
fn the_temperature_equals_that_of_scipy_and_netcal() {
    let vectors = vectors("classification.json");
    let labels = indices(&vectors["labels"]);
    let fit = |kind: ScoreKind, rows: &[Vec<f64>]| {
        let scores = |values| Scores { kind, values };
        Temperature::fit(rows.iter().map(|row| scores(row)).zip(labels.iter().copied()))
    };
    let found = fit(ScoreKind::Logits, &rows(&vectors["logits"]));
    let expected = vectors["temperature"].as_f64().expect("a number");
    assert!((found.temperature - expected).abs() < 1e-6 * expected, "{found:?} for {expected}");
    // Log-probabilities give the same temperature: they equal the logits up to a constant per row.
    let again = fit(ScoreKind::Probabilities, &rows(&vectors["probabilities"]));
    // One row has a probability below 1e-7, which is clipped.
    assert!((again.temperature - found.temperature).abs() < 1e-4 * found.temperature, "{again:?} for {found:?}");
    // netcal minimises the same log loss in doubles (its prior is for its Bayesian methods only), by L-BFGS-B with scipy's
    // defaults, which stop at a gradient of 1e-5: at the inverse temperature 0.5671438, where 0.5671411 is least. That is
    // 2e-6 of a probability. One row has a probability below 1e-7, which candor clips and netcal does not: 3e-5.
    for (row, expected) in rows(&vectors["rows"]).iter().zip(rows(&vectors["netcal_probabilities"])) {
        let found = found.apply(Scores { kind: ScoreKind::Probabilities, values: row });
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 3e-5, "{found} for {expected}");
        }
    }
    let flat = softmax(vec![0.0; 4]);
    assert!(flat.iter().all(|value| (value - 0.25).abs() < 1e-15));
}

#[test]
fn the_report_equals_scikit_learn_and_numpy() {
    for name in ["classification.json", "binary.json"] {
        let vectors = vectors(name);
        let two = name == "binary.json";
        let labels = indices(&vectors["labels"]);
        let scores = if two {
            floats(&vectors["scores"]).into_iter().flat_map(|p| [1.0 - p, p]).collect()
        } else {
            rows(&vectors["probabilities"]).concat()
        };
        let rows = ClassificationRows {
            decision: candor::domain::contract::DecisionRule::Greatest,
            element: candor::domain::tensor::ElementType::F64,
            classes: (0..if two { 2 } else { 4 }).map(|class| class.to_string()).collect(),
            kind: ScoreKind::Probabilities,
            scores,
            labels,
            draws: Vec::new(),
            groups: None,
        };
        let options = ClassificationOptions { method: MethodChoice::Uncalibrated, ..ClassificationOptions::default() };
        let (_, report) = calibrate_classifier(&rows, options).expect("a calibration");
        let found = report.before.expect("measured");
        let near = |found: f64, name: &str| (found - vectors[name].as_f64().expect("a number")).abs() < 1e-12;
        assert!(near(found.log_loss, "log_loss") && near(found.brier, "brier"), "{name}: {found:?}");
        assert!(two || near(found.ece, "ece"), "{name}: {found:?}");
    }
}

#[test]
fn the_band_of_coverage_equals_that_of_scipy() {
    let cases = vectors("coverage.json")["cases"].clone();
    for case in rows(&cases) {
        let [count, level, new, low, high] = case[..] else { panic!("five numbers") };
        let coverage = Coverage::new(level).expect("a level");
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole numbers")]
        let found = coverage_band(coverage, count as usize, new as usize).expect("it is bounded");
        assert!((found.0 * new - low).abs() < 1e-6 && (found.1 * new - high).abs() < 1e-6, "{case:?}: {found:?}");
    }
}

#[test]
fn the_methods_for_two_classes_equal_scikit_learn_and_venn_abers() {
    let vectors = vectors("binary.json");
    let labels = indices(&vectors["labels"]);
    let pairs =
        || floats(&vectors["scores"]).into_iter().zip(labels.iter().map(|label| *label == 1)).collect::<Vec<_>>();
    let curve = Isotonic::fit(pairs().into_iter());
    let tables = VennAbers::fit(pairs().into_iter());
    let near = |left: f64, right: f64| (left - right).abs() < 1e-12;
    for (index, score) in floats(&vectors["asked"]).into_iter().enumerate() {
        let expected = vectors["isotonic"][index].as_f64().expect("a number");
        assert!(near(curve.apply(score), expected), "isotonic at {score}: {} for {expected}", curve.apply(score));
        let bounds = floats(&vectors["venn_abers"][index]);
        let (lower, upper) = tables.bounds(score);
        assert!(near(lower, bounds[0]) && near(upper, bounds[1]), "at {score}: {lower} {upper} for {bounds:?}");
        let merged = vectors["venn_abers_merged"][index].as_f64().expect("a number");
        assert!(near(VennAbers::merge((lower, upper)), merged), "at {score}");
    }
    assert_eq!(curve.scores, floats(&vectors["knots"]["scores"]));
}

#[test]
fn the_beta_curve_equals_that_of_scipy() {
    let cases = vectors("beta.json");
    for case in cases.as_array().expect("cases") {
        let positive =
            case["positive"].as_array().expect("labels").iter().map(|label| label.as_bool().expect("a label"));
        let curve = Beta::fit(floats(&case["scores"]).into_iter().zip(positive));
        for (score, expected) in floats(&case["grid"]).iter().zip(floats(&case["probabilities"])) {
            let found = curve.apply(*score);
            assert!((found - expected).abs() < 1e-6, "{} at {score}: {found} for {expected}", case["name"]);
        }
    }
}
