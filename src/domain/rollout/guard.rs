//! The verdict on a canary, from counts alone.
//!
//! **Roll back** means: a limit is certainly exceeded. Over the whole life of a canary, the probability of a rollback of
//! one that keeps all limits is at most 1 %, however often the verdict is asked for (see [`super::confidence`]). This
//! holds if the requests of each arm are independent and each rate stays as it is while one share is counted. Counts are
//! restarted when the share changes: with a larger share at a time of more errors, the canary would otherwise have more
//! of its requests in the bad time than stable. A server that counts and judges by itself spends 1 % of its own.
//!
//! **Promote** means: each arm has at least `min_requests`, and what was observed keeps every limit. It is no proof: a
//! canary just beyond a limit is within it by chance about every second time, and docs/rollout/guard.md says how often
//! a worse one is. A limit for which nothing was counted (no answer with an uncertainty, no compared rows) does not
//! object. Without any request of stable, as at 100 %, the errors of the canary must be within `max_error_increase` of
//! none, and nothing else is compared.
//!
//! **Hold** is everything else: too few requests, or an observation beyond a limit that may still be chance.

use super::{
    counts::CanaryCounts,
    latency_test::{excess_latency, p99_ms},
    limits::GuardLimits,
    mean_test::excess_uncertainty,
    rate_test::{error_rate, excess_disagreement, excess_errors},
    reason::RollbackReason,
};

/// What the counts say of a canary.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// Wait for more requests.
    Hold,
    /// There are enough requests, and nothing speaks against the canary.
    Promote,
    /// A limit is certainly exceeded.
    RollBack(RollbackReason),
}

/// Judges a canary. If several limits are exceeded, the reason is the first in the order of [`GuardLimits`].
///
/// The cost is a few microseconds as long as the canary is good.
pub fn judge(limits: &GuardLimits, counts: &CanaryCounts) -> Verdict {
    let exceeded = limits
        .max_error_increase
        .and_then(|limit| excess_errors(counts, limit))
        .or_else(|| excess_latency(counts, limits.max_p99_ratio?))
        .or_else(|| excess_uncertainty(counts, limits.max_uncertainty_increase?))
        .or_else(|| excess_disagreement(counts, limits.max_disagreement?));
    match exceeded {
        Some(reason) => Verdict::RollBack(reason),
        None if has_enough_requests(limits, counts) && is_within(limits, counts) => Verdict::Promote,
        None => Verdict::Hold,
    }
}

fn has_enough_requests(limits: &GuardLimits, counts: &CanaryCounts) -> bool {
    let stable = counts.stable.requests;
    counts.canary.requests >= limits.min_requests && (stable >= limits.min_requests || stable == 0)
}

