//! Prediction sets: the conformity scores of LAC and APS, and the classes whose score is at most the quantile.
//!
//! Sets use the same comparison, `score ≤ q`, that ranked the calibration rows, so that ties are decided the same way.

/// The LAC score (Sadinle, Lei, Wasserman 2019): one minus the probability of the class.
pub fn lac_score(probabilities: &[f64], class: usize) -> f64 {
    1.0 - probabilities[class]
}

/// The LAC set. It may be empty: then no class fits.
pub fn lac_set(probabilities: &[f64], quantile: f64) -> Vec<usize> {
    (0..probabilities.len()).filter(|class| lac_score(probabilities, *class) <= quantile).collect()
}

/// The APS score (Romano, Sesia, Candès 2020): the total probability of all likelier classes, plus the fraction `draw`,
/// uniform in [0, 1), of the probability of the class itself. On ties, the first class counts as likelier.
pub fn aps_score(probabilities: &[f64], draw: f64, class: usize) -> f64 {
    let own = probabilities[class];
    let before = likeliest_first(probabilities).into_iter().take_while(|other| *other != class);
    before.map(|other| probabilities[other]).sum::<f64>() + draw * own
}

/// The APS set, with the same `draw` for all classes.
pub fn aps_set(probabilities: &[f64], draw: f64, quantile: f64) -> Vec<usize> {
    let mut before = 0.0;
    let mut admitted = likeliest_first(probabilities);
    admitted.retain(|class| {
        // Sums in the same order as `aps_score`, so that both round the same way.
        let score = before + draw * probabilities[*class];
        before += probabilities[*class];
        score <= quantile
    });
    admitted.sort_unstable();
    admitted
}

fn likeliest_first(probabilities: &[f64]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..probabilities.len()).collect();
    // Stable sort: ties keep the class order.
    order.sort_by(|left, right| probabilities[*right].total_cmp(&probabilities[*left]));
    order
}

/// Generates the random numbers of APS: uniform, and dependent on the instance and the model only, so that a replayed
/// request gives the same set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApsRandomizer([u8; 32]);

impl ApsRandomizer {
    /// Derives the key of a model from the digest of its graph as written in calibration.json: `sha256:` and
    /// hexadecimal.
    pub fn new(model_sha256: &str) -> Self {
        Self(blake3::derive_key("candor 2026-11 randomisation of adaptive prediction sets", model_sha256.as_bytes()))
    }

    /// The random number of an instance, in [0, 1): the first 53 bits of the keyed BLAKE3 hash of its `features_hash`.
    pub fn uniform(&self, features_hash: &str) -> f64 {
        const UNIT: f64 = 1.0 / (1_u64 << 53) as f64;
        let hash = blake3::keyed_hash(&self.0, features_hash.as_bytes());
        let mut first = [0; 8];
        first.copy_from_slice(&hash.as_bytes()[..8]);
        (u64::from_le_bytes(first) >> 11) as f64 * UNIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lac_admits_by_probability() {
        let p = [0.25, 0.5, 0.25];
        for (quantile, expected) in
            [(0.4, vec![]), (0.5, vec![1]), (0.75, vec![0, 1, 2]), (f64::INFINITY, vec![0, 1, 2])]
        {
            assert_eq!(lac_set(&p, quantile), expected, "{quantile}");
        }
    }

    #[test]
    fn aps_adds_the_likelier_classes() {
        let p = [0.125, 0.5, 0.25, 0.125];
        // Classes 0 and 3 are tied; 0 comes first.
        for (draw, expected) in [(0.0, [0.75, 0.0, 0.5, 0.875]), (0.5, [0.8125, 0.25, 0.625, 0.9375])] {
            let scores: Vec<f64> = (0..4).map(|class| aps_score(&p, draw, class)).collect();
            assert_eq!(scores, expected, "{draw}");
        }
        assert_eq!(aps_set(&p, 0.5, 0.7), [1, 2]);
        assert_eq!(aps_set(&p, 0.5, 0.2), [] as [usize; 0], "nothing, by the draw");
    }

    #[test]
    fn draws_are_uniform_and_repeat() {
        let key = ApsRandomizer::new("sha256:00");
        let draws: Vec<f64> = (0..2000).map(|row: i32| key.uniform(&row.to_string())).collect();
        assert_eq!(draws[7].to_bits(), key.uniform("7").to_bits());
        assert_ne!(
            draws[7].to_bits(),
            ApsRandomizer::new("sha256:01").uniform("7").to_bits(),
            "another model draws otherwise"
        );
        let below = |bound: f64| draws.iter().filter(|draw| **draw < bound).count();
        for (bound, expected) in [(0.1, 200_usize), (0.5, 1000), (0.9, 1800)] {
            assert!(below(bound).abs_diff(expected) < 100, "{bound}: {}", below(bound));
        }
        assert!(draws.iter().all(|draw| (0.0..1.0).contains(draw)));
    }
}
