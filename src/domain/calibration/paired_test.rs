//! Whether one method is better than another by more than chance, on the same rows.

/// The one-sided 97.5 % quantile of the normal distribution: by chance alone, a method that is no better passes one
/// time in forty.
const QUANTILE: f64 = 1.96;

/// The outcome of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PairedOutcome {
    /// The second method has the lower loss by more than chance.
    Better,
    /// The difference is within chance.
    Equal,
    /// The second method has the higher loss by more than chance.
    Worse,
}

/// Compares the losses of two methods, row by row: a paired z-test of the mean difference. Also returns by how much the
/// second method's loss is lower on average.
pub(super) fn compare(losses: impl Iterator<Item = (f64, f64)> + Clone) -> (PairedOutcome, f64) {
    let count = losses.clone().count() as f64;
    let mean = losses.clone().map(|(first, second)| first - second).sum::<f64>() / count;
    let squares: f64 = losses.map(|(first, second)| (first - second - mean).powi(2)).sum();
    let error = (squares / (count - 1.0).max(1.0) / count).sqrt();
    let comparison = if mean > QUANTILE * error {
        PairedOutcome::Better
    } else if mean < -QUANTILE * error {
        PairedOutcome::Worse
    } else {
        PairedOutcome::Equal
    };
    (comparison, mean)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_counts_if_it_is_larger_than_its_noise() {
        let pairs = |shift: f64, noise: f64| {
            (0..100).map(move |row| (0.3 + shift + if row % 2 == 0 { noise } else { -noise }, 0.3))
        };
        for (shift, noise, expected) in [
            (0.01, 0.04, PairedOutcome::Better),
            (0.01, 0.06, PairedOutcome::Equal),
            (-0.01, 0.06, PairedOutcome::Equal),
            (-0.01, 0.04, PairedOutcome::Worse),
            (0.01, 0.0, PairedOutcome::Better),
        ] {
            assert_eq!(compare(pairs(shift, noise)).0, expected, "{shift} ± {noise}");
        }
        assert_eq!(compare([(0.5, 0.5)].into_iter()).0, PairedOutcome::Equal);
    }
}
