//! Temperature scaling (Guo et al. 2017): a single parameter that matches a classifier's confidence to its accuracy and
//! keeps the order of its classes.

use serde::{Deserialize, Serialize};

use super::{
    quantiles::InvalidCalibrationError,
    scores::{Scores, softmax},
};

/// The bounds of `1/T`. Beyond them the probabilities are flat, or 0 and 1, within the precision of a double.
const MIN_INVERSE: f64 = 1e-3;
const MAX_INVERSE: f64 = 1e3;

/// Enough bisection steps to shrink the bracket, which spans a factor of a million, below the precision of a double.
const MAX_STEPS: usize = 100;

/// The temperature T: probabilities are `softmax(z / T)` of the logits z, or of the logarithms of the probabilities.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Temperature {
    /// Above 1 if the model was overconfident.
    pub temperature: f64,
}

impl Temperature {
    /// Fits the temperature with the lowest log loss. `logits` has `classes` values per row, `labels` one class per
    /// row.
    ///
    /// In `β = 1/T` the loss, the mean of `log Σ exp(β z_c) − β z_y`, is convex: its slope is the mean of `E_β[z] −
    /// z_y` and increases (the curvature is the mean variance of z under `p_β`). The zero of the slope is bracketed and
    /// found by Newton's method, with bisection if a step leaves the bracket.
    ///
    /// If every row is correct, the loss has no minimum above `T = 0`, which would claim certainty. No number of
    /// correct predictions justifies that, so `T` is chosen such that the mean confidence is `(n + 1)/(n + 2)`,
    /// Laplace's rule of succession.
    pub fn fit(logits: &[f64], classes: usize, labels: &[usize]) -> Self {
        let rows: Vec<ScoreRow<'_>> =
            logits.chunks_exact(classes).zip(labels).map(|(values, label)| ScoreRow::new(values, *label)).collect();
        if rows.iter().all(|row| row.values.iter().all(|value| *value >= row.greatest)) {
            // All logits of each row are equal, so every temperature gives the same probabilities.
            return Self { temperature: 1.0 };
        }
        let inverse = if rows.iter().all(|row| row.truth >= row.greatest) {
            laplace_temperature(&rows)
        } else {
            least_loss(&rows)
        };
        Self { temperature: 1.0 / inverse }
    }

    /// The probabilities at this temperature.
    pub fn apply(self, scores: Scores<'_>) -> Vec<f64> {
        let mut logits = scores.logits();
        // Subtract before dividing, so that the division cannot overflow.
        let greatest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for logit in &mut logits {
            *logit = (*logit - greatest) / self.temperature;
        }
        softmax(logits)
    }

    pub(super) fn check(self) -> Result<(), InvalidCalibrationError> {
        if self.temperature.is_finite() && self.temperature > 0.0 {
            return Ok(());
        }
        Err(format!("temperature must be above 0; found {}", self.temperature).into())
    }
}

struct ScoreRow<'a> {
    values: &'a [f64],
    truth: f64,
    greatest: f64,
}

impl<'a> ScoreRow<'a> {
    fn new(values: &'a [f64], label: usize) -> Self {
        Self { values, truth: values[label], greatest: values.iter().copied().fold(f64::NEG_INFINITY, f64::max) }
    }

    /// The mass, mean and variance of `z − greatest` under `p_β`; the mass is relative to that of the greatest logit.
    fn moments(&self, inverse: f64) -> (f64, f64, f64) {
        let (mut mass, mut first, mut second) = (0.0, 0.0, 0.0);
        for value in self.values {
            let difference = value - self.greatest;
            let weight = (inverse * difference).exp();
            // Terms without weight add nothing, even if their square would overflow.
            if weight > 0.0 {
                mass += weight;
                first += weight * difference;
                second += weight * difference * difference;
            }
        }
        let mean = first / mass;
        (mass, mean, (second / mass - mean * mean).max(0.0))
    }
}

