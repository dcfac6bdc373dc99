//! Beta calibration (Kull, Silva Filho, Flach 2017): `logit μ(s) = c + a·ln s − b·ln(1 − s)`. Three parameters cover a
//! sigmoid, its inverse and the identity (a = b = 1, c = 0), so a few hundred rows are enough.

use serde::{Deserialize, Serialize};

use super::{MIN_PROBABILITY, quantiles::InvalidCalibrationError};

/// Newton's method converges in a few steps; the bound only guarantees an end.
const MAX_STEPS: usize = 50;

/// Scores are kept at least this far from 0 and 1 unless the rows say otherwise.
const MAX_EDGE: f64 = 0.25;

/// The fitted curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Beta {
    /// The weight of `ln s`; not negative.
    pub a: f64,
    /// The weight of `−ln(1 − s)`; not negative.
    pub b: f64,
    /// The intercept.
    pub c: f64,
    /// The least score: smaller ones count as this one.
    pub low: f64,
    /// The greatest score: larger ones count as this one.
    pub high: f64,
}

impl Beta {
    /// Fits the curve of greatest likelihood to rows of a score in [0, 1] and whether the row is positive. `rows` must
    /// not be empty.
    ///
    /// The targets are Platt's (2000): `(n₊ + 1)/(n₊ + 2)` and `1/(n₋ + 2)`, so that rows that are all positive do not
    /// claim certainty. Exact zeros and ones, which forests and neighbours answer, count as the share of them that is
    /// wrong.
    pub fn fit(rows: impl Iterator<Item = (f64, bool)>) -> Self {
        let rows: Vec<(f64, bool)> = rows.collect();
        let positives = rows.iter().filter(|row| row.1).count() as f64;
        let negatives = rows.len() as f64 - positives;
        let target = |positive: bool| {
            if positive { (positives + 1.0) / (positives + 2.0) } else { 1.0 / (negatives + 2.0) }
        };
        let low = edge(rows.iter().filter(|row| row.0 <= 0.0).map(|row| row.1));
        let high = 1.0 - edge(rows.iter().filter(|row| row.0 >= 1.0).map(|row| !row.1));
        let points: Vec<([f64; 3], f64)> = rows
            .iter()
            .map(|(score, positive)| {
                let score = score.clamp(low, high);
                ([score.ln(), -(-score).ln_1p(), 1.0], target(*positive))
            })
            .collect();
        // A negative weight would turn the order of the scores round: fit without that weight.
        let mut used = [true, true];
        loop {
            let found = newton(&points, used);
            match (0..2)
                .filter(|index| found[*index] < 0.0)
                .min_by(|left, right| found[*left].total_cmp(&found[*right]))
            {
                Some(index) => used[index] = false,
                None => return Self { a: found[0], b: found[1], c: found[2], low, high },
            }
        }
    }

    /// The calibrated probability at a score.
    pub fn apply(self, score: f64) -> f64 {
        let score = score.clamp(self.low, self.high);
        logistic(self.c + self.a * score.ln() - self.b * (-score).ln_1p())
    }

    pub(super) fn check(self) -> Result<(), InvalidCalibrationError> {
        let Self { a, b, c, low, high } = self;
        if ![a, b, c].iter().all(|value| value.is_finite()) || a < 0.0 || b < 0.0 {
            return Err(format!("beta needs finite a, b and c with a and b of at least 0; found {a}, {b}, {c}").into());
        }
        if !(low > 0.0 && low <= high && high < 1.0) {
            return Err(format!("beta needs 0 < low <= high < 1; found {low} and {high}").into());
        }
        Ok(())
    }
}

/// How far from certain a score that claims certainty is: the share of such rows that is wrong (Krichevsky and
/// Trofimov's estimate), or the least probability if no row makes the claim.
fn edge(wrong: impl Iterator<Item = bool>) -> f64 {
    let (mut rows, mut errors) = (0_u32, 0_u32);
    for wrong in wrong {
        rows += 1;
        errors += u32::from(wrong);
    }
    if rows == 0 {
        return MIN_PROBABILITY;
    }
    ((f64::from(errors) + 0.5) / (f64::from(rows) + 1.0)).clamp(MIN_PROBABILITY, MAX_EDGE)
}

fn logistic(value: f64) -> f64 {
    1.0 / (1.0 + (-value).exp())
}

