//! Vector scaling (Guo et al. 2017): a scale and a bias for each class, on the logarithms of the probabilities. Unlike a
//! temperature it corrects classes that are reported too often or too rarely.

use serde::{Deserialize, Serialize};

use super::{
    MIN_PROBABILITY, ScoreKind, Temperature,
    quantiles::InvalidCalibrationError,
    scores::{Scores, softmax},
};

/// The most classes: the fit solves a system of two equations per class.
pub(in crate::domain) const MAX_CLASSES: usize = 50;

/// Newton's method converges in a few steps; the bound only guarantees an end.
const MAX_STEPS: usize = 30;

/// Draws the parameters towards those of a temperature, with the weight of one row; without it the biases are determined
/// only up to a constant.
const RIDGE: f64 = 1.0;

/// The fitted scales and biases, one per class: probabilities are `softmax(scale · ln p + bias)`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VectorScaling {
    /// The scale of each class.
    pub scales: Vec<f64>,
    /// The bias of each class.
    pub biases: Vec<f64>,
    /// The least probability of a class, as for a temperature.
    pub floor: f64,
}

impl VectorScaling {
    /// Fits the scales and biases of the lowest log loss to rows of scores and class, starting from a temperature. `rows`
    /// must not be empty.
    pub fn fit<'a>(rows: impl Iterator<Item = (Scores<'a>, usize)> + Clone) -> Self {
        let start = Temperature::fit(rows.clone());
        let rows: Vec<(Vec<f64>, usize)> =
            rows.map(|(scores, label)| (log_probabilities(scores, start.floor), label)).collect();
        let classes = rows.first().map_or(0, |(values, _)| values.len());
        let origin: Vec<f64> =
            std::iter::repeat_n(1.0 / start.temperature, classes).chain(std::iter::repeat_n(0.0, classes)).collect();
        let weights = newton(&rows, &origin);
        let (scales, biases) = weights.split_at(classes);
        Self { scales: scales.to_vec(), biases: biases.to_vec(), floor: start.floor }
    }

    /// The probabilities of one row.
    pub fn apply(&self, scores: Scores<'_>) -> Vec<f64> {
        let logarithms = log_probabilities(scores, self.floor);
        let parameters = self.scales.iter().zip(&self.biases);
        softmax(logarithms.iter().zip(parameters).map(|(value, (scale, bias))| scale * value + bias).collect())
    }

    pub(super) fn check(&self, classes: usize) -> Result<(), InvalidCalibrationError> {
        if self.scales.len() != classes || self.biases.len() != classes {
            let (scales, biases) = (self.scales.len(), self.biases.len());
            return Err(format!(
                "vector-scaling needs a scale and a bias for each of {classes} classes; found {scales} and {biases}"
            )
            .into());
        }
        if !self.scales.iter().chain(&self.biases).all(|value| value.is_finite()) {
            return Err("the scales and biases of vector-scaling must be finite".to_owned().into());
        }
        if !(self.floor > 0.0 && self.floor < 1.0) {
            return Err(format!("floor must be between 0 and 1; found {}", self.floor).into());
        }
        Ok(())
    }
}

/// The logarithms of the probabilities. Logits are normalized first: a constant added to all of them must change nothing.
fn log_probabilities(scores: Scores<'_>, floor: f64) -> Vec<f64> {
    match scores.kind {
        ScoreKind::Probabilities => scores.logits(floor),
        ScoreKind::Logits => softmax(scores.values.to_vec())
            .into_iter()
            .map(|value| value.max(floor.min(MIN_PROBABILITY)).ln())
            .collect(),
    }
}

/// The probabilities of a row under these weights: scales, then biases.
fn predict(values: &[f64], weights: &[f64]) -> Vec<f64> {
    let (scales, biases) = weights.split_at(values.len());
    softmax(values.iter().zip(scales.iter().zip(biases)).map(|(value, (scale, bias))| scale * value + bias).collect())
}

/// The summed log loss, with the ridge.
fn loss(rows: &[(Vec<f64>, usize)], weights: &[f64], origin: &[f64]) -> f64 {
    let fit: f64 =
        rows.iter().map(|(values, label)| -predict(values, weights)[*label].max(f64::MIN_POSITIVE).ln()).sum();
    let ridge: f64 = weights.iter().zip(origin).map(|(weight, origin)| (weight - origin).powi(2)).sum();
    fit + RIDGE * ridge / 2.0
}

/// The weights of the lowest loss, by Newton's method with step halving.
fn newton(rows: &[(Vec<f64>, usize)], origin: &[f64]) -> Vec<f64> {
    let mut weights = origin.to_vec();
    let mut current = loss(rows, &weights, origin);
    for _ in 0..MAX_STEPS {
        let (gradient, hessian) = derivatives(rows, &weights, origin);
        let Some(step) = cholesky_solve(hessian, gradient) else { break };
        let mut share = 1.0;
        let next = loop {
            let next: Vec<f64> = weights.iter().zip(&step).map(|(weight, step)| weight - share * step).collect();
            let value = loss(rows, &next, origin);
            if value < current {
                break Some((next, value));
            }
            share /= 2.0;
            if share < 1e-4 {
                break None;
            }
        };
        let Some((next, value)) = next else { break };
        let gained = current - value;
        (weights, current) = (next, value);
        if gained < 1e-9 * current.abs().max(1.0) {
            break;
        }
    }
    weights
}

