//! Regression intervals: the conformity scores of split, normalized and quantile conformal prediction, and the interval
//! for a given quantile.
//!
//! An interval contains every value whose score, computed in the same arithmetic, is at most the quantile. If rounding
//! would exclude such a value, the end moves outward.

/// The score of split conformal (Papadopoulos 2002; Lei et al. 2018): `|y − ŷ|`.
pub fn split_score(target: f64, value: f64) -> f64 {
    (target - value).abs()
}

/// The score of normalized conformal: `|y − ŷ| / σ(x)`. Infinite, so never covered, if σ is negative, or 0 with a
/// nonzero error.
pub fn normalized_score(target: f64, value: f64, sigma: f64) -> f64 {
    let error = (target - value).abs();
    if error == 0.0 && sigma >= 0.0 {
        0.0
    } else if sigma > 0.0 {
        error / sigma
    } else {
        f64::INFINITY
    }
}

/// The score of conformalized quantile regression (Romano, Patterson, Candès 2019): `max(q_lo − y, y − q_hi)`.
pub fn cqr_score(target: f64, lower: f64, upper: f64) -> f64 {
    (lower - target).max(target - upper)
}

/// The interval of split conformal; `None` if the quantile is infinite.
pub fn split(value: f64, quantile: f64) -> Option<(f64, f64)> {
    ends(value - quantile, value + quantile, |target| split_score(target, value) <= quantile)
}

/// The interval of normalized conformal; `None` if the quantile is infinite or σ is negative.
pub fn normalized(value: f64, sigma: f64, quantile: f64) -> Option<(f64, f64)> {
    if !(sigma >= 0.0 && quantile.is_finite()) {
        return None;
    }
    let width = quantile * sigma;
    ends(value - width, value + width, |target| normalized_score(target, value, sigma) <= quantile)
}

/// The interval of conformalized quantile regression; `None` if the quantile is infinite. If the ends would cross, no
/// value has a score that small. The interval is then the midpoint, which covers at least as much as an empty one.
pub fn cqr(lower: f64, upper: f64, quantile: f64) -> Option<(f64, f64)> {
    let (low, high) = (lower - quantile, upper + quantile);
    if low > high {
        let middle = low.midpoint(high);
        return middle.is_finite().then_some((middle, middle));
    }
    ends(low, high, |target| cqr_score(target, lower, upper) <= quantile)
}

/// Moves each end outward as far as the score there is still admitted, by at most four rounding units of the larger
/// end: near zero the resolution of an end is far finer than its error. Uses bisection.
fn ends(low: f64, high: f64, admits: impl Fn(f64) -> bool) -> Option<(f64, f64)> {
    const HALVINGS: u32 = 10;
    let reach = 4.0 * low.abs().max(high.abs()) * f64::EPSILON;
    let outward = |end: f64, reach: f64| {
        let (mut inside, mut outside) = (end, end + reach);
        for _ in 0..HALVINGS {
            let middle = inside.midpoint(outside);
            if admits(middle) {
                inside = middle;
            } else {
                outside = middle;
            }
        }
        inside
    };
    let (low, high) = (outward(low, -reach), outward(high, reach));
    (low.is_finite() && high.is_finite()).then_some((low, high))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_where_the_score_is_small_enough() {
        assert_eq!(split(10.0, 2.5), Some((7.5, 12.5)));
        assert_eq!(normalized(10.0, 2.0, 1.25), Some((7.5, 12.5)));
        assert_eq!(cqr(7.0, 12.0, 0.5), Some((6.5, 12.5)));
        assert_eq!(cqr(7.0, 12.0, -0.5), Some((7.5, 11.5)));
        assert_eq!(cqr(7.0, 12.0, -3.0), Some((9.5, 9.5)), "crossed ends meet in the middle");
        assert_eq!(normalized(10.0, 0.0, 1.25), Some((10.0, 10.0)));
    }

    #[test]
    fn what_has_no_bound_has_no_interval() {
        for interval in [
            split(1.0, f64::INFINITY),
            normalized(1.0, 1.0, f64::INFINITY),
            normalized(1.0, -1.0, 1.0),
            normalized(1.0, 0.0, f64::INFINITY),
            normalized(1.0, f64::NAN, 1.0),
            cqr(0.0, 1.0, f64::INFINITY),
            split(f64::MAX, f64::MAX),
        ] {
            assert_eq!(interval, None);
        }
        assert!(normalized_score(2.0, 1.0, 0.0).is_infinite() && normalized_score(1.0, 1.0, -1.0).is_infinite());
        assert_eq!(normalized_score(1.0, 1.0, 0.0).to_bits(), 0);
    }

    #[test]
    fn a_target_at_the_very_end_is_inside() {
        // Integer targets: their own score is the quantile, and rounding must not exclude them.
        for step in 0..2000_i32 {
            let value = half::f16::from_f64(f64::from(step).sqrt()).to_f64() + 1.0 / 3.0;
            for target in [0.0, 1.0, 3.0, 7.0, 40.0] {
                let quantile = split_score(target, value);
                let (low, high) = split(value, quantile).expect("it is bounded");
                assert!((low..=high).contains(&target), "{target} {value}: {low} {high}");
                let (low, high) = normalized(value, 0.7, normalized_score(target, value, 0.7)).expect("bounded");
                assert!((low..=high).contains(&target), "{target} {value} / 0.7: {low} {high}");
            }
        }
    }
}
