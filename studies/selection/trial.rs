//! One data set: calibrate as `candor calibrate` does by default, then measure the answers on new rows.

use candor::domain::{
    calibration::{BINS, ClassificationOptions, ClassificationRows, calibrate_classifier},
    contract::DecisionRule,
    random::SplitMix64,
    tensor::ElementType,
    uncertainty::{CalibrationRule, ScoreKind, Scores},
};

use crate::datasets::{Recipe, Rows, draw, shifts};

/// New rows, whose true probabilities are known, so that few are enough.
const NEW_ROWS: usize = 2000;

/// What became of one data set.
pub(crate) struct Trial {
    /// The method selected.
    pub(crate) method: String,
    /// The true calibration error of the model's own confidence, and of the calibrated one.
    pub(crate) before: f64,
    pub(crate) after: f64,
    /// Whether the report says that the uncertainty is outside of chance, before and after.
    pub(crate) said_before: bool,
    pub(crate) said_after: bool,
}

pub(crate) fn run(recipe: Recipe, seed: u64) -> Trial {
    let mut random = SplitMix64::new(seed.wrapping_mul(0x9e37_79b9) ^ ((recipe.rows * 64 + recipe.classes) as u64));
    let shifts = shifts(recipe, &mut random);
    let held_out = draw(recipe, recipe.rows, &shifts, &mut random);
    let new = draw(recipe, NEW_ROWS, &shifts, &mut random);
    let rows = ClassificationRows {
        classes: (0..recipe.classes).map(|class| class.to_string()).collect(),
        kind: ScoreKind::Probabilities,
        scores: held_out.reported.concat(),
        labels: held_out.labels,
        decision: DecisionRule::Greatest,
        element: ElementType::F64,
        draws: Vec::new(),
        groups: None,
    };
    let (rule, report) = calibrate_classifier(&rows, ClassificationOptions::default()).expect("a calibration");
    let CalibrationRule::Classification { probabilities, confidence, .. } = &rule else { panic!("a classification") };
    let before = new.reported.clone().into_iter().map(|row| (largest(&row), row));
    let before = before.map(|(class, row)| (class, row[class])).collect();
    let after = new.reported.iter().map(|row| {
        let calibrated = probabilities.apply(Scores { kind: ScoreKind::Probabilities, values: row }).0;
        let class = largest(&calibrated);
        (class, confidence.as_ref().map_or(calibrated[class], |map| map.apply(calibrated[class]).0))
    });
    let chosen = report.candidates.iter().rfind(|candidate| candidate.chosen).expect("a method");
    let said = |metrics: &Option<candor::domain::uncertainty::ProbabilityMetrics>| {
        metrics.as_ref().is_some_and(candor::domain::uncertainty::ProbabilityMetrics::is_miscalibrated)
    };
    Trial {
        method: chosen.method.clone(),
        before: true_error(&new, before),
        after: true_error(&new, after.collect()),
        said_before: said(&report.before),
        said_after: said(&report.after),
    }
}

fn largest(row: &[f64]) -> usize {
    (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
}

/// The expected calibration error over equal-mass bins, against the true probability that each answer is right.
fn true_error(rows: &Rows, answers: Vec<(usize, f64)>) -> f64 {
    let mut pairs: Vec<(f64, f64)> =
        answers.into_iter().zip(&rows.truth).map(|((class, confidence), truth)| (confidence, truth[class])).collect();
    pairs.sort_by(|left, right| left.0.total_cmp(&right.0));
    let edge = |bin: usize| bin * pairs.len() / BINS;
    let gap = |part: &[(f64, f64)]| part.iter().map(|(claimed, truth)| claimed - truth).sum::<f64>().abs();
    (0..BINS).map(|bin| gap(&pairs[edge(bin)..edge(bin + 1)])).sum::<f64>() / pairs.len() as f64
}
