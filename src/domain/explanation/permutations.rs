//! Seeded random permutations: the same seed gives the same permutations on every machine and in every version.

/// Key derivation context; a different use of the same seed gets different numbers.
const PURPOSE: &str = "candor 2026-11 permutations of explanations";

/// An infinite sequence of random permutations. The source is BLAKE3's extendable output: it is already a dependency,
/// and unlike that of most general-purpose generators its output is specified and never changes.
#[derive(Debug, Clone)]
pub(super) struct PermutationSampler {
    source: blake3::OutputReader,
}

impl PermutationSampler {
    pub(super) fn new(seed: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new_derive_key(PURPOSE);
        hasher.update(seed);
        Self { source: hasher.finalize_xof() }
    }

    /// The next permutation of `0..length`, by the Fisher-Yates shuffle.
    pub(super) fn permutation(&mut self, length: usize) -> Vec<usize> {
        let mut order: Vec<usize> = (0..length).collect();
        for last in (1..length).rev() {
            order.swap(last, self.below(last + 1));
        }
        order
    }

    /// A random number below `bound`. Scaling 64 bits has a bias of less than `bound` in 2^64, too small for any sample
    /// to show.
    #[expect(clippy::cast_possible_truncation, reason = "the product's upper half is below the bound, a usize")]
    fn below(&mut self, bound: usize) -> usize {
        let mut bytes = [0; 8];
        self.source.fill(&mut bytes);
        ((u128::from(u64::from_le_bytes(bytes)) * bound as u128) >> 64) as usize
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashMap;

    use super::*;

    #[test]
    fn every_order_is_drawn_and_none_is_favoured() {
        let mut shuffle = PermutationSampler::new(b"seed");
        let mut counts: HashMap<Vec<usize>, i32> = HashMap::new();
        for _ in 0..6_000 {
            *counts.entry(shuffle.permutation(3)).or_default() += 1;
        }
        // 1000 expected each; five standard deviations are 145.
        assert!(counts.len() == 6 && counts.values().all(|count| (count - 1_000).abs() < 145), "{counts:?}");
    }

    #[test]
    fn a_seed_gives_the_same_permutations_for_ever() {
        let draw = |seed: &[u8]| PermutationSampler::new(seed).permutation(8);
        assert_eq!(draw(b"a"), draw(b"a"));
        assert_ne!(draw(b"a"), draw(b"b"));
        assert_eq!(
            draw(b"a"),
            [1, 2, 5, 4, 7, 0, 6, 3],
            "changed numbers would change the explanations of answers given before"
        );
        assert_eq!((draw(b"").len(), PermutationSampler::new(b"a").permutation(0)), (8, vec![]));
    }
}
