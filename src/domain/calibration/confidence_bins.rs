//! Equal-mass bins of rows by confidence, their expected calibration error, and the error that a perfect calibration
//! shows by chance.

use super::{BINS, assessed_row::AssessedRow};
use crate::domain::{
    random::SplitMix64,
    uncertainty::{Bin, EceByChance},
};

/// The most resamples, and the most draws of all resamples together, unless that leaves fewer than the minimum.
const MAX_RESAMPLES: usize = 1000;
const MAX_DRAWS: usize = 5_000_000;

/// The fewest resamples, for tables of many rows: enough for the value that 99 of 100 do not exceed.
const MIN_RESAMPLES: usize = 200;

/// Arbitrary, but fixed, so that the same rows give the same limit.
const SEED: u64 = 0x636f_6e73_6973_7431;

/// The top-label expected calibration error of answers, and that of a perfect calibration with the same confidences. Each
/// answer is its confidence, `1 − uncertainty`, and whether the prediction is right. `answers` must not be empty.
pub fn calibration_error(answers: &[(f64, bool)]) -> (f64, EceByChance) {
    let bins = ConfidenceBins::sorted(answers.to_vec());
    (bins.ece(&bins.found()), bins.ece_by_chance())
}

/// Rows in ascending order of confidence.
pub(super) struct ConfidenceBins {
    confidences: Vec<f64>,
    /// Whether each row is right: 1 or 0.
    right: Vec<f64>,
}

impl ConfidenceBins {
    /// Sorts the rows, which must not be empty.
    pub(super) fn new(rows: &[&AssessedRow]) -> Self {
        Self::sorted(rows.iter().map(|row| (row.confidence, row.right)).collect())
    }

    fn sorted(mut sorted: Vec<(f64, bool)>) -> Self {
        sorted.sort_unstable_by(|left, right| left.0.total_cmp(&right.0).then(left.1.cmp(&right.1)));
        let (confidences, right) =
            sorted.into_iter().map(|(confidence, right)| (confidence, f64::from(u8::from(right)))).unzip();
        Self { confidences, right }
    }

    /// The bins of the rows as they are.
    pub(super) fn found(&self) -> Vec<Bin> {
        self.bins(&mut self.right.clone())
    }

    /// Bins rows that are right as given. Rows of equal confidence may fall into two bins; each gets the mean of its
    /// tie, so that the order of the rows does not matter.
    fn bins(&self, right: &mut [f64]) -> Vec<Bin> {
        let mut start = 0;
        for tied in self.confidences.chunk_by(|left, right| left >= right) {
            let end = start + tied.len();
            if tied.len() > 1 {
                let mean = right[start..end].iter().sum::<f64>() / tied.len() as f64;
                right[start..end].fill(mean);
            }
            start = end;
        }
        let rows = self.confidences.len();
        let edge = |bin: usize| bin * rows / BINS;
        let parts = (0..BINS).map(|bin| edge(bin)..edge(bin + 1)).filter(|part| !part.is_empty());
        let bin = |part: std::ops::Range<usize>| {
            let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
            Bin { rows: part.len(), confidence: mean(&self.confidences[part.clone()]), accuracy: mean(&right[part]) }
        };
        parts.map(bin).collect()
    }

    /// The mean distance of confidence and accuracy over the bins.
    pub(super) fn ece(&self, bins: &[Bin]) -> f64 {
        let rows = self.confidences.len() as f64;
        bins.iter().map(|bin| bin.rows as f64 / rows * (bin.accuracy - bin.confidence).abs()).sum()
    }

    /// The error of rows that are right with exactly the probability of their confidence: consistency resampling
    /// (Bröcker and Smith 2007).
    pub(super) fn ece_by_chance(&self) -> EceByChance {
        let resamples = (MAX_DRAWS / self.confidences.len()).clamp(MIN_RESAMPLES, MAX_RESAMPLES);
        let mut random = SplitMix64::new(SEED);
        let mut right = vec![0.0; self.confidences.len()];
        let mut errors: Vec<f64> = (0..resamples)
            .map(|_| {
                for (right, confidence) in right.iter_mut().zip(&self.confidences) {
                    *right = f64::from(u8::from(random.next_unit() < *confidence));
                }
                self.ece(&self.bins(&mut right))
            })
            .collect();
        errors.sort_unstable_by(f64::total_cmp);
        EceByChance { mean: errors.iter().sum::<f64>() / resamples as f64, limit: errors[resamples * 99 / 100] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of these confidences that are right with the probability `truth(confidence)`.
    fn rows(confidences: &[f64], truth: impl Fn(f64) -> f64, random: &mut SplitMix64) -> Vec<AssessedRow> {
        let row = |confidence: &f64| AssessedRow {
            probabilities: Vec::new(),
            confidence: *confidence,
            right: random.next_unit() < truth(*confidence),
            label: 0,
        };
        confidences.iter().map(row).collect()
    }

    #[test]
    fn a_perfect_calibration_exceeds_the_limit_once_in_a_hundred() {
        let mut random = SplitMix64::new(1);
        // Confidences with and without ties.
        let smooth: Vec<f64> = (0..400).map(|row| 0.3 + 0.7 * f64::from(row) / 400.0).collect();
        let tied: Vec<f64> = (0..400).map(|row| [0.4, 0.6, 0.8, 1.0][row % 4]).collect();
        for confidences in [smooth, tied] {
            let (mut outside, mut sum) = (0, 0.0);
            let by_chance =
                ConfidenceBins::new(&rows(&confidences, |p| p, &mut random).iter().collect::<Vec<_>>()).ece_by_chance();
            for _ in 0..1000 {
                let drawn = rows(&confidences, |p| p, &mut random);
                let bins = ConfidenceBins::new(&drawn.iter().collect::<Vec<_>>());
                let ece = bins.ece(&bins.found());
                outside += usize::from(ece > by_chance.limit);
                sum += ece;
            }
            assert!(outside <= 25, "{outside} of 1000");
            assert!((sum / 1000.0 - by_chance.mean).abs() < 0.1 * by_chance.mean, "{sum} {by_chance:?}");
            let wrong = rows(&confidences, |p| p - 0.15, &mut random);
            let bins = ConfidenceBins::new(&wrong.iter().collect::<Vec<_>>());
            assert!(bins.ece(&bins.found()) > by_chance.limit);
        }
    }
}