/// The gradient and the Hessian of the loss; both by scales, then biases.
fn derivatives(rows: &[(Vec<f64>, usize)], weights: &[f64], origin: &[f64]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let (count, classes) = (weights.len(), weights.len() / 2);
    let mut gradient: Vec<f64> = weights.iter().zip(origin).map(|(weight, origin)| RIDGE * (weight - origin)).collect();
    let mut hessian = vec![vec![0.0; count]; count];
    for (index, row) in hessian.iter_mut().enumerate() {
        row[index] = RIDGE;
    }
    for (values, label) in rows {
        let p = predict(values, weights);
        for one in 0..classes {
            let error = p[one] - f64::from(u8::from(one == *label));
            gradient[one] += error * values[one];
            gradient[classes + one] += error;
            for other in 0..classes {
                let curvature = if one == other { p[one] * (1.0 - p[one]) } else { -p[one] * p[other] };
                hessian[one][other] += curvature * values[one] * values[other];
                hessian[one][classes + other] += curvature * values[one];
                hessian[classes + one][other] += curvature * values[other];
                hessian[classes + one][classes + other] += curvature;
            }
        }
    }
    (gradient, hessian)
}

/// Solves a symmetric positive definite system by Cholesky's decomposition; `None` if it is not positive definite.
fn cholesky_solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Option<Vec<f64>> {
    let count = right.len();
    for column in 0..count {
        for row in column..count {
            let known: f64 = (0..column).map(|index| matrix[row][index] * matrix[column][index]).sum();
            let value = matrix[row][column] - known;
            matrix[row][column] = if row == column {
                if value.is_nan() || value <= 0.0 {
                    return None;
                }
                value.sqrt()
            } else {
                value / matrix[column][column]
            };
        }
    }
    for row in 0..count {
        let known: f64 = (0..row).map(|index| matrix[row][index] * right[index]).sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    for row in (0..count).rev() {
        let known: f64 = (row + 1..count).map(|index| matrix[index][row] * right[index]).sum();
        right[row] = (right[row] - known) / matrix[row][row];
    }
    right.iter().all(|value| value.is_finite()).then_some(right)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::random::SplitMix64;

    /// Rows of random scores whose class is drawn from `softmax(scale · ln p + bias)`.
    fn rows(scales: &[f64], biases: &[f64], kind: ScoreKind) -> Vec<(Vec<f64>, usize)> {
        let mut random = SplitMix64::new(7);
        let row = |_| {
            let logits: Vec<f64> = scales.iter().map(|_| 6.0 * random.next_unit() - 3.0).collect();
            let reported = softmax(logits.clone());
            let truth = predict(&reported.iter().map(|p| p.ln()).collect::<Vec<_>>(), &[scales, biases].concat());
            let mut left = random.next_unit();
            let label = truth.iter().position(|p| {
                left -= p;
                left < 0.0
            });
            // A constant added to the logits changes nothing.
            let logits = logits.into_iter().map(|logit| logit + 5.0).collect();
            (if kind == ScoreKind::Logits { logits } else { reported }, label.unwrap_or(0))
        };
        (0..20_000).map(row).collect()
    }

    #[test]
    fn scales_and_biases_are_found_again() {
        let (scales, biases) = ([1.5, 0.6, 1.0], [0.8, -0.5, 0.0]);
        for kind in [ScoreKind::Probabilities, ScoreKind::Logits] {
            let rows = rows(&scales, &biases, kind);
            let scored = || rows.iter().map(|(values, label)| (Scores { kind, values }, *label));
            let found = VectorScaling::fit(scored());
            assert_eq!(found.check(3), Ok(()));
            for (scores, _) in scored().take(100) {
                let expected = predict(&log_probabilities(scores, 1e-12), &[scales, biases].concat());
                for (found, expected) in found.apply(scores).iter().zip(expected) {
                    assert!((found - expected).abs() < 0.02, "{found} for {expected}");
                }
            }
        }
        assert!(VectorScaling { scales: vec![1.0], biases: vec![0.0], floor: 0.1 }.check(2).is_err());
    }

    #[test]
    fn extremes_are_survived() {
        let zeros = [1.0, 0.0, 0.0];
        let rows = [(Scores { kind: ScoreKind::Probabilities, values: &zeros }, 0); 20];
        let found = VectorScaling::fit(rows.into_iter());
        assert_eq!(found.check(3), Ok(()));
        assert!(found.apply(rows[0].0).iter().all(|value| value.is_finite()), "{found:?}");
    }
}
