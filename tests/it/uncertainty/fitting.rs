//! Fitting on rows whose truth is known: which method wins, what the report says, and how much closer to the truth the
//! probabilities get.

use candor::domain::{
    calibration::{
        ClassificationOptions, ClassificationRows, MethodChoice, RegressionOptions, RegressionRows, RowGroups,
        ScaleSource, calibrate_classifier, calibrate_regressor,
    },
    json::JsonValue,
    uncertainty::{
        CalibrationDocument, CalibrationRule, Coverage, Intervals, ProbabilityMap, Scale, ScoreKind, SetMethod, method,
    },
};

use super::calibration;

/// Reproducible uniform numbers: a Weyl sequence, as even as a grid and as unordered as random numbers.
fn uniform(row: usize, stream: usize) -> f64 {
    let step = [0.618_033_988_749_895, 0.414_213_562_373_095, 0.732_050_807_568_877][stream];
    ((row + 1) as f64 * step).fract()
}

/// Two classes with known probabilities, and a model that distorts them: logits times `sharpness`, plus `shift`.
fn two_classes(rows: usize, sharpness: f64, shift: f64) -> (ClassificationRows, Vec<f64>) {
    let truth: Vec<f64> = (0..rows).map(|row| 1.0 / (1.0 + (-6.0 * (uniform(row, 0) - 0.5)).exp())).collect();
    let model = |p: &f64| 1.0 / (1.0 + (-(sharpness * (p / (1.0 - p)).ln() + shift)).exp());
    let held_out = ClassificationRows {
        decision: candor::domain::contract::DecisionRule::Greatest,
        element: candor::domain::tensor::ElementType::F64,
        classes: vec!["stay".into(), "churn".into()],
        kind: ScoreKind::Probabilities,
        scores: truth.iter().map(model).flat_map(|p| [1.0 - p, p]).collect(),
        labels: truth.iter().enumerate().map(|(row, p)| usize::from(uniform(row, 1) < *p)).collect(),
        draws: (0..rows).map(|row| uniform(row, 2)).collect(),
        groups: None,
    };
    (held_out, truth)
}

fn chosen(rule: &CalibrationRule) -> &ProbabilityMap {
    match rule {
        CalibrationRule::Classification { probabilities, .. } => probabilities,
        CalibrationRule::Regression { .. } => panic!("a regression"),
    }
}

fn distance(rows: &ClassificationRows, truth: &[f64], map: &ProbabilityMap) -> f64 {
    let error = |(row, truth): (usize, &f64)| (map.apply(rows.scores(row)).0[1] - truth).abs();
    truth.iter().enumerate().map(error).sum::<f64>() / truth.len() as f64
}

#[test]
fn the_best_method_is_taken_and_the_others_are_told() {
    // Overconfident by a factor: one temperature corrects it exactly.
    let (rows, truth) = two_classes(2000, 3.0, 0.0);
    let (rule, report) = calibrate_classifier(&rows, ClassificationOptions::default()).expect("a calibration");
    let ProbabilityMap::Temperature(found) = chosen(&rule) else { panic!("{:?}", report.candidates) };
    assert!((found.temperature - 3.0).abs() < 0.5, "{found:?}");
    let names: Vec<&str> = report.candidates.iter().map(|candidate| candidate.method.as_str()).collect();
    let second = ["temperature", "top-label-beta", "top-label-venn-abers", "top-label-isotonic"];
    assert_eq!(names[..5], ["uncalibrated", "temperature", "beta", "venn-abers", "isotonic"]);
    assert_eq!(names[5..], second, "on all rows");
    let chosen_ones: Vec<&str> = report
        .candidates
        .iter()
        .filter(|candidate| candidate.chosen)
        .map(|candidate| candidate.method.as_str())
        .collect();
    assert_eq!(chosen_ones, ["temperature", "temperature"], "on the fitting rows, and on all rows");
    let (before, after) = (report.before.expect("measured"), report.after.expect("measured"));
    assert!(after.log_loss < before.log_loss && after.ece < before.ece && after.brier < before.brier);
    assert!(distance(&rows, &truth, chosen(&rule)) < 0.2 * distance(&rows, &truth, &ProbabilityMap::Uncalibrated));
    assert!(before.bins.len() == 15 && before.bins.iter().map(|bin| bin.rows).sum::<usize>() == 2000);

    // Trained on balanced classes, served on unbalanced ones: only a curve can shift the odds.
    let (rows, truth) = two_classes(2000, 1.0, 2.0);
    let (rule, report) = calibrate_classifier(&rows, ClassificationOptions::default()).expect("a calibration");
    assert!(matches!(chosen(&rule), ProbabilityMap::Beta(_)), "{:?}", report.candidates);
    assert!(distance(&rows, &truth, chosen(&rule)) < 0.3 * distance(&rows, &truth, &ProbabilityMap::Uncalibrated));
}

