//! The scores of a classifier for one row, as output by the graph: probabilities or logits.

use serde::{Deserialize, Serialize};

/// Probabilities are clipped to at least this value before taking logarithms: the machine epsilon of float32, as in
/// scikit-learn's `log_loss` for float32. Without it, an exact 0 from a forest would outweigh every other row.
pub const MIN_PROBABILITY: f64 = f32::EPSILON as f64;

/// The kind of scores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoreKind {
    /// One probability per class.
    Probabilities,
    /// One logit per class.
    Logits,
}

impl ScoreKind {
    /// The kind as named in a contract.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Probabilities => "probabilities",
            Self::Logits => "logits",
        }
    }
}

/// The scores of one row, one per class.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scores<'a> {
    /// The kind of the scores.
    pub kind: ScoreKind,
    /// The scores; all finite.
    pub values: &'a [f64],
}

impl Scores<'_> {
    /// The graph's own probabilities.
    pub fn probabilities(self) -> Vec<f64> {
        match self.kind {
            ScoreKind::Probabilities => self.values.to_vec(),
            ScoreKind::Logits => softmax(self.values.to_vec()),
        }
    }

    /// The logits, or the logarithms of the probabilities, which are logits of the same distribution. A probability
    /// below `floor` counts as `floor`.
    pub fn logits(self, floor: f64) -> Vec<f64> {
        match self.kind {
            ScoreKind::Probabilities => self.values.iter().map(|value| value.max(floor).ln()).collect(),
            ScoreKind::Logits => self.values.to_vec(),
        }
    }
}

/// Softmax; subtracts the largest logit first, so that no exponential overflows.
pub fn softmax(mut logits: Vec<f64>) -> Vec<f64> {
    let greatest = logits.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    for logit in &mut logits {
        *logit = (*logit - greatest).exp();
    }
    let sum: f64 = logits.iter().sum();
    for value in &mut logits {
        *value /= sum;
    }
    logits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_survives_large_logits() {
        let probabilities = softmax(vec![1000.0, 1000.0, -1000.0]);
        assert!((probabilities[0] - 0.5).abs() < 1e-12 && probabilities[2] < 1e-12);
    }

    #[test]
    fn logarithms_of_probabilities_are_logits_of_the_same_distribution() {
        let scores = Scores { kind: ScoreKind::Probabilities, values: &[0.2, 0.5, 0.3] };
        for (found, expected) in softmax(scores.logits(MIN_PROBABILITY)).iter().zip(scores.values) {
            assert!((found - expected).abs() < 1e-15);
        }
        let hard = Scores { kind: ScoreKind::Probabilities, values: &[0.0, 1.0] };
        assert!(hard.logits(MIN_PROBABILITY)[0].is_finite());
    }
}