/// The slope and the curvature of the summed log loss at `β`.
fn slope(rows: &[ScoreRow<'_>], inverse: f64) -> (f64, f64) {
    rows.iter().fold((0.0, 0.0), |(slope, curvature), row| {
        let (_, mean, variance) = row.moments(inverse);
        (slope + mean - (row.truth - row.greatest), curvature + variance)
    })
}

fn least_loss(rows: &[ScoreRow<'_>]) -> f64 {
    let (mut low, mut high) = (MIN_INVERSE, MAX_INVERSE);
    if slope(rows, low).0 >= 0.0 {
        return low;
    }
    if slope(rows, high).0 <= 0.0 {
        return high;
    }
    let mut inverse = 1.0;
    for _ in 0..MAX_STEPS {
        let (gradient, curvature) = slope(rows, inverse);
        if gradient > 0.0 {
            high = inverse;
        } else {
            low = inverse;
        }
        let step = inverse - gradient / curvature;
        // The bracket spans orders of magnitude, so bisect it in logarithms.
        let next = if step > low && step < high { step } else { (low * high).sqrt() };
        if (next - inverse).abs() <= 1e-14 * inverse {
            return next;
        }
        inverse = next;
    }
    inverse
}

fn laplace_temperature(rows: &[ScoreRow<'_>]) -> f64 {
    let count = rows.len() as f64;
    let wanted = (count + 1.0) / (count + 2.0);
    let (mut low, mut high) = (MIN_INVERSE, MAX_INVERSE);
    for _ in 0..MAX_STEPS {
        let middle = (low * high).sqrt();
        let confidence: f64 = rows.iter().map(|row| 1.0 / row.moments(middle).0).sum();
        if confidence / count < wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    (low * high).sqrt()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::uncertainty::ScoreKind;

    #[test]
    fn the_answer_of_a_case_solved_by_hand() {
        // A logit gap of ln 3 claims 0.75; two of three rows are correct, so the optimum is 2/3: T = ln 3 / ln 2.
        let gap = 3_f64.ln();
        let logits = [gap, 0.0, gap, 0.0, gap, 0.0];
        let found = Temperature::fit(&logits, 2, &[0, 0, 1]);
        assert!((found.temperature - gap / 2_f64.ln()).abs() < 1e-12, "{found:?}");
        let probabilities = found.apply(Scores { kind: ScoreKind::Logits, values: &[gap, 0.0] });
        assert!((probabilities[0] - 2.0 / 3.0).abs() < 1e-12, "{probabilities:?}");
    }

    #[test]
    fn all_right_is_not_certainty() {
        let logits = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0];
        let found = Temperature::fit(&logits, 2, &[0, 1, 0]);
        let sure = found.apply(Scores { kind: ScoreKind::Logits, values: &[1.0, 0.0] })[0];
        assert!((sure - 0.8).abs() < 1e-9, "4 of 5: {sure}");
    }

    #[test]
    fn a_model_that_is_always_wrong_says_nothing() {
        let found = Temperature::fit(&[1.0, 0.0, 0.0, 1.0], 2, &[1, 0]);
        let flat = found.apply(Scores { kind: ScoreKind::Logits, values: &[1.0, 0.0] });
        assert!((flat[0] - 0.5).abs() < 1e-3, "{flat:?}");
        assert_eq!(Temperature::fit(&[0.5, 0.5, 0.5, 0.5], 2, &[0, 1]), Temperature { temperature: 1.0 });
    }

    #[test]
    fn huge_logits_are_survived() {
        let found = Temperature::fit(&[1e300, -1e300, 1e300, -1e300], 2, &[0, 1]);
        assert_eq!(found.check(), Ok(()));
        let probabilities = found.apply(Scores { kind: ScoreKind::Logits, values: &[1e300, -1e300] });
        assert!(probabilities.iter().all(|value| value.is_finite()), "{probabilities:?}");
    }
}