#[test]
fn a_method_that_is_asked_for_is_used() {
    let (rows, _) = two_classes(200, 2.0, 0.0);
    for method in MethodChoice::ALL {
        for sets in [None, Some(SetMethod::Lac), Some(SetMethod::Aps)] {
            let options = ClassificationOptions { method, sets, force: true };
            let (rule, report) = calibrate_classifier(&rows, options).expect("a calibration");
            let made = calibration(rule);
            assert!(method == MethodChoice::Auto || method::of(&made).split('+').next() == Some(method.as_str()));
            let halves = (report.fitted_rows, report.conformal_rows);
            let top_label = method.as_str().starts_with("top-label");
            let expected = match (method, sets) {
                (method, Some(_)) if method == MethodChoice::Uncalibrated || top_label => (0, 200),
                (method, None) if method == MethodChoice::Uncalibrated || top_label => (0, 0),
                (_, None) => (200, 0),
                (_, Some(_)) => (100, 100),
            };
            assert_eq!(halves, expected, "{method:?} {sets:?}");
            assert!(made.problems().is_empty());
        }
    }
}

#[test]
fn the_report_tells_how_each_level_covers() {
    let (rows, _) = two_classes(1000, 2.0, 0.0);
    let (_, report) = calibrate_classifier(&rows, ClassificationOptions::default()).expect("a calibration");
    for level in &report.levels {
        assert!((level.empirical - level.coverage.as_f64()).abs() < 0.06, "{level:?}");
        assert!(level.mean_size.is_some_and(|size| size > 0.0 && size <= 2.0), "{level:?}");
    }
    let sizes: Vec<f64> = report.levels.iter().filter_map(|level| level.mean_size).collect();
    assert!(sizes.is_sorted(), "{sizes:?}");
    let needed: Vec<usize> = report.levels.iter().map(|level| level.rows_needed).collect();
    assert_eq!(needed[5..7], [9, 19]);

    // 30 rows give no finite bound at 0.99, and the report says so.
    let (rows, _) = two_classes(30, 2.0, 0.0);
    let options = ClassificationOptions {
        method: MethodChoice::Uncalibrated,
        sets: Some(SetMethod::Lac),
        ..ClassificationOptions::default()
    };
    let (_, report) = calibrate_classifier(&rows, options).expect("a calibration");
    let last = report.levels.last().expect("a level");
    assert_eq!((last.coverage, last.mean_size, last.rows_needed), (Coverage::GRID[8], None, 99));
    assert!((last.unbounded - 1.0).abs() < 1e-12 && (last.empirical - 1.0).abs() < 1e-12);
}

fn noisy(rows: usize, spread: impl Fn(&[f64]) -> ScaleSource) -> RegressionRows {
    let sigma: Vec<f64> = (0..rows).map(|row| if row % 4 == 0 { 5.0 } else { 0.5 }).collect();
    let values: Vec<f64> = (0..rows).map(|row| 10.0 * uniform(row, 0)).collect();
    let noise = |row: usize| 2.0 * (uniform(row, 1) - 0.5) * sigma[row];
    RegressionRows {
        targets: values.iter().enumerate().map(|(row, value)| value + noise(row)).collect(),
        values,
        spread: spread(&sigma),
        groups: None,
    }
}