/// The weights of greatest likelihood, by Newton's method with step halving. A weight that is not used stays 0.
fn newton(points: &[([f64; 3], f64)], used: [bool; 2]) -> [f64; 3] {
    // Keeps the system solvable where all scores are equal; a millionth of a row.
    const RIDGE: f64 = 1e-6;
    let mask = [used[0], used[1], true].map(|used| f64::from(u8::from(used)));
    let start = [1.0, 1.0, 0.0];
    let mut weights = [mask[0], mask[1], 0.0];
    let loss = |weights: &[f64; 3]| -> f64 {
        let fit: f64 = points
            .iter()
            .map(|(x, target)| {
                let value = dot(weights, x);
                // −t·ln μ − (1 − t)·ln(1 − μ), without overflow.
                value.max(0.0) - target * value + (-value.abs()).exp().ln_1p()
            })
            .sum();
        fit + RIDGE * (0..3).map(|index| (weights[index] - mask[index] * start[index]).powi(2)).sum::<f64>() / 2.0
    };
    let mut current = loss(&weights);
    for _ in 0..MAX_STEPS {
        let (mut gradient, mut hessian) = ([0.0; 3], [[0.0; 3]; 3]);
        for (x, target) in points {
            let mean = logistic(dot(&weights, x));
            for row in 0..3 {
                gradient[row] += mask[row] * (mean - target) * x[row];
                for column in 0..3 {
                    hessian[row][column] += mask[row] * mask[column] * mean * (1.0 - mean) * x[row] * x[column];
                }
            }
        }
        for index in 0..3 {
            gradient[index] += RIDGE * (weights[index] - mask[index] * start[index]);
            hessian[index][index] += RIDGE + (1.0 - mask[index]);
        }
        let Some(step) = solve(hessian, gradient) else { break };
        let mut share = 1.0;
        let next = loop {
            let next: [f64; 3] = std::array::from_fn(|index| weights[index] - share * step[index]);
            let value = loss(&next);
            if value <= current {
                current = value;
                break Some(next);
            }
            share /= 2.0;
            if share < 1e-6 {
                break None;
            }
        };
        let Some(next) = next else { break };
        let moved = (0..3).map(|index| (next[index] - weights[index]).abs()).fold(0.0, f64::max);
        weights = next;
        if moved < 1e-10 {
            break;
        }
    }
    weights
}

fn dot(left: &[f64; 3], right: &[f64; 3]) -> f64 {
    left[0] * right[0] + left[1] * right[1] + left[2] * right[2]
}

/// Solves a symmetric positive definite system of three equations by Gaussian elimination with pivoting.
fn solve(mut matrix: [[f64; 3]; 3], mut right: [f64; 3]) -> Option<[f64; 3]> {
    for column in 0..3 {
        let pivot =
            (column..3).max_by(|one, other| matrix[*one][column].abs().total_cmp(&matrix[*other][column].abs()))?;
        if matrix[pivot][column].abs() < f64::MIN_POSITIVE {
            return None;
        }
        matrix.swap(column, pivot);
        right.swap(column, pivot);
        let (pivot, known) = (matrix[column], right[column]);
        for row in column + 1..3 {
            let factor = matrix[row][column] / pivot[column];
            for (value, pivot) in matrix[row].iter_mut().zip(pivot) {
                *value -= factor * pivot;
            }
            right[row] -= factor * known;
        }
    }
    for column in (0..3).rev() {
        let known: f64 = (column + 1..3).map(|index| matrix[column][index] * right[index]).sum();
        right[column] = (right[column] - known) / matrix[column][column];
    }
    right.iter().all(|value| value.is_finite()).then_some(right)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows at evenly spaced scores, `each` per score, whose positive share is `truth(score)`.
    fn rows(truth: impl Fn(f64) -> f64, each: u32) -> Vec<(f64, bool)> {
        let scores = (1..20).map(|step| f64::from(step) / 20.0);
        scores
            .flat_map(|score| {
                let positives = (truth(score) * f64::from(each)).round();
                (0..each).map(move |row| (score, f64::from(row) < positives)).collect::<Vec<_>>()
            })
            .collect()
    }

    #[test]
    fn a_curve_of_the_family_is_found_again() {
        for (a, b, c) in [(1.0, 1.0, 0.0), (2.0, 0.5, 0.3), (0.4, 0.4, -1.0)] {
            let truth = |score: f64| logistic(c + a * score.ln() - b * (1.0 - score).ln());
            let found = Beta::fit(rows(truth, 10_000).into_iter());
            for step in 1..20 {
                let score = f64::from(step) / 20.0;
                assert!((found.apply(score) - truth(score)).abs() < 1e-3, "{score}: {found:?}");
            }
            assert_eq!(found.check(), Ok(()));
        }
    }

    #[test]
    fn scores_in_the_wrong_order_say_nothing() {
        let found = Beta::fit(rows(|score| 1.0 - score, 100).into_iter());
        assert!((found.apply(0.1) - 0.5).abs() < 0.05 && (found.apply(0.9) - 0.5).abs() < 0.05, "{found:?}");
    }

    #[test]
    fn certainty_counts_as_often_as_it_is_right() {
        // 100 rows at exactly 1, of which 90 are right, and some uncertain ones.
        let sure = (0..100).map(|row| (1.0, row < 90));
        let found = Beta::fit(sure.chain(rows(|score| score, 20)));
        assert!((found.apply(1.0) - 0.9).abs() < 0.03, "{found:?}");
        let all_right = Beta::fit((0..50).map(|row| (0.5 + f64::from(row) / 101.0, true)));
        assert!(all_right.apply(0.9) < 0.99 && all_right.apply(0.9) > 0.9, "{all_right:?}");
        let equal = Beta::fit((0..10).map(|row| (0.7, row < 5)));
        assert!((equal.apply(0.7) - 0.5).abs() < 0.01, "{equal:?}");
    }
}
