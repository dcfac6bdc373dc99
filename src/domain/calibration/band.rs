//! The exact law of empirical coverage: what share of new rows a bound covers when everything is as it should be.

use crate::domain::uncertainty::Coverage;

/// The probability that lies outside the band, half of it on each side.
const OUTSIDE: f64 = 0.01;

/// The band in which the covered share of `new_rows` rows lies with probability 0.99, where the bound is the conformal
/// quantile of `rows` scores; `None` where nothing bounds, or there are no new rows.
///
/// With k the quantile's rank, the number of covered rows is beta-binomial with a = k and b = n + 1 − k, for continuous
/// scores (Vovk 2012); with ties it is greater.
#[expect(clippy::cast_precision_loss, reason = "far fewer rows than 2^53")]
pub fn band(coverage: Coverage, rows: usize, new_rows: usize) -> Option<(f64, f64)> {
    let rank = coverage.rank(rows)?;
    if new_rows == 0 {
        return None;
    }
    let law = law(rank as f64, (rows + 1 - rank) as f64, new_rows);
    let place = |wanted: f64| {
        let mut sum = 0.0;
        let reached = law.iter().position(|probability| {
            sum += probability;
            sum >= wanted
        });
        reached.unwrap_or(new_rows) as f64 / new_rows as f64
    };
    Some((place(OUTSIDE / 2.0), place(1.0 - OUTSIDE / 2.0)))
}

/// The band for the share that a report measured on `rows` rows by cross-fitting: each part is new to the quantile of the
/// others. The parts share rows, so the band is somewhat wider than it need be.
pub fn cross_fitted_band(coverage: Coverage, rows: usize) -> Option<(f64, f64)> {
    band(coverage, rows - rows.div_ceil(super::FOLDS), rows)
}

/// The probability of each count out of `trials`. In logarithms: the first of many counts has next to none.
#[expect(clippy::cast_precision_loss, reason = "far fewer rows than 2^53")]
fn law(a: f64, b: f64, trials: usize) -> Vec<f64> {
    let all = trials as f64;
    let mut logarithm = 0.0;
    let mut logarithms = vec![logarithm];
    for count in (0..trials).map(|count| count as f64) {
        // The ratio of neighbours; where it starts does not matter, since the sum is made 1.
        logarithm += ((all - count) * (count + a)).ln() - ((count + 1.0) * (all - count - 1.0 + b)).ln();
        logarithms.push(logarithm);
    }
    crate::domain::uncertainty::softmax(logarithms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_new_row_is_covered_or_not() {
        let law = law(90.0, 10.0, 1);
        assert!((law[1] - 0.9).abs() < 1e-12, "{law:?}");
        assert_eq!(band(Coverage::DEFAULT, 8, 100), None);
        assert_eq!(band(Coverage::DEFAULT, 99, 0), None);
    }

    #[test]
    fn the_band_narrows_around_the_level() {
        let mut width = 1.0;
        for rows in [99, 999, 99_999] {
            let (low, high) = band(Coverage::DEFAULT, rows, rows).expect("it is bounded");
            assert!(low < 0.9 && high > 0.9 && high - low < width, "{rows}: {low} {high}");
            width = high - low;
        }
        assert!(width < 0.02, "{width}");
    }
}
