//! Inductive Venn-Abers prediction for two classes (Vovk, Petej, Fedorova 2015). The score of a new row is calibrated
//! twice, as if its class were the first and as if it were the second. The two results are the lower and upper
//! probability of the second class.
//!
//! Both are precomputed here for every distinct calibration score; serving looks them up.

use serde::{Deserialize, Serialize};

use super::{
    isotonic::{BlockCounts, check_curve, tallies},
    quantiles::InvalidCalibrationError,
};

/// A step function of the score.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepFunction {
    /// The scores at which it steps, ascending.
    pub scores: Vec<f64>,
    /// The probabilities at these scores, non-decreasing.
    pub probabilities: Vec<f64>,
}

/// The lookup tables of the lower and upper probability.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VennAbers {
    /// The probability of the second class if the new row is assigned the first. Each step applies from its score on; 0
    /// before the first.
    pub lower: StepFunction,
    /// The probability of the second class if the new row is assigned the second. Each step applies up to its score; 1
    /// after the last.
    pub upper: StepFunction,
}

/// A block of an isotonic fit: the index of its far end, and its counts.
type Block = (usize, BlockCounts);

impl VennAbers {
    /// Builds the tables from rows of a score and whether the row has the second class.
    ///
    /// An additional row changes the isotonic fit only around itself: the fits of the scores below and of those above
    /// remain, and the block of the new row is pooled with its neighbours while they violate the order. A score between
    /// two calibration scores has the `p1` of the next one and the `p0` of the previous one.
    pub fn fit(rows: impl Iterator<Item = (f64, bool)>) -> Self {
        let (scores, tallies) = tallies(rows);
        let (below, above) = (prefixes(&tallies), suffixes(&tallies));
        let with = |positives: u64| {
            let value = |(index, tally): (usize, &BlockCounts)| {
                let mut joined = tally.join(BlockCounts { rows: 1, positives });
                let (mut left, mut right) = (index, index + 1);
                loop {
                    if left > 0 && below[left - 1].1.reaches(joined) {
                        joined = joined.join(below[left - 1].1);
                        left = below[left - 1].0;
                    } else if right < above.len() && joined.reaches(above[right].1) {
                        joined = joined.join(above[right].1);
                        right = above[right].0 + 1;
                    } else {
                        return joined.share();
                    }
                }
            };
            tallies.iter().enumerate().map(value).collect::<Vec<f64>>()
        };
        Self { lower: StepFunction::from_each(&scores, &with(0)), upper: StepFunction::up_to_each(&scores, &with(1)) }
    }

    /// The lower and upper probability of the second class at a score.
    pub fn bounds(&self, score: f64) -> (f64, f64) {
        let before = self.lower.scores.partition_point(|step| *step <= score);
        let lower = before.checked_sub(1).map_or(0.0, |last| self.lower.probabilities[last]);
        let next = self.upper.scores.partition_point(|step| *step < score);
        let upper = self.upper.probabilities.get(next).copied().unwrap_or(1.0);
        (lower, upper)
    }

    /// Merges the two probabilities of the second class into one: `p1 / (1 − p0 + p1)`, which minimises the maximum
    /// regret in log loss.
    pub fn merge((lower, upper): (f64, f64)) -> f64 {
        upper / (1.0 - lower + upper)
    }

    pub(super) fn check(&self) -> Result<(), InvalidCalibrationError> {
        check_curve(&self.lower.scores, &self.lower.probabilities)?;
        check_curve(&self.upper.scores, &self.upper.probabilities)
    }
}

impl StepFunction {
    /// Steps that apply from each score on: of equal values, the first score is kept.
    fn from_each(scores: &[f64], values: &[f64]) -> Self {
        let kept = |index: &usize| *index == 0 || values[*index] > values[index - 1];
        Self::keep(scores, values, (0..scores.len()).filter(kept))
    }

    /// Steps that apply up to each score: of equal values, the last score is kept.
    fn up_to_each(scores: &[f64], values: &[f64]) -> Self {
        let kept = |index: &usize| index + 1 == scores.len() || values[index + 1] > values[*index];
        Self::keep(scores, values, (0..scores.len()).filter(kept))
    }

    fn keep(scores: &[f64], values: &[f64], kept: impl Iterator<Item = usize>) -> Self {
        let (scores, probabilities) = kept.map(|index| (scores[index], values[index])).unzip();
        Self { scores, probabilities }
    }
}

/// For each index: the last block of the isotonic fit of the prefix that ends there, with the block's first index.
fn prefixes(tallies: &[BlockCounts]) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::with_capacity(tallies.len());
    for (index, tally) in tallies.iter().enumerate() {
        let mut block = (index, *tally);
        while block.0 > 0 && blocks[block.0 - 1].1.reaches(block.1) {
            let before = blocks[block.0 - 1];
            block = (before.0, before.1.join(block.1));
        }
        blocks.push(block);
    }
    blocks
}

/// For each index: the first block of the isotonic fit of the suffix that starts there, with the block's last index.
fn suffixes(tallies: &[BlockCounts]) -> Vec<Block> {
    let mut blocks: Vec<Block> = tallies.iter().copied().enumerate().collect();
    for index in (0..tallies.len()).rev() {
        let mut block = (index, tallies[index]);
        while block.0 + 1 < tallies.len() && block.1.reaches(blocks[block.0 + 1].1) {
            let after = blocks[block.0 + 1];
            block = (after.0, block.1.join(after.1));
        }
        blocks[index] = block;
    }
    blocks
}

#[cfg(test)]
mod tests {
    use super::{super::isotonic::Isotonic, *};

    /// The definition: fit with the additional row, then read the curve at its score.
    fn by_definition(rows: &[(f64, bool)], score: f64) -> (f64, f64) {
        let with = |positive| Isotonic::fit(rows.iter().copied().chain([(score, positive)])).apply(score);
        (with(false), with(true))
    }

    #[test]
    fn the_tables_say_what_two_fits_would() {
        // A linear congruential generator: scores with many ties, and labels correlated with them.
        let mut state = 1_u64;
        let mut next = |range: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % range
        };
        for size in [1_usize, 2, 3, 10, 60] {
            for _ in 0..20 {
                let rows: Vec<(f64, bool)> = (0..size)
                    .map(|_| {
                        let score = next(20);
                        (f64::from(u32::try_from(score).expect("small")) / 20.0, next(20) < score)
                    })
                    .collect();
                let tables = VennAbers::fit(rows.iter().copied());
                assert_eq!(tables.check(), Ok(()));
                for step in -1..=41_i32 {
                    let score = f64::from(step) / 40.0;
                    let (found, expected) = (tables.bounds(score), by_definition(&rows, score));
                    let near = (found.0 - expected.0).abs() < 1e-12 && (found.1 - expected.1).abs() < 1e-12;
                    assert!(near, "{score}: {found:?} for {expected:?} of {rows:?}");
                    let merged = VennAbers::merge(found);
                    assert!(found.0 <= merged && merged <= found.1, "{found:?} {merged}");
                }
            }
        }
    }
}
