//! The bucket bounds of every histogram, and the validation of bounds that come from a model package.
//!
//! The bounds are literals rather than computed, so that each `le` label is a short number that stays the same between
//! releases.

/// Bounds of `candor_request_duration_seconds`: 50 µs to 10 s, four per decade. They include the powers of ten, because
/// service level objectives are usually set there.
pub(super) const REQUEST_SECONDS: [f64; 22] = [
    0.000_05, 0.000_1, 0.000_17, 0.000_3, 0.000_5, 0.001, 0.001_7, 0.003, 0.005, 0.01, 0.017, 0.03, 0.05, 0.1, 0.17,
    0.3, 0.5, 1.0, 1.7, 3.0, 5.0, 10.0,
];

/// Bounds of `candor_stage_duration_seconds`: 1 µs to 10 s, three per decade.
pub(super) const STAGE_SECONDS: [f64; 22] = [
    0.000_001, 0.000_002, 0.000_005, 0.000_01, 0.000_02, 0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002, 0.005,
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0,
];

/// Differences of probabilities, and of values in units of half the interval.
pub(super) const SHADOW_DIFFERENCE: [f64; 13] =
    [0.0001, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0];

/// Ratios of two latencies.
pub(super) const LATENCY_RATIO: [f64; 12] = [0.1, 0.25, 0.5, 0.8, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0, 5.0, 10.0];

/// Differences of two uncertainties, with their sign.
pub(super) const SIGNED_DIFFERENCE: [f64; 13] =
    [-0.5, -0.2, -0.1, -0.05, -0.02, -0.01, 0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5];

/// Bounds of `candor_batch_rows`: powers of two.
pub(super) const BATCH_ROWS: [f64; 11] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 1024.0];

/// Bounds of `candor_uncertainty` for classification. They are denser near zero, where most predictions of a good model
/// lie.
pub(super) const PROBABILITY: [f64; 15] =
    [0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];

/// Default bounds of `candor_prediction_value`, used if nothing is known about the target: one per decade on both sides
/// of zero, enough to show a change of scale or sign.
pub(super) const DEFAULT_VALUE_BUCKETS: [f64; 21] = [
    -1e6, -1e5, -1e4, -1e3, -100.0, -10.0, -1.0, -0.1, -0.01, -0.001, 0.0, 0.001, 0.01, 0.1, 1.0, 10.0, 100.0, 1e3,
    1e4, 1e5, 1e6,
];

/// The maximum number of bounds of a custom histogram; more would only cost memory.
const MAX_BUCKETS: usize = 64;

/// Sanitizes custom bounds: keeps the finite ones, sorts them, removes duplicates and thins them to at most 64. Returns
/// `None` if none is left.
pub(super) fn sanitize_buckets(bounds: &[f64]) -> Option<Vec<f64>> {
    let mut bounds: Vec<f64> = bounds.iter().copied().filter(|b| b.is_finite()).collect();
    bounds.sort_by(f64::total_cmp);
    bounds.dedup();
    if bounds.len() > MAX_BUCKETS {
        // Thin evenly and keep both ends.
        let last = bounds.len() - 1;
        let kept = |place| bounds[place * last / (MAX_BUCKETS - 1)];
        bounds = (0..MAX_BUCKETS).map(kept).collect();
    }
    (!bounds.is_empty()).then_some(bounds)
}

#[cfg(test)]
mod tests {
    use super::{BATCH_ROWS, DEFAULT_VALUE_BUCKETS, PROBABILITY, REQUEST_SECONDS, STAGE_SECONDS, sanitize_buckets};

    #[test]
    fn every_ladder_ascends() {
        let ladders: [&[f64]; 5] =
            [&REQUEST_SECONDS, &STAGE_SECONDS, &BATCH_ROWS, &PROBABILITY, &DEFAULT_VALUE_BUCKETS];
        for ladder in ladders {
            assert!(ladder.is_sorted_by(|a, b| a < b), "{ladder:?}");
        }
    }

    #[test]
    fn bounds_from_outside_are_made_usable() {
        let cases: [(&[f64], Option<&[f64]>); 4] = [
            (&[], None),
            (&[f64::NAN, f64::INFINITY], None),
            (&[3.0, 1.0, 3.0, f64::NAN], Some(&[1.0, 3.0])),
            (&[-1.0, 0.0], Some(&[-1.0, 0.0])),
        ];
        for (given, wanted) in cases {
            assert_eq!(sanitize_buckets(given).as_deref(), wanted, "{given:?}");
        }
        let many: Vec<f64> = (0..100_i32).map(f64::from).collect();
        let thinned = sanitize_buckets(&many).expect("there are bounds");
        assert_eq!((thinned.len(), thinned[0], thinned[63]), (64, 0.0, 99.0));
        assert!(thinned.is_sorted_by(|a, b| a < b), "{thinned:?}");
    }
}