/// Whether what was observed keeps every limit.
fn is_within(limits: &GuardLimits, counts: &CanaryCounts) -> bool {
    let (canary, stable) = (&counts.canary, &counts.stable);
    let errors = Some(error_rate(canary) - error_rate(stable));
    let ratio = p99_ms(&canary.latencies).zip(p99_ms(&stable.latencies)).map(|(canary, stable)| canary / stable);
    let both_uncertain = canary.uncertainty.count > 0 && stable.uncertainty.count > 0;
    let uncertainty = both_uncertain.then(|| canary.uncertainty.mean() - stable.uncertainty.mean());
    let disagreement = (counts.compared > 0).then(|| counts.disagreed as f64 / counts.compared as f64);
    [
        (errors, limits.max_error_increase),
        (ratio, limits.max_p99_ratio),
        (uncertainty, limits.max_uncertainty_increase),
        (disagreement, limits.max_disagreement),
    ]
    .into_iter()
    .filter_map(|(observed, limit)| observed.zip(limit))
    .all(|(observed, limit)| observed <= limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::rollout::ArmCounts;

    fn arm(errors: u64, requests: u64, latency_bucket: usize, uncertainty: f64) -> ArmCounts {
        let mut arm = ArmCounts { requests, errors, ..ArmCounts::default() };
        arm.latencies.add(latency_bucket, requests - errors);
        arm.uncertainty.add(uncertainty, requests - errors);
        arm
    }

    /// A canary of 1,000 requests that is like stable in all respects.
    fn good() -> CanaryCounts {
        CanaryCounts {
            canary: arm(1, 1000, 150, 0.2),
            stable: arm(19, 19_000, 150, 0.2),
            compared: 1000,
            disagreed: 50,
            restarts: 0,
        }
    }

    fn changed(change: impl FnOnce(&mut CanaryCounts)) -> CanaryCounts {
        let mut counts = good();
        change(&mut counts);
        counts
    }

    #[test]
    fn each_limit_has_its_verdicts() {
        let cases = [
            ("good", good(), Ok(Verdict::Promote)),
            ("nothing yet", CanaryCounts::default(), Ok(Verdict::Hold)),
            ("few canary requests", changed(|c| c.canary = arm(0, 499, 150, 0.2)), Ok(Verdict::Hold)),
            ("few stable requests", changed(|c| c.stable = arm(0, 499, 150, 0.2)), Ok(Verdict::Hold)),
            ("errors by chance", changed(|c| c.canary = arm(8, 1000, 150, 0.2)), Ok(Verdict::Hold)),
            ("errors", changed(|c| c.canary = arm(50, 1000, 150, 0.2)), Err("max_error_increase")),
            ("errors soon", changed(|c| c.canary = arm(5, 10, 150, 0.2)), Err("max_error_increase")),
            ("latency by chance", changed(|c| c.canary.latencies.add(200, 12)), Ok(Verdict::Hold)),
            ("latency", changed(|c| c.canary = arm(1, 1000, 170, 0.2)), Err("max_p99_ratio")),
            ("uncertainty by chance", changed(|c| c.canary = arm(1, 1000, 150, 0.251)), Ok(Verdict::Hold)),
            ("uncertainty", changed(|c| c.canary = arm(1, 1000, 150, 0.4)), Err("max_uncertainty_increase")),
            ("disagreement by chance", changed(|c| c.disagreed = 210), Ok(Verdict::Hold)),
            ("disagreement", changed(|c| c.disagreed = 300), Err("max_disagreement")),
            ("nothing compared", changed(|c| (c.compared, c.disagreed) = (0, 0)), Ok(Verdict::Promote)),
        ];
        for (what, counts, expected) in cases {
            match (judge(&GuardLimits::default(), &counts), expected) {
                (Verdict::RollBack(reason), Err(key)) => assert_eq!(reason.limit_key(), key, "{what}"),
                (verdict, expected) => assert_eq!(Ok(verdict), expected, "{what}"),
            }
        }
    }

    #[test]
    fn after_restarts_more_evidence_is_asked_for() {
        let counts = changed(|counts| counts.canary = arm(25, 1000, 150, 0.2));
        let least = |restarts| match judge(&GuardLimits::default(), &CanaryCounts { restarts, ..counts.clone() }) {
            Verdict::RollBack(RollbackReason::Errors { least_increase, .. }) => Some(least_increase),
            _ => None,
        };
        let bounds = [0, 1, 2, 1000].map(least);
        assert!(bounds.is_sorted_by(|earlier, later| earlier > later), "{bounds:?}");
        assert_eq!((bounds[0].is_some(), bounds[3]), (true, None), "{bounds:?}");
    }

    #[test]
    fn a_limit_that_is_off_neither_takes_back_nor_holds() {
        let off = GuardLimits {
            max_error_increase: None,
            max_p99_ratio: None,
            max_uncertainty_increase: None,
            max_disagreement: None,
            ..GuardLimits::default()
        };
        let counts = CanaryCounts { canary: arm(900, 1000, 300, 0.9), disagreed: 1000, ..good() };
        assert_eq!(judge(&off, &counts), Verdict::Promote);
    }

    #[test]
    fn without_stable_requests_only_few_errors_are_promoted() {
        for (errors, expected) in
            [(1, Verdict::Promote), (5, Verdict::Promote), (6, Verdict::Hold), (1000, Verdict::Hold)]
        {
            let alone = changed(|c| (c.canary, c.stable) = (arm(errors, 1000, 150, 0.9), ArmCounts::default()));
            assert_eq!(judge(&GuardLimits::default(), &alone), expected, "{errors}");
        }
    }
}
