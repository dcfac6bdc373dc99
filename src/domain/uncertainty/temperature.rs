//! Temperature scaling (Guo et al. 2017): a single parameter that matches a classifier's confidence to its accuracy and
//! keeps the order of its classes.

use serde::{Deserialize, Serialize};

use super::{
    MIN_PROBABILITY, ScoreKind,
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
    /// The least probability of a class: a smaller one counts as this one. Estimated from the rows, for models that
    /// answer exact zeros, such as forests and nearest neighbours.
    pub floor: f64,
}

/// The least probability of a class for rows of probabilities, from how often the true class has none.
///
/// A zero at the true class has an infinite log loss, so any constant floor decides the fit alone. The estimate is the
/// share of rows whose true class is a zero (Krichevsky and Trofimov's, which is never 0), divided by the number of zeros
/// per row. It leaves the other probabilities as they are: it is at most their 5 % quantile.
fn zero_floor<'a>(rows: impl Iterator<Item = (Scores<'a>, usize)>) -> f64 {
    let (mut count, mut zeros, mut true_zeros) = (0.0, 0.0, 0.0);
    let mut others: Vec<f64> = Vec::new();
    for (scores, label) in rows.filter(|(scores, _)| scores.kind == ScoreKind::Probabilities) {
        let before = others.len();
        others.extend(scores.values.iter().filter(|value| **value > 0.0));
        count += 1.0;
        zeros += (scores.values.len() + before - others.len()) as f64;
        true_zeros += f64::from(u8::from(scores.values[label] <= 0.0));
    }
    if others.is_empty() {
        return MIN_PROBABILITY;
    }
    let place = others.len() / 20;
    let low = *others.select_nth_unstable_by(place, f64::total_cmp).1;
    if zeros > 0.0 { low.min((true_zeros + 0.5) / (count + 1.0) / (zeros / count)) } else { low.min(MIN_PROBABILITY) }
}

impl Temperature {
    /// Fits the temperature with the lowest log loss to rows of scores and class, all of one kind. `rows` must not be
    /// empty.
    ///
    /// In `β = 1/T` the loss, the mean of `log Σ exp(β z_c) − β z_y`, is convex: its slope is the mean of `E_β[z] −
    /// z_y` and increases (the curvature is the mean variance of z under `p_β`). The zero of the slope is bracketed and
    /// found by Newton's method, with bisection if a step leaves the bracket.
    ///
    /// If every row is correct, the loss has no minimum above `T = 0`, which would claim certainty. No number of
    /// correct predictions justifies that, so `T` is chosen such that the mean confidence is `(n + 1)/(n + 2)`,
    /// Laplace's rule of succession.
    pub fn fit<'a>(rows: impl Iterator<Item = (Scores<'a>, usize)> + Clone) -> Self {
        let floor = zero_floor(rows.clone());
        let rows: Vec<ScoreRow> = rows.map(|(scores, label)| ScoreRow::new(scores.logits(floor), label)).collect();
        if rows.iter().all(|row| row.values.iter().all(|value| *value >= row.greatest)) {
            // All logits of each row are equal, so every temperature gives the same probabilities.
            return Self { temperature: 1.0, floor };
        }
        let inverse = if rows.iter().all(|row| row.truth >= row.greatest) {
            laplace_temperature(&rows)
        } else {
            least_loss(&rows)
        };
        Self { temperature: 1.0 / inverse, floor }
    }

    /// The probabilities at this temperature.
    pub fn apply(self, scores: Scores<'_>) -> Vec<f64> {
        let mut logits = scores.logits(self.floor);
        // Subtract before dividing, so that the division cannot overflow.
        let greatest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        for logit in &mut logits {
            *logit = (*logit - greatest) / self.temperature;
        }
        softmax(logits)
    }

    pub(super) fn check(self) -> Result<(), InvalidCalibrationError> {
        if !(self.temperature.is_finite() && self.temperature > 0.0) {
            return Err(format!("temperature must be above 0; found {}", self.temperature).into());
        }
        if !(self.floor > 0.0 && self.floor < 1.0) {
            return Err(format!("floor must be between 0 and 1; found {}", self.floor).into());
        }
        Ok(())
    }
}

struct ScoreRow {
    values: Vec<f64>,
    truth: f64,
    greatest: f64,
}

