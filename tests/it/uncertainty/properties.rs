//! Properties for any scores: sets are nested as the level rises, the order of rows does not matter, and the edge cases
//! of no rows, one row and ties work.

use candor::domain::uncertainty::{
    AssessContext, CalibrationRule, Calibrator, Coverage, Intervals, Isotonic, ProbabilityMap, Quantiles,
    RegressionOutputs, ScoreKind, Scores, SetMethod, Sets, Temperature, VennAbers, aps_score, aps_set, cqr, cqr_score,
    lac_set, normalized, normalized_score, softmax, split, split_score,
};
use proptest::prelude::*;

use super::{calibration, numbered};

/// Scores with many ties.
fn scores() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(prop_oneof![(0..5_i32).prop_map(|step| f64::from(step) / 4.0), 0.0..1.0], 0..120)
}

fn probabilities() -> impl Strategy<Value = Vec<f64>> {
    prop::collection::vec(-6.0..6.0_f64, 2..6).prop_map(softmax)
}

fn bounds(quantiles: &Quantiles) -> Vec<f64> {
    Coverage::GRID.into_iter().map(|level| quantiles.at(level).expect("on the grid")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn quantiles_rise_and_know_no_order(scores in scores(), turn in 0_usize..100) {
        let quantiles = Quantiles::of(scores.clone());
        prop_assert!(bounds(&quantiles).is_sorted());
        let mut turned = scores.clone();
        turned.rotate_left(turn.min(scores.len()));
        prop_assert_eq!(&Quantiles::of(turned), &quantiles);
        for (level, bound) in Coverage::GRID.into_iter().zip(bounds(&quantiles)) {
            // The definition by counting: at least k scores are within the quantile, and fewer than k strictly below.
            match level.rank(scores.len()) {
                Some(rank) => {
                    prop_assert!(scores.iter().filter(|score| **score <= bound).count() >= rank);
                    prop_assert!(scores.iter().filter(|score| **score < bound).count() < rank);
                }
                None => prop_assert!(bound.is_infinite()),
            }
        }
    }

    #[test]
    fn sets_are_nested(p in probabilities(), draw in 0.0..1.0_f64, scores in scores()) {
        let quantiles = bounds(&Quantiles::of(scores));
        for make in [|p: &[f64], _: f64, q: f64| lac_set(p, q), aps_set] {
            let sets: Vec<Vec<usize>> = quantiles.iter().map(|quantile| make(&p, draw, *quantile)).collect();
            for pair in sets.windows(2) {
                prop_assert!(pair[0].iter().all(|class| pair[1].contains(class)), "{:?}", sets);
            }
            prop_assert_eq!(make(&p, draw, f64::INFINITY).len(), p.len());
            prop_assert!(make(&p, draw, f64::NEG_INFINITY).is_empty());
        }
    }

    #[test]
    fn aps_scores_part_the_unit(p in probabilities(), draw in 0.0..1.0_f64) {
        // The classes' intervals of the unit line follow each other without overlap.
        let mut starts: Vec<(f64, f64)> = (0..p.len()).map(|class| (aps_score(&p, 0.0, class), p[class])).collect();
        starts.sort_by(|left, right| left.0.total_cmp(&right.0));
        let mut next = 0.0;
        for (start, own) in starts {
            prop_assert!((start - next).abs() < 1e-9);
            next = start + own;
        }
        prop_assert!((next - 1.0).abs() < 1e-9);
        for class in 0..p.len() {
            let score = aps_score(&p, draw, class);
            prop_assert!(score >= aps_score(&p, 0.0, class));
            prop_assert!(aps_set(&p, draw, score).contains(&class), "a class's own score admits it");
            prop_assert!(!aps_set(&p, draw, score.next_down()).contains(&class), "and no smaller one does");
        }
    }

    #[test]
    fn intervals_are_nested_and_hold_what_scores_within(
        value in -1e6..1e6_f64, target in -1e6..1e6_f64, sigma in 0.0..1e3_f64, width in 0.0..1e3_f64, scores in scores(),
    ) {
        let quantiles = bounds(&Quantiles::of(scores.iter().map(|score| score * 1e3).collect()));
        let made: [&dyn Fn(f64) -> Option<(f64, f64)>; 3] =
            [&|q| split(value, q), &|q| normalized(value, sigma, q), &|q| cqr(value - width, value + width, q)];
        for make in made {
            for pair in quantiles.windows(2) {
                match (make(pair[0]), make(pair[1])) {
                    (Some((low, high)), Some((lower, higher))) => prop_assert!(lower <= low && high <= higher),
                    (None, Some(_)) => prop_assert!(false, "a higher level is bounded, a lower one is not"),
                    (_, None) => {}
                }
            }
        }
        let own = [
            (split(value, split_score(target, value)), "split"),
            (normalized(value, sigma, normalized_score(target, value, sigma)), "normalized"),
            (cqr(value - width, value + width, cqr_score(target, value - width, value + width)), "cqr"),
        ];
        // A target's own score puts it on the end of its interval, and recomputing the end rounds.
        let rounding = 4.0 * f64::EPSILON * (value.abs() + target.abs() + width);
        for (interval, name) in own {
            let holds = interval.is_none_or(|(low, high)| (low - rounding..=high + rounding).contains(&target));
            prop_assert!(holds, "{} {:?}", name, interval);
        }
    }

    #[test]
    fn groups_are_nested_too(few in scores(), many in scores()) {
        // Also if a group has its own bound at one level and uses the pooled one at the next.
        let rule = CalibrationRule::Regression {
            intervals: Intervals::SplitConformal,
            quantiles: Quantiles::of([few.clone(), many.clone()].concat()),
            groups: Some(numbered(&[few, many])),
        };
        let made = calibration(rule);
        for group in [Some(0), Some(1), None] {
            let of = AssessContext { group, features_hash: "" };
            let widths: Vec<f64> = Coverage::GRID.into_iter().map(|level| {
                let calibrator = Calibrator::new(&made, level).expect("on the grid");
                let found = calibrator.regress(RegressionOutputs::default(), of).expect("a regression");
                found.ends.map_or(f64::INFINITY, |(low, high)| high - low)
            }).collect();
            prop_assert!(widths.is_sorted(), "{:?} {:?}", group, widths);
        }
    }

    #[test]
    fn temperature_keeps_the_order_of_classes(p in probabilities(), temperature in 0.01..100.0_f64) {
        let found = Temperature { temperature, floor: 1e-9 }.apply(Scores { kind: ScoreKind::Probabilities, values: &p });
        prop_assert!((found.iter().sum::<f64>() - 1.0).abs() < 1e-9);
        for left in 0..p.len() {
            for right in 0..p.len() {
                prop_assert!(p[left] < p[right] || found[left] >= found[right]);
            }
        }
    }

    #[test]
    fn curves_and_tables_rise(rows in prop::collection::vec((0..20_i32, any::<bool>()), 1..60)) {
        let rows: Vec<(f64, bool)> = rows.into_iter().map(|(step, label)| (f64::from(step) / 19.0, label)).collect();
        let (curve, tables) = (Isotonic::fit(rows.iter().copied()), VennAbers::fit(rows.iter().copied()));
        let asked: Vec<f64> = (-2..42_i32).map(|step| f64::from(step) / 38.0).collect();
        prop_assert!(asked.iter().map(|score| curve.apply(*score)).is_sorted());
        let merged: Vec<f64> = asked.iter().map(|score| VennAbers::merge(tables.bounds(*score))).collect();
        prop_assert!(merged.is_sorted() && merged.iter().all(|p| (0.0..=1.0).contains(p)));
        let mut turned = rows.clone();
        turned.reverse();
        prop_assert_eq!(&Isotonic::fit(turned.iter().copied()), &curve);
        prop_assert_eq!(&VennAbers::fit(turned.into_iter()), &tables);
    }
}

#[test]
fn no_rows_and_one_row_bound_little() {
    let none = Quantiles::of(Vec::new());
    assert!(bounds(&none).iter().all(|bound| bound.is_infinite()));
    let one = bounds(&Quantiles::of(vec![0.25]));
    assert!((one[0] - 0.25).abs() < 1e-15 && one[1..].iter().all(|bound| bound.is_infinite()), "{one:?}");
    let intervals = Intervals::SplitConformal;
    let rule = CalibrationRule::Regression { intervals, quantiles: none.clone(), groups: None };
    let calibrator = Calibrator::new(&calibration(rule), Coverage::DEFAULT).expect("on the grid");
    let found = calibrator.regress(RegressionOutputs::default(), AssessContext::default()).expect("a regression");
    assert_eq!((found.ends, found.notices.len()), (None, 1));
    let rule = CalibrationRule::Classification {
        classes: vec!["a".into(), "b".into()],
        scores: ScoreKind::Probabilities,
        probabilities: ProbabilityMap::Uncalibrated,
        confidence: None,
        sets: Some(Sets { method: SetMethod::Lac, quantiles: none, groups: None }),
    };
    let calibrator = Calibrator::new(&calibration(rule), Coverage::DEFAULT).expect("on the grid");
    let scores = Scores { kind: ScoreKind::Probabilities, values: &[0.1, 0.9] };
    let found = calibrator.classify(scores, AssessContext::default()).expect("a classification");
    assert_eq!(found.set, Some(vec![0, 1]), "without a bound, all classes");
}

#[test]
fn a_level_off_the_grid_is_refused_with_the_grid() {
    let rule = CalibrationRule::Regression {
        intervals: Intervals::SplitConformal,
        quantiles: Quantiles::of(vec![1.0]),
        groups: None,
    };
    let refused = Calibrator::new(&calibration(rule), Coverage::new(0.42).expect("a level")).expect_err("off the grid");
    assert!(refused.0.contains("0.42") && refused.0.contains("0.5, 0.6"), "{refused}");
}