#[test]
fn a_regression_uses_what_its_model_says() {
    let quantiles = |sigma: &[f64]| ScaleSource::Quantiles {
        levels: (0.05, 0.95),
        lower: (0..sigma.len()).map(|row| 10.0 * uniform(row, 0) - 0.9 * sigma[row]).collect(),
        upper: (0..sigma.len()).map(|row| 10.0 * uniform(row, 0) + 0.9 * sigma[row]).collect(),
    };
    let width = |rows: &RegressionRows, expected: Intervals| {
        let (rule, report) = calibrate_regressor(rows, RegressionOptions::default()).expect("a calibration");
        assert!(matches!(rule, CalibrationRule::Regression { intervals, .. } if intervals == expected), "{rule:?}");
        report.levels[5].mean_size.expect("it is bounded")
    };
    let plain = width(&noisy(400, |_| ScaleSource::None), Intervals::SplitConformal);
    let sigma = noisy(400, |sigma| ScaleSource::Sigma(sigma.to_vec()));
    let own = width(&sigma, Intervals::NormalizedConformal { scale: Scale::Sigma });
    let members = noisy(400, |sigma| ScaleSource::Members(sigma.to_vec()));
    width(&members, Intervals::NormalizedConformal { scale: Scale::Members });
    let cqr = width(&noisy(400, quantiles), Intervals::Cqr { lower: 0.05, upper: 0.95 });
    assert!(
        own < 0.7 * plain && cqr < 0.7 * plain,
        "{plain} {own} {cqr}: a model that knows the noise has narrower intervals"
    );
    let (rule, _) =
        calibrate_regressor(&sigma, RegressionOptions { force_split_conformal: true }).expect("a calibration");
    assert!(matches!(rule, CalibrationRule::Regression { intervals: Intervals::SplitConformal, .. }));
}

#[test]
fn groups_get_their_own_quantiles_where_they_have_rows() {
    let mut rows = noisy(400, |_| ScaleSource::None);
    let values = ["calm", "wild", "rare"].map(|name| JsonValue::Text(name.into())).to_vec();
    let of_row = (0..400).map(|row| if row < 4 { 2 } else { usize::from(row % 4 == 0) }).collect();
    rows.groups = Some(RowGroups { feature: "sea".into(), values, of_row });
    let (rule, report) = calibrate_regressor(&rows, RegressionOptions::default()).expect("a calibration");
    let CalibrationRule::Regression { groups: Some(groups), .. } = &rule else { panic!("{rule:?}") };
    let at = |group: usize| groups.groups[group].quantiles.at(Coverage::DEFAULT).expect("on the grid");
    assert!(at(0) < 0.6 && at(1) > 3.0 && at(2).is_infinite(), "{} {} {}", at(0), at(1), at(2));
    let counts: Vec<usize> = report.groups.iter().map(|group| group.rows).collect();
    assert_eq!(counts, [297, 99, 4]);
    for group in &report.groups[..2] {
        assert!((group.levels[5].empirical - 0.9).abs() < 0.06, "{group:?}");
    }
}

#[test]
fn a_calibration_is_the_same_every_time_and_reads_back() {
    let (rows, _) = two_classes(300, 2.0, 0.5);
    for method in MethodChoice::ALL {
        let options = ClassificationOptions { method, sets: Some(SetMethod::Lac), force: true };
        let (rule, report) = calibrate_classifier(&rows, options).expect("a calibration");
        assert_eq!(calibrate_classifier(&rows, options), Ok((rule.clone(), report.clone())));
        let written = CalibrationDocument { report, ..calibration(rule) };
        let text = serde_json::to_string(&written).expect("JSON");
        let read: CalibrationDocument = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(read, written);
    }
}
