//! Coverage by simulation. With n scores and the k-th smallest as the bound, the number of covered rows among m new
//! ones has, over all samples, the beta-binomial distribution with a = k, b = n + 1 − k (Vovk 2012). Not only the mean
//! must match, the spread must too.

#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts and draws are small")]

use candor::domain::{
    calibration::{ClassificationOptions, ClassificationRows, calibrate_classifier},
    random::SplitMix64,
    uncertainty::{
        AssessContext, CalibrationRule, Calibrator, Coverage, Intervals, Quantiles, RegressionOutputs, Scale,
        ScoreKind, Scores, aps_score, aps_set, cqr, cqr_score, lac_score, lac_set, normalized, normalized_score,
        softmax, split, split_score,
    },
};

use super::{calibration, numbered};

const LEVELS: [f64; 4] = [0.8, 0.9, 0.95, 0.99];
const ROWS: [usize; 6] = [5, 19, 50, 99, 400, 2000];
const RESPLITS: usize = 1000;
const NEW_ROWS: usize = 20;

/// The same seed in every run.
struct Draws(SplitMix64);

impl Draws {
    fn uniform(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn index(&mut self, below: usize) -> usize {
        ((self.uniform() * below as f64) as usize).min(below - 1)
    }

    fn normal(&mut self) -> f64 {
        // Box–Muller; 1 − u keeps the logarithm finite.
        (-2.0 * (1.0 - self.uniform()).ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }
}

/// The beta-binomial distribution: the probability of each count of covered rows among `m`.
fn law(rank: usize, rows: usize, m: usize) -> Vec<f64> {
    let (a, b) = (rank as f64, (rows + 1 - rank) as f64);
    let mut probability: f64 = (0..m).map(|i| (b + i as f64) / (a + b + i as f64)).product();
    let mut law = vec![probability];
    for count in 0..m {
        let j = count as f64;
        probability *= (m as f64 - j) * (j + a) / ((j + 1.0) * (m as f64 - j - 1.0 + b));
        law.push(probability);
    }
    law
}

/// Compares the counts of covered rows with the distribution: the whole empirical distribution lies within the band
/// that 1,000 samples leave only once in a million (Dvoretzky, Kiefer, Wolfowitz; Massart 1990), and the mean lies
/// within five standard errors.
fn hold(name: &str, counts: &[usize], rows: usize, coverage: Coverage) {
    let Some(rank) = coverage.rank(rows) else {
        assert!(
            counts.iter().all(|count| *count == NEW_ROWS),
            "{name} {coverage:?} {rows}: without a bound everything is covered"
        );
        return;
    };
    let law = law(rank, rows, NEW_ROWS);
    assert!((law.iter().sum::<f64>() - 1.0).abs() < 1e-9);
    let total = counts.len() as f64;
    let band = ((2.0_f64 / 1e-6).ln() / (2.0 * total)).sqrt();
    let (mut expected, mut found) = (0.0, 0.0);
    for (count, probability) in law.iter().enumerate() {
        expected += probability;
        found += counts.iter().filter(|other| **other == count).count() as f64 / total;
        assert!((expected - found).abs() < band, "{name} {coverage:?} {rows}: P(≤ {count}) is {found}, not {expected}");
    }
    let mean: f64 = law.iter().enumerate().map(|(count, p)| count as f64 * p).sum();
    let variance: f64 = law.iter().enumerate().map(|(count, p)| (count as f64 - mean).powi(2) * p).sum();
    let average = counts.iter().sum::<usize>() as f64 / total;
    let error = (variance / total).sqrt();
    assert!((average - mean).abs() < 5.0 * error, "{name} {coverage:?} {rows}: {average} covered, not {mean}");
    assert!(mean / NEW_ROWS as f64 >= coverage.as_f64() - 1e-12, "the distribution itself has the coverage");
}

/// Rows sampled once and split again and again: `score` of each calibration row, `covered` of a new row at a quantile.
fn simulate(name: &str, seed: u64, pool: usize, score: impl Fn(usize) -> f64, covered: impl Fn(usize, f64) -> bool) {
    let mut draws = Draws(SplitMix64::new(seed));
    let scores: Vec<f64> = (0..pool).map(score).collect();
    for rows in ROWS {
        let mut counts = vec![Vec::with_capacity(RESPLITS); LEVELS.len()];
        for _ in 0..RESPLITS {
            // With replacement, from a pool so large that the rows are as good as newly sampled.
            let calibration: Vec<f64> = (0..rows).map(|_| scores[draws.index(pool)]).collect();
            let quantiles = Quantiles::of(calibration);
            let mut inside = [0; LEVELS.len()];
            for _ in 0..NEW_ROWS {
                let row = draws.index(pool);
                for (index, level) in LEVELS.into_iter().enumerate() {
                    let quantile = quantiles.at(Coverage::new(level).expect("a level")).expect("on the grid");
                    inside[index] += usize::from(covered(row, quantile));
                }
            }
            counts.iter_mut().zip(inside).for_each(|(counts, inside)| counts.push(inside));
        }
        for (index, level) in LEVELS.into_iter().enumerate() {
            hold(name, &counts[index], rows, Coverage::new(level).expect("a level"));
        }
    }
}

const POOL: usize = 50_000;

/// A regression whose spread depends on x, with a biased value and crude quantiles: the guarantee does not depend on
/// them.
fn regression_pool(seed: u64) -> Vec<(RegressionOutputs, f64)> {
    let mut draws = Draws(SplitMix64::new(seed));
    let row = |_| {
        let x = draws.uniform() * 4.0 - 2.0;
        let sigma = 0.2 + x.abs();
        let target = x.sin() + sigma * draws.normal();
        let value = x.sin() + 0.3;
        let band = Some((value - sigma, value + 0.5 * sigma));
        (RegressionOutputs { value, sigma: Some(sigma.sqrt()), spread: Some(sigma), band }, target)
    };
    (0..POOL).map(row).collect()
}

fn simulate_intervals(name: &str, seed: u64, intervals: Intervals) {
    let pool = regression_pool(seed);
    let score = |row: usize| {
        let (measured, target) = &pool[row];
        match intervals {
            Intervals::SplitConformal => split_score(*target, measured.value),
            Intervals::NormalizedConformal { .. } => {
                normalized_score(*target, measured.value, measured.sigma.expect("a sigma"))
            }
            Intervals::Cqr { .. } => {
                let (lower, upper) = measured.band.expect("a band");
                cqr_score(*target, lower, upper)
            }
        }
    };
    let covered = |row: usize, quantile: f64| {
        let (measured, target) = &pool[row];
        let ends = match intervals {
            Intervals::SplitConformal => split(measured.value, quantile),
            Intervals::NormalizedConformal { .. } => {
                normalized(measured.value, measured.sigma.expect("a sigma"), quantile)
            }
            Intervals::Cqr { .. } => {
                let (lower, upper) = measured.band.expect("a band");
                cqr(lower, upper, quantile)
            }
        };
        ends.is_none_or(|(low, high)| (low..=high).contains(target))
    };
    simulate(name, seed, POOL, score, covered);
}

#[test]
fn split_intervals_cover_as_the_law_says() {
    simulate_intervals("split", 1, Intervals::SplitConformal);
}

#[test]
fn normalized_intervals_cover_as_the_law_says() {
    simulate_intervals("normalized", 2, Intervals::NormalizedConformal { scale: Scale::Sigma });
}

#[test]
fn cqr_intervals_cover_as_the_law_says() {
    simulate_intervals("cqr", 3, Intervals::Cqr { lower: 0.2, upper: 0.8 });
}

/// Classes, and the probabilities of an overconfident model.
fn class_pool(seed: u64) -> Vec<(Vec<f64>, usize, f64)> {
    let mut draws = Draws(SplitMix64::new(seed));
    let row = |_| {
        let logits: Vec<f64> = (0..4).map(|_| draws.normal() * 1.5).collect();
        let truth = softmax(logits.clone());
        let place = draws.uniform();
        let mut sum = 0.0;
        let label = truth.iter().position(|p| {
            sum += p;
            place < sum
        });
        (softmax(logits.iter().map(|logit| logit * 2.0).collect()), label.unwrap_or(3), draws.uniform())
    };
    (0..POOL).map(row).collect()
}

#[test]
fn lac_sets_cover_as_the_law_says() {
    let pool = class_pool(4);
    let score = |row: usize| lac_score(&pool[row].0, pool[row].1);
    simulate("lac", 4, POOL, score, |row, quantile| lac_set(&pool[row].0, quantile).contains(&pool[row].1));
}

#[test]
fn aps_sets_cover_as_the_law_says() {
    let pool = class_pool(5);
    let score = |row: usize| aps_score(&pool[row].0, pool[row].2, pool[row].1);
    simulate("aps", 5, POOL, score, |row, quantile| {
        aps_set(&pool[row].0, pool[row].2, quantile).contains(&pool[row].1)
    });
}

#[test]
fn every_group_covers_as_the_law_says() {
    // Groups of very different spread with equal numbers of rows: a single quantile would fail for the widest.
    const SPREADS: [f64; 3] = [0.1, 1.0, 10.0];
    let mut draws = Draws(SplitMix64::new(6));
    let pool: Vec<f64> = (0..POOL).map(|_| draws.normal()).collect();
    for rows in [5, 19, 99, 2000] {
        let mut counts = vec![vec![vec![0; RESPLITS]; SPREADS.len()]; LEVELS.len()];
        for resplit in 0..RESPLITS {
            let groups = SPREADS.map(|spread| {
                (0..rows).map(|_| split_score(2.0 + pool[draws.index(POOL)] * spread, 2.0)).collect::<Vec<f64>>()
            });
            // No quantile over all rows, so that only the group's own can bound it.
            let (intervals, quantiles) = (Intervals::SplitConformal, Quantiles::of(Vec::new()));
            let calibration =
                calibration(CalibrationRule::Regression { intervals, quantiles, groups: Some(numbered(&groups)) });
            for (level, counts) in LEVELS.into_iter().zip(&mut counts) {
                let coverage = Coverage::new(level).expect("a level");
                let calibrator = Calibrator::new(&calibration, coverage).expect("on the grid");
                for (group, spread) in SPREADS.into_iter().enumerate() {
                    let of = AssessContext { group: Some(group), features_hash: "" };
                    let found = calibrator
                        .regress(RegressionOutputs { value: 2.0, ..RegressionOutputs::default() }, of)
                        .expect("intervals");
                    assert_eq!(found.method == "mondrian-split-conformal", coverage.rank(rows).is_some());
                    for _ in 0..NEW_ROWS {
                        let target = 2.0 + pool[draws.index(POOL)] * spread;
                        let covered = found.ends.is_none_or(|(low, high)| (low..=high).contains(&target));
                        counts[group][resplit] += usize::from(covered);
                    }
                }
            }
        }
        for (level, counts) in LEVELS.into_iter().zip(&counts) {
            let coverage = Coverage::new(level).expect("a level");
            for (group, counts) in counts.iter().enumerate() {
                hold(&format!("group {group}"), counts, rows, coverage);
            }
        }
    }
}

#[test]
fn the_whole_calibration_of_a_classifier_covers_as_the_law_says() {
    // With everything that is selected and fitted on the way: none of it may reduce the coverage.
    let pool = class_pool(7);
    let mut draws = Draws(SplitMix64::new(7));
    let rows = 60;
    let mut counts = vec![Vec::new(); LEVELS.len()];
    for _ in 0..300 {
        let chosen: Vec<usize> = (0..rows).map(|_| draws.index(POOL)).collect();
        let held_out = ClassificationRows {
            decision: candor::domain::contract::DecisionRule::Greatest,
            element: candor::domain::tensor::ElementType::F64,
            classes: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
            kind: ScoreKind::Probabilities,
            scores: chosen.iter().flat_map(|row| pool[*row].0.clone()).collect(),
            labels: chosen.iter().map(|row| pool[*row].1).collect(),
            draws: Vec::new(),
            groups: None,
        };
        let (rule, report) = calibrate_classifier(&held_out, ClassificationOptions::default()).expect("a calibration");
        assert_eq!((report.fitted_rows, report.conformal_rows), (30, 30));
        let CalibrationRule::Classification { probabilities, sets: Some(sets), .. } = rule else { panic!("no sets") };
        for (index, level) in LEVELS.into_iter().enumerate() {
            let quantile = sets.quantiles.at(Coverage::new(level).expect("a level")).expect("on the grid");
            let mut inside = 0;
            for _ in 0..NEW_ROWS {
                let (scores, label, _) = &pool[draws.index(POOL)];
                let found = probabilities.apply(Scores { kind: ScoreKind::Probabilities, values: scores }).0;
                inside += usize::from(lac_set(&found, quantile).contains(label));
            }
            counts[index].push(inside);
        }
    }
    for (index, level) in LEVELS.into_iter().enumerate() {
        hold("whole", &counts[index], rows / 2, Coverage::new(level).expect("a level"));
    }
}
