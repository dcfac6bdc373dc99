//! Shapley values from coalition worths: exactly by the definition, or as the mean over sampled permutations.

/// How contributions were computed; the names are those in responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub enum ShapleyMethod {
    /// Exactly by the definition, from every coalition.
    #[serde(rename = "shapley-exact")]
    Exact,
    /// As the mean over permutations, each with its reverse.
    #[serde(rename = "shapley-permutation")]
    Permutation,
}

/// The result of the coalitions evaluated so far.
#[derive(Debug, Clone, PartialEq)]
pub struct Estimate {
    /// How it was computed.
    pub method: ShapleyMethod,
    /// The worth of the empty coalition: the model output for the baseline.
    pub base_value: f64,
    /// The Shapley value of each player. Together with `base_value` they sum to the worth of the full coalition, up to
    /// rounding.
    pub contributions: Vec<f64>,
    /// The standard error of each value: 0 if exact, `None` if there is only one pair of permutations.
    pub standard_errors: Vec<Option<f64>>,
    /// Number of coalitions evaluated, not counting the full one, which is the prediction itself.
    pub rows: usize,
    /// Whether the result is exact or has reached the target precision.
    pub complete: bool,
}

impl Estimate {
    /// The player with the largest absolute contribution; on ties, the first.
    pub fn largest(&self) -> Option<usize> {
        largest(&self.contributions)
    }
}

pub(super) fn largest(values: &[f64]) -> Option<usize> {
    // `max_by` returns the last maximum; reversing makes that the first.
    (0..values.len()).rev().max_by(|a, b| values[*a].abs().total_cmp(&values[*b].abs()))
}

/// Computes the Shapley values by their definition. `worth[mask]` is the worth of the coalition of the players set in
/// `mask`.
///
/// With n players, player i contributes Σ over the coalitions S without i of |S|! (n − |S| − 1)! / n! · (v(S ∪ i) −
/// v(S)).
pub(super) fn exact(players: usize, worth: &[f64]) -> Vec<f64> {
    debug_assert_eq!(worth.len(), 1 << players, "one worth a coalition");
    // |S|! (n − |S| − 1)! / n! = 1 / (n · C(n − 1, |S|)).
    let mut weights = Vec::with_capacity(players);
    let mut choose = 1.0;
    for size in 0..players {
        weights.push(1.0 / (as_f64(players) * choose));
        choose *= as_f64(players - 1 - size) / as_f64(size + 1);
    }
    let contribution = |player: usize| {
        let without = (0..worth.len()).filter(|mask| mask >> player & 1 == 0);
        without.map(|mask| weights[mask.count_ones() as usize] * (worth[mask | 1 << player] - worth[mask])).sum()
    };
    (0..players).map(contribution).collect()
}

/// Running mean and variance of each player's contribution. One sample is the mean of a permutation and its reverse
/// (antithetic sampling: if one overestimates a player, the other tends to underestimate it; Mitchell et al. 2022).
#[derive(Debug, Clone)]
pub(super) struct RunningStats {
    pub(super) pairs: usize,
    pub(super) means: Vec<f64>,
    /// The sums of squared deviations from the means (Welford 1962).
    squares: Vec<f64>,
}

impl RunningStats {
    pub(super) fn new(players: usize) -> Self {
        Self { pairs: 0, means: vec![0.0; players], squares: vec![0.0; players] }
    }

    /// Adds one sample: one value per player.
    pub(super) fn add(&mut self, sample: &[f64]) {
        self.pairs += 1;
        for ((mean, square), value) in self.means.iter_mut().zip(&mut self.squares).zip(sample) {
            let before = value - *mean;
            *mean += before / as_f64(self.pairs);
            *square += before * (value - *mean);
        }
    }

    /// The standard error of a player's mean: s / √n, with the n − 1 variance; `None` for a single pair.
    pub(super) fn standard_error(&self, player: usize) -> Option<f64> {
        let pairs = as_f64(self.pairs);
        (self.pairs > 1).then(|| (self.squares[player] / (pairs - 1.0) / pairs).sqrt())
    }
}

fn as_f64(count: usize) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_glove_game_is_shared_as_the_textbook_says() {
        // Player 0 holds a left glove, 1 and 2 a right one each; a pair is worth 1. Shapley: 2/3, 1/6, 1/6.
        let worth: Vec<f64> = (0..8_u32).map(|mask| f64::from(u8::from(mask & 1 == 1 && mask > 1))).collect();
        let shares = exact(3, &worth);
        for (share, expected) in shares.iter().zip([2.0 / 3.0, 1.0 / 6.0, 1.0 / 6.0]) {
            assert!((share - expected).abs() < 1e-15, "{shares:?}");
        }
        assert!(exact(0, &[5.0]).is_empty());
        assert_eq!(exact(1, &[2.0, 5.0]), [3.0]);
    }

    #[test]
    fn the_tally_gives_mean_and_standard_error() {
        let mut tally = RunningStats::new(2);
        tally.add(&[1.0, 5.0]);
        assert_eq!((tally.standard_error(0), tally.means[1]), (None, 5.0));
        for sample in [[2.0, 5.0], [3.0, 5.0], [6.0, 5.0]] {
            tally.add(&sample);
        }
        // Mean 3, variance (4 + 1 + 0 + 9) / 3, standard error the root of that over 4.
        let error = tally.standard_error(0).expect("four pairs");
        assert!((tally.means[0] - 3.0).abs() < 1e-15 && (error - (14.0_f64 / 3.0 / 4.0).sqrt()).abs() < 1e-15);
        assert_eq!(tally.standard_error(1), Some(0.0));
    }

    #[test]
    fn the_largest_is_so_by_amount() {
        assert_eq!(largest(&[0.1, -0.5, 0.5]), Some(1));
        assert_eq!(largest(&[]), None);
    }
}
