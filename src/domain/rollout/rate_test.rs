//! Tests of rates: errors of the canary against those of stable, and disagreement against its limit.
//!
//! The evidence against a set of rates is the likelihood of the counts under a beta mixture, divided by the greatest
//! likelihood in the set. For each single rate the quotient is a test martingale (Robbins 1970, "Statistical methods
//! related to the law of the iterated logarithm"), and the least of them is an e-process for the set.

use statrs::function::gamma::ln_gamma;

use super::{
    confidence::{DISAGREEMENT_ALPHA, ERRORS_ALPHA, TwoArms, greatest_certain, hedge, is_certain, part_of},
    counts::{ArmCounts, CanaryCounts},
    reason::RollbackReason,
};

/// The weight of each rate in a mixture: a beta distribution. Any choice is valid; it decides which rates are detected
/// soonest.
#[derive(Debug, Clone, Copy)]
pub(super) struct RateMixture {
    pub(super) a: f64,
    pub(super) b: f64,
}

/// A canary that errs may do so at any rate.
const CANARY_ERRORS: RateMixture = RateMixture { a: 0.5, b: 1.0 };
/// Stable errs rarely: most weight is on small rates, about equal for each order of magnitude.
const STABLE_ERRORS: RateMixture = RateMixture { a: 0.1, b: 1.0 };
/// Any rate.
const DISAGREEMENT: RateMixture = RateMixture { a: 0.5, b: 0.5 };

/// Counts of one arm, and what they say of its rate.
pub(super) struct RateEvidence {
    hits: f64,
    misses: f64,
    /// The logarithm of the likelihood under the mixture.
    ln_mixture: f64,
}

impl RateEvidence {
    /// Of `total` requests, `hits` were hits.
    pub(super) fn new(hits: u64, total: u64, mixture: RateMixture) -> Self {
        let (hits, misses) = (hits as f64, total.saturating_sub(hits) as f64);
        let RateMixture { a, b } = mixture;
        let ln_mixture = ln_beta(a + hits, b + misses) - ln_beta(a, b);
        Self { hits, misses, ln_mixture }
    }

    /// The evidence that the rate is above `rate`. Never increases with `rate`.
    pub(super) fn above(&self, rate: f64) -> f64 {
        self.ln_mixture - self.ln_likelihood(rate.min(self.rate().unwrap_or(0.0)))
    }

    /// The evidence that the rate is below `rate`. Never decreases with `rate`.
    pub(super) fn below(&self, rate: f64) -> f64 {
        self.ln_mixture - self.ln_likelihood(rate.max(self.rate().unwrap_or(1.0)))
    }

    /// The observed rate; `None` if nothing was counted.
    pub(super) fn rate(&self) -> Option<f64> {
        let total = self.hits + self.misses;
        (total > 0.0).then(|| self.hits / total)
    }

    fn ln_likelihood(&self, rate: f64) -> f64 {
        // No hit contributes nothing, even at the rate 0, where the logarithm is infinite.
        let hits = if self.hits > 0.0 { self.hits * rate.ln() } else { 0.0 };
        let misses = if self.misses > 0.0 { self.misses * (-rate).ln_1p() } else { 0.0 };
        hits + misses
    }
}

fn ln_beta(a: f64, b: f64) -> f64 {
    ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b)
}

/// The reason to take a canary back whose error rate is certainly above that of stable by more than `limit`.
pub(super) fn excess_errors(counts: &CanaryCounts, limit: f64) -> Option<RollbackReason> {
    let (canary, stable) = (&counts.canary, &counts.stable);
    if error_rate(canary) - error_rate(stable) <= limit {
        return None;
    }
    let canary_evidence = RateEvidence::new(canary.errors, canary.requests, CANARY_ERRORS);
    let stable_evidence = RateEvidence::new(stable.errors, stable.requests, STABLE_ERRORS);
    let guess = stable_evidence.rate()?;
    let alpha = part_of(ERRORS_ALPHA, counts.restarts);
    let stable_below = |rate| hedge(stable_evidence.below(rate));
    let is_certain = |increase: f64| {
        let canary_above = |rate: f64| canary_evidence.above((rate + increase).min(1.0));
        TwoArms { canary_above: &canary_above, stable_below: &stable_below }.is_certain(guess, alpha)
    };
    is_certain(limit).then(|| RollbackReason::Errors {
        canary_rate: error_rate(canary),
        canary_requests: canary.requests,
        stable_rate: error_rate(stable),
        stable_requests: stable.requests,
        least_increase: greatest_certain(limit, 1.0, is_certain),
        limit,
    })
}

/// The observed error rate; 0 without requests.
pub(super) fn error_rate(arm: &ArmCounts) -> f64 {
    arm.errors as f64 / arm.requests.max(1) as f64
}