impl ScoreRow {
    fn new(values: Vec<f64>, label: usize) -> Self {
        let greatest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Self { truth: values[label], greatest, values }
    }

    /// The mass, mean and variance of `z − greatest` under `p_β`; the mass is relative to that of the greatest logit.
    fn moments(&self, inverse: f64) -> (f64, f64, f64) {
        let (mut mass, mut first, mut second) = (0.0, 0.0, 0.0);
        for value in &self.values {
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
fn slope(rows: &[ScoreRow], inverse: f64) -> (f64, f64) {
    rows.iter().fold((0.0, 0.0), |(slope, curvature), row| {
        let (_, mean, variance) = row.moments(inverse);
        (slope + mean - (row.truth - row.greatest), curvature + variance)
    })
}

fn least_loss(rows: &[ScoreRow]) -> f64 {
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

fn laplace_temperature(rows: &[ScoreRow]) -> f64 {
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

    /// Fits a temperature to logits of two classes.
    fn fit(logits: &[f64], labels: &[usize]) -> Temperature {
        let scores = |values| Scores { kind: ScoreKind::Logits, values };
        Temperature::fit(logits.chunks(2).map(scores).zip(labels.iter().copied()))
    }

    #[test]
    fn the_answer_of_a_case_solved_by_hand() {
        // A logit gap of ln 3 claims 0.75; two of three rows are correct, so the optimum is 2/3: T = ln 3 / ln 2.
        let gap = 3_f64.ln();
        let logits = [gap, 0.0, gap, 0.0, gap, 0.0];
        let found = fit(&logits, &[0, 0, 1]);
        assert!((found.temperature - gap / 2_f64.ln()).abs() < 1e-12, "{found:?}");
        let probabilities = found.apply(Scores { kind: ScoreKind::Logits, values: &[gap, 0.0] });
        assert!((probabilities[0] - 2.0 / 3.0).abs() < 1e-12, "{probabilities:?}");
    }

    #[test]
    fn all_right_is_not_certainty() {
        let logits = [1.0, 0.0, 0.0, 1.0, 1.0, 0.0];
        let found = fit(&logits, &[0, 1, 0]);
        let sure = found.apply(Scores { kind: ScoreKind::Logits, values: &[1.0, 0.0] })[0];
        assert!((sure - 0.8).abs() < 1e-9, "4 of 5: {sure}");
    }

    #[test]
    fn a_model_that_is_always_wrong_says_nothing() {
        let found = fit(&[1.0, 0.0, 0.0, 1.0], &[1, 0]);
        let flat = found.apply(Scores { kind: ScoreKind::Logits, values: &[1.0, 0.0] });
        assert!((flat[0] - 0.5).abs() < 1e-3, "{flat:?}");
        assert_eq!(fit(&[0.5, 0.5, 0.5, 0.5], &[0, 1]).temperature.to_bits(), 1.0_f64.to_bits());
    }

    #[test]
    fn huge_logits_are_survived() {
        let found = fit(&[1e300, -1e300, 1e300, -1e300], &[0, 1]);
        assert_eq!(found.check(), Ok(()));
        let probabilities = found.apply(Scores { kind: ScoreKind::Logits, values: &[1e300, -1e300] });
        assert!(probabilities.iter().all(|value| value.is_finite()), "{probabilities:?}");
    }

    #[test]
    fn zeros_cost_what_they_cost_in_the_rows() {
        // Ten rows of five classes with three zeros each; the truth is a zero in one of them.
        let values = [0.75, 0.25, 0.0, 0.0, 0.0];
        let labels = [0, 0, 0, 0, 0, 0, 1, 1, 1, 2];
        let rows = labels.map(|label| (Scores { kind: ScoreKind::Probabilities, values: &values }, label));
        let floor = zero_floor(rows.into_iter());
        assert!((floor - 1.5 / 11.0 / 3.0).abs() < 1e-12, "{floor}");
        let found = Temperature::fit(rows.into_iter());
        assert!(found.apply(rows[0].0)[0] > 0.5, "one zero does not flatten everything: {found:?}");
        let none = [(Scores { kind: ScoreKind::Logits, values: &values }, 2)];
        assert_eq!(zero_floor(none.into_iter()).to_bits(), MIN_PROBABILITY.to_bits());
    }
}
