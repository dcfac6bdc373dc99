//! Isotonic regression for two classes by pool-adjacent-violators, with scikit-learn's conventions: tied scores are
//! pooled first, the curve is linear between knots and constant beyond them.

use serde::{Deserialize, Serialize};

use super::quantiles::InvalidCalibrationError;

/// The fitted curve: the probability of the second class at each knot.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Isotonic {
    /// The scores of the knots, ascending.
    pub scores: Vec<f64>,
    /// The probabilities at the knots, non-decreasing.
    pub probabilities: Vec<f64>,
}

/// Row counts of a block: all rows, and those of the second class.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct BlockCounts {
    pub(super) rows: u64,
    pub(super) positives: u64,
}

impl BlockCounts {
    pub(super) fn join(self, other: Self) -> Self {
        Self { rows: self.rows + other.rows, positives: self.positives + other.positives }
    }

    /// Whether the share of positives is at least that of `other`, compared in integers.
    pub(super) fn reaches(self, other: Self) -> bool {
        u128::from(self.positives) * u128::from(other.rows) >= u128::from(other.positives) * u128::from(self.rows)
    }

    pub(super) fn share(self) -> f64 {
        self.positives as f64 / self.rows as f64
    }
}

/// The distinct scores, ascending, each with its counts.
pub(super) fn tallies(rows: impl Iterator<Item = (f64, bool)>) -> (Vec<f64>, Vec<BlockCounts>) {
    let mut sorted: Vec<(f64, bool)> = rows.collect();
    sorted.sort_unstable_by(|left, right| left.0.total_cmp(&right.0));
    let (mut scores, mut tallies): (Vec<f64>, Vec<BlockCounts>) = (Vec::new(), Vec::new());
    for (score, positive) in sorted {
        let one = BlockCounts { rows: 1, positives: positive.into() };
        match (scores.last(), tallies.last_mut()) {
            // 0.0 and -0.0 are the same score.
            (Some(last), Some(tally)) if *last >= score => *tally = tally.join(one),
            _ => {
                scores.push(score);
                tallies.push(one);
            }
        }
    }
    (scores, tallies)
}

impl Isotonic {
    /// Fits the curve to rows of a score and whether the row has the second class. `rows` must not be empty.
    pub fn fit(rows: impl Iterator<Item = (f64, bool)>) -> Self {
        let (distinct, tallies) = tallies(rows);
        // Blocks of equal value: index of the first and the last distinct score, and the counts.
        let mut blocks: Vec<(usize, usize, BlockCounts)> = Vec::new();
        for (index, tally) in tallies.into_iter().enumerate() {
            let mut block = (index, index, tally);
            while let Some(before) = blocks.last().filter(|before| before.2.reaches(block.2)) {
                block = (before.0, block.1, before.2.join(block.2));
                blocks.pop();
            }
            blocks.push(block);
        }
        let mut curve = Self { scores: Vec::new(), probabilities: Vec::new() };
        for (first, last, tally) in blocks {
            let ends = if first == last { &[first][..] } else { &[first, last][..] };
            for end in ends {
                curve.scores.push(distinct[*end]);
                curve.probabilities.push(tally.share());
            }
        }
        curve
    }

    /// The probability of the second class at a score.
    pub fn apply(&self, score: f64) -> f64 {
        let after = self.scores.partition_point(|knot| *knot <= score);
        let Some(before) = after.checked_sub(1) else { return self.probabilities[0] };
        if after == self.scores.len() {
            return self.probabilities[before];
        }
        let share = (score - self.scores[before]) / (self.scores[after] - self.scores[before]);
        let (low, high) = (self.probabilities[before], self.probabilities[after]);
        low + share * (high - low)
    }

    pub(super) fn check(&self) -> Result<(), InvalidCalibrationError> {
        check_curve(&self.scores, &self.probabilities)?;
        if self.scores.is_empty() { Err("isotonic needs at least one knot".to_owned().into()) } else { Ok(()) }
    }
}

/// Validates a curve read from a file.
pub(super) fn check_curve(scores: &[f64], probabilities: &[f64]) -> Result<(), InvalidCalibrationError> {
    if scores.len() != probabilities.len() {
        let (left, right) = (scores.len(), probabilities.len());
        return Err(format!("a curve must have as many scores as probabilities; found {left} and {right}").into());
    }
    if scores.iter().any(|score| !score.is_finite()) || !scores.is_sorted_by(|left, right| left < right) {
        return Err("the scores of a curve must be in ascending order".to_owned().into());
    }
    if probabilities.iter().any(|value| !(0.0..=1.0).contains(value)) || !probabilities.is_sorted() {
        return Err("the probabilities of a curve must be between 0 and 1 and must not decrease".to_owned().into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn violators_are_pooled_and_ties_too() {
        let rows = [(0.1, false), (0.2, true), (0.3, false), (0.4, true), (0.4, false), (0.9, true)];
        let curve = Isotonic::fit(rows.into_iter());
        assert_eq!(curve.scores, [0.1, 0.2, 0.4, 0.9]);
        assert_eq!(curve.probabilities, [0.0, 0.5, 0.5, 1.0]);
        for (score, expected) in [(0.0, 0.0), (0.15, 0.25), (0.3, 0.5), (0.65, 0.75), (2.0, 1.0)] {
            assert!((curve.apply(score) - expected).abs() < 1e-12, "{score}: {}", curve.apply(score));
        }
        assert_eq!(curve.check(), Ok(()));
    }

    #[test]
    fn a_single_row_is_a_flat_curve() {
        let curve = Isotonic::fit([(0.4, true)].into_iter());
        assert!([0.0, 0.4, 1.0].into_iter().all(|score| curve.apply(score) >= 1.0));
        let flat = Isotonic::fit([(0.0, true), (-0.0, false)].into_iter());
        assert_eq!(flat.probabilities, [0.5]);
    }
}