/// The reason to take a canary back that certainly disagrees with stable on more than this share of the rows.
pub(super) fn excess_disagreement(counts: &CanaryCounts, limit: f64) -> Option<RollbackReason> {
    let evidence = RateEvidence::new(counts.disagreed, counts.compared, DISAGREEMENT);
    let rate = evidence.rate().filter(|rate| *rate > limit)?;
    let alpha = part_of(DISAGREEMENT_ALPHA, counts.restarts);
    let is_certain = |share| is_certain(evidence.above(share), alpha);
    is_certain(limit).then(|| RollbackReason::Disagreement {
        rate,
        compared: counts.compared,
        least_rate: greatest_certain(limit, 1.0, is_certain),
        limit,
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counts(canary: (u64, u64), stable: (u64, u64)) -> CanaryCounts {
        let arm = |(errors, requests)| ArmCounts { requests, errors, ..ArmCounts::default() };
        CanaryCounts { canary: arm(canary), stable: arm(stable), ..CanaryCounts::default() }
    }

    /// The definition of an e-process, by summing over all outcomes of `total` requests.
    #[test]
    fn the_expected_evidence_is_at_most_one() {
        for mixture in [CANARY_ERRORS, STABLE_ERRORS, DISAGREEMENT] {
            for rate in [0.001, 0.01, 0.3] {
                for total in [1, 10, 200_u64] {
                    let expect = |evidence: &dyn Fn(&RateEvidence) -> f64| {
                        let outcomes = (0..=total).map(|hits| {
                            let found = RateEvidence::new(hits, total, mixture);
                            let ways = ln_gamma(total as f64 + 1.0)
                                - ln_gamma(hits as f64 + 1.0)
                                - ln_gamma((total - hits) as f64 + 1.0);
                            (ways + found.ln_likelihood(rate) + evidence(&found)).exp()
                        });
                        outcomes.sum::<f64>()
                    };
                    let (above, below) = (expect(&|found| found.above(rate)), expect(&|found| found.below(rate)));
                    assert!(above <= 1.0 + 1e-9 && below <= 1.0 + 1e-9, "{mixture:?} {rate} {total}: {above} {below}");
                    // Against the single rate, it is a martingale.
                    let single = expect(&|found| found.ln_mixture - found.ln_likelihood(rate));
                    assert!((single - 1.0).abs() < 1e-9, "{mixture:?} {rate} {total}: {single}");
                }
            }
        }
    }

    #[test]
    fn certain_errors_are_told_with_their_bound() {
        let cases = [
            // canary, stable, whether it is certain
            ((10, 190), (4, 3600), true),
            ((3, 190), (4, 3600), false),
            ((10, 190), (190, 3600), false),
            ((10, 10), (0, 190), true),
            ((10, 10), (0, 0), false),
            ((0, 0), (0, 1000), false),
            ((500, 100_000), (0, 1_900_000), false),
            ((1000, 100_000), (0, 1_900_000), true),
        ];
        for (canary, stable, expected) in cases {
            let reason = excess_errors(&counts(canary, stable), 0.005);
            assert_eq!(reason.is_some(), expected, "{canary:?} {stable:?}: {reason:?}");
            if let Some(RollbackReason::Errors { canary_rate, stable_rate, least_increase, limit, .. }) = reason {
                assert!(least_increase >= limit && least_increase <= canary_rate - stable_rate, "{least_increase}");
            }
        }
    }

    #[test]
    fn certain_disagreement_is_told_with_its_bound() {
        for (disagreed, compared, expected) in [
            (0, 0, false),
            (20, 100, false),
            (30, 100, false),
            (45, 100, true),
            (2100, 10_000, false),
            (2300, 10_000, true),
        ] {
            let counts = CanaryCounts { compared, disagreed, ..CanaryCounts::default() };
            let reason = excess_disagreement(&counts, 0.2);
            assert_eq!(reason.is_some(), expected, "{disagreed} of {compared}: {reason:?}");
            if let Some(RollbackReason::Disagreement { rate, least_rate, .. }) = reason {
                assert!(least_rate >= 0.2 && least_rate < rate, "{least_rate}");
            }
        }
    }

    proptest! {
        #[test]
        fn evidence_is_monotone_in_the_rate(hits in 0..50_u64, misses in 0..1000_u64, low in 0.0..=1.0_f64, high in 0.0..=1.0_f64) {
            let (low, high) = (low.min(high), low.max(high));
            let evidence = RateEvidence::new(hits, hits + misses, CANARY_ERRORS);
            prop_assert!(evidence.above(low) >= evidence.above(high));
            prop_assert!(evidence.below(low) <= evidence.below(high));
        }
    }
}
