//! The test of the uncertainty: the mean of values in [0, 1], of the canary against that of stable, from sums alone.
//!
//! A bettor who puts the share λ of the wealth on "the mean is above m" has the wealth ∏ (1 + λ·(x/m − 1)), a
//! supermartingale while the mean is at most m (Waudby-Smith and Ramdas 2024, "Estimating means of bounded random
//! variables by betting"). The product needs every value; Fan, Grama and Liu (2015, "Exponential inequalities for
//! martingales with applications", Lemma 4.1) bound it from below by one that needs only sums:
//! 1 + λz ≥ exp(λz − ψ(λ)·z²) for z ≥ −1, with ψ(λ) = −ln(1 − λ) − λ. The evidence is the average over several λ.

use std::sync::LazyLock;

use super::{
    confidence::{TwoArms, UNCERTAINTY_ALPHA, greatest_certain, hedge, part_of},
    counts::{CanaryCounts, UncertaintySums},
    reason::RollbackReason,
};

/// From bets for large differences in few requests to bets for small ones in millions.
const BETS: usize = 20;
const GREATEST_BET: f64 = 0.95;
const RATIO_OF_BETS: f64 = std::f64::consts::FRAC_1_SQRT_2;

/// One λ.
#[derive(Debug, Clone, Copy)]
struct Bet {
    /// λ.
    size: f64,
    /// ψ(λ).
    cost: f64,
    /// 1 + λ / (2·ψ(λ)): the bound is greatest at 1/m = this × Σx / Σx².
    best: f64,
}

static BET_SIZES: LazyLock<[Bet; BETS]> = LazyLock::new(|| {
    let mut next = GREATEST_BET;
    std::array::from_fn(|_| {
        let size = next;
        next *= RATIO_OF_BETS;
        let cost = -(-size).ln_1p() - size;
        Bet { size, cost, best: 1.0 + size / (2.0 * cost) }
    })
});

/// The evidence that the mean is above `mean`. Never increases with `mean`.
fn above(sums: &UncertaintySums, mean: f64) -> f64 {
    let UncertaintySums { count, sum, sum_of_squares } = *sums;
    let (count, inverse) = (count as f64, 1.0 / mean);
    // All values 0: m does not matter.
    let greatest = if sum > 0.0 && sum_of_squares > 0.0 { sum / sum_of_squares } else { 0.0 };
    let exponents = BET_SIZES.map(|Bet { size, cost, best }| {
        // The bound is concave in 1/m, while the wealth increases: beyond its maximum, the bound at the maximum holds.
        let inverse = inverse.min(best * greatest);
        let deviation = inverse * sum - count;
        let squares = inverse * inverse * sum_of_squares - 2.0 * inverse * sum + count;
        size * deviation - cost * squares
    });
    let greatest = exponents.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let sum: f64 = exponents.iter().map(|exponent| (exponent - greatest).exp()).sum();
    greatest + (sum / BETS as f64).ln()
}

/// The reason to take a canary back whose mean uncertainty is certainly above that of stable by more than `limit`.
pub(super) fn excess_uncertainty(counts: &CanaryCounts, limit: f64) -> Option<RollbackReason> {
    let (canary, stable) = (&counts.canary.uncertainty, &counts.stable.uncertainty);
    if stable.count == 0 || canary.mean() - stable.mean() <= limit {
        return None;
    }
    let alpha = part_of(UNCERTAINTY_ALPHA, counts.restarts);
    let complement = stable.reflected();
    let stable_below = |mean: f64| hedge(above(&complement, 1.0 - mean));
    let is_certain = |increase: f64| {
        let canary_above = |mean: f64| above(canary, (mean + increase).min(1.0));
        TwoArms { canary_above: &canary_above, stable_below: &stable_below }.is_certain(stable.mean(), alpha)
    };
    is_certain(limit).then(|| RollbackReason::Uncertainty {
        canary_mean: canary.mean(),
        canary_requests: canary.count,
        stable_mean: stable.mean(),
        stable_requests: stable.count,
        least_increase: greatest_certain(limit, 1.0, is_certain),
        limit,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sums(values: &[(f64, u64)]) -> UncertaintySums {
        let mut sums = UncertaintySums::default();
        for (value, times) in values {
            sums.add(*value, *times);
        }
        sums
    }

    #[test]
    fn certain_uncertainty_is_told_with_its_bound() {
        let steady = |mean: f64, count: u64| sums(&[(mean - 0.1, count / 2), (mean + 0.1, count / 2)]);
        for (canary, stable, expected) in [
            (steady(0.4, 400), steady(0.2, 8000), true),
            (steady(0.4, 20), steady(0.2, 8000), false),
            (steady(0.25, 10_000), steady(0.2, 200_000), false),
            (steady(0.27, 10_000), steady(0.2, 200_000), true),
            (steady(0.4, 400), sums(&[]), false),
            (sums(&[]), steady(0.2, 400), false),
            (sums(&[(1.0, 100)]), sums(&[(0.0, 2000)]), true),
            (sums(&[(0.0, 100)]), sums(&[(0.0, 2000)]), false),
            (sums(&[(1.0, 100)]), sums(&[(1.0, 2000)]), false),
        ] {
            let mut counts = CanaryCounts::default();
            (counts.canary.uncertainty, counts.stable.uncertainty) = (canary, stable);
            let reason = excess_uncertainty(&counts, 0.05);
            assert_eq!(reason.is_some(), expected, "{canary:?} {stable:?}: {reason:?}");
            if let Some(RollbackReason::Uncertainty { canary_mean, stable_mean, least_increase, .. }) = reason {
                assert!(least_increase >= 0.05 && least_increase <= canary_mean - stable_mean, "{least_increase}");
            }
        }
    }

    proptest! {
        #[test]
        fn evidence_is_monotone_and_below_the_wealth(
            values in prop::collection::vec(0.0..=1.0_f64, 0..60),
            low in 0.001..=1.0_f64,
            high in 0.001..=1.0_f64,
        ) {
            let (low, high) = (low.min(high), low.max(high));
            let pairs: Vec<(f64, u64)> = values.iter().map(|value| (*value, 1)).collect();
            let (at_low, at_high) = (above(&sums(&pairs), low), above(&sums(&pairs), high));
            prop_assert!(at_low >= at_high - 1e-9, "{at_low} {at_high}");
            let wealths = BET_SIZES.map(|bet| values.iter().map(|x| 1.0 + bet.size * (x / low - 1.0)).product::<f64>());
            let wealth = (wealths.iter().sum::<f64>() / BETS as f64).ln();
            prop_assert!(at_low <= wealth + 1e-9, "{at_low} {wealth}");
        }
    }
}
