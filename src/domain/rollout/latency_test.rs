//! The test of the latency: the canary's p99 against that of stable, both estimated from buckets.
//!
//! Let the p99 of stable be in bucket `i`. Then at least 1 % of the latencies of stable are in `i` or above. If the
//! canary keeps the ratio, at most 1 % of its latencies are in buckets that start at ratio × the end of `i`. Both are
//! statements about rates, with evidence as in [`super::rate_test`]; Howard and Ramdas (2022, "Sequential estimation of
//! quantiles with applications to A/B testing and best-arm identification") reduce quantiles to rates in the same way.
//! Rounding up to whole buckets costs at most two of them: a ratio of 1.25 is certainly exceeded from about 1.32 on.

use super::{
    confidence::{LATENCY_ALPHA, hedge, is_certain, part_of},
    counts::{BUCKETS_PER_DECADE, CanaryCounts, LATENCY_BUCKETS, LatencyCounts, bucket_start},
    rate_test::{RateEvidence, RateMixture},
    reason::RollbackReason,
};

/// The share of the latencies above the p99.
const TAIL: f64 = 0.01;

/// Rates above 1 %.
const CANARY_TAIL: RateMixture = RateMixture { a: 0.5, b: 5.0 };
/// Rates below 1 %.
const STABLE_TAIL: RateMixture = RateMixture { a: 0.5, b: 50.0 };

/// Whether the canary's p99 is certainly more than this many buckets above that of stable. If so, it exceeds every ratio
/// up to 10^(shift / 50).
fn is_slower_by(canary: &LatencyCounts, stable: &LatencyCounts, shift: usize, alpha: f64) -> bool {
    let (canary_total, stable_total) = (canary.total(), stable.total());
    let is_certain_at = |canary_tail, stable_tail| {
        let canary_tail = RateEvidence::new(canary_tail, canary_total, CANARY_TAIL);
        let stable_tail = RateEvidence::new(stable_tail, stable_total, STABLE_TAIL);
        is_certain(canary_tail.above(TAIL) + hedge(stable_tail.below(TAIL)), alpha)
    };
    let tails_at = |bucket: usize| (canary.count_from(bucket + 1 + shift), stable.count_from(bucket));
    let Some((guess, _)) = stable.upper_quantile(TAIL) else { return false };
    let (canary_tail, stable_tail) = tails_at(guess);
    // Nearly every test of a good canary ends here.
    if canary_tail as f64 <= TAIL * canary_total as f64 || !is_certain_at(canary_tail, stable_tail) {
        return false;
    }
    // The p99 of stable is most likely in a bucket nearby. Empty buckets change nothing.
    let mut previous = None;
    (guess..LATENCY_BUCKETS).chain((0..guess).rev()).all(|bucket| {
        let tails = tails_at(bucket);
        previous.replace(tails) == Some(tails) || is_certain_at(tails.0, tails.1)
    })
}

/// The buckets that a ratio spans, rounded up.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "at least 0; as many buckets as there are")]
fn shift(ratio: f64) -> usize {
    // 10^(5/50) is 5 buckets even if its logarithm is a little above.
    (ratio.log10() * BUCKETS_PER_DECADE - 1e-9).ceil().clamp(0.0, LATENCY_BUCKETS as f64) as usize
}

/// The observed p99 in milliseconds, interpolated in its bucket; `None` if nothing was counted.
pub(super) fn p99_ms(latencies: &LatencyCounts) -> Option<f64> {
    let (bucket, inside) = latencies.upper_quantile(TAIL)?;
    let width = 10_f64.powf(inside / BUCKETS_PER_DECADE);
    Some(bucket_start(bucket).as_secs_f64() * 1e3 * width)
}

/// The reason to take a canary back whose p99 is certainly above that of stable by more than this ratio.
pub(super) fn excess_latency(counts: &CanaryCounts, limit: f64) -> Option<RollbackReason> {
    let (canary, stable) = (&counts.canary.latencies, &counts.stable.latencies);
    let (least, alpha) = (shift(limit), part_of(LATENCY_ALPHA, counts.restarts));
    if !is_slower_by(canary, stable, least, alpha) {
        return None;
    }
    let (mut certain, mut uncertain) = (least, LATENCY_BUCKETS);
    while uncertain - certain > 1 {
        let middle = usize::midpoint(certain, uncertain);
        if is_slower_by(canary, stable, middle, alpha) { certain = middle } else { uncertain = middle }
    }
    Some(RollbackReason::Latency {
        canary_p99_ms: p99_ms(canary)?,
        canary_requests: canary.total(),
        stable_p99_ms: p99_ms(stable)?,
        stable_requests: stable.total(),
        least_ratio: 10_f64.powf(certain as f64 / BUCKETS_PER_DECADE).max(limit),
        limit,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Latencies with this p99: 98 % far below, 2 % spread evenly around it.
    fn latencies(p99_bucket: usize, total: u64) -> LatencyCounts {
        let mut counts = LatencyCounts::default();
        counts.add(p99_bucket - 60, total * 98 / 100);
        (0..10).for_each(|step| counts.add(p99_bucket - 5 + step, total / 500));
        counts
    }

    #[test]
    fn a_certain_ratio_is_told_with_its_bound() {
        for (canary, stable, expected) in [
            (latencies(220, 10_000), latencies(200, 190_000), true),
            (latencies(220, 500), latencies(200, 9500), false),
            (latencies(203, 100_000), latencies(200, 1_900_000), false),
            (latencies(205, 100_000), latencies(200, 1_900_000), false),
            (latencies(208, 1_000_000), latencies(200, 1_900_000), true),
            (latencies(220, 10_000), LatencyCounts::default(), false),
            (LatencyCounts::default(), latencies(200, 10_000), false),
            (latencies(430, 10_000), latencies(200, 10_000), true),
            (latencies(200, 10_000), latencies(430, 10_000), false),
        ] {
            let mut counts = CanaryCounts::default();
            let ratio = p99_ms(&canary).zip(p99_ms(&stable)).map(|(canary, stable)| canary / stable);
            (counts.canary.latencies, counts.stable.latencies) = (canary, stable);
            let reason = excess_latency(&counts, 1.25);
            assert_eq!(reason.is_some(), expected, "{ratio:?}: {reason:?}");
            if let Some(RollbackReason::Latency { least_ratio, .. }) = reason {
                assert!(least_ratio >= 1.25 && Some(least_ratio) < ratio, "{least_ratio}, {ratio:?}");
            }
        }
    }

    #[test]
    fn a_ratio_is_rounded_up_to_buckets() {
        for (ratio, buckets) in
            [(1.0, 0), (1.01, 1), (1.25, 5), (10_f64.powf(0.1), 5), (10.0, 50), (1e300, LATENCY_BUCKETS)]
        {
            assert_eq!(shift(ratio), buckets, "{ratio}");
        }
    }

    #[test]
    fn the_p99_is_interpolated() {
        let mut counts = LatencyCounts::default();
        counts.add(150, 1000);
        let p99 = p99_ms(&counts).expect("latencies");
        // Bucket 150 is 1 ms to 1.047 ms, and 99 % of it are below the p99.
        assert!(p99 > 1.044 && p99 < 1.048, "{p99}");
    }
}
