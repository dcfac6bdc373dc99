//! Exact bands for observed shares: the share of new rows that a bound covers, and the share of correct rows, if the
//! calibration is right.

use crate::domain::uncertainty::Coverage;

/// The probability outside the coverage band, half on each side.
const COVERAGE_TAIL: f64 = 0.01;

/// The probability outside the accuracy band, of which a plot shows fifteen at once.
const ACCURACY_TAIL: f64 = 0.05;

/// The band that contains the covered share of `new_rows` rows with probability 0.99, if the bound is the conformal
/// quantile of `rows` scores. `None` if there is no bound, or no new rows.
///
/// With k the rank of the quantile and continuous scores, the number of covered rows is beta-binomial with a = k and b
/// = n + 1 − k (Vovk 2012); ties increase coverage.
pub fn coverage_band(coverage: Coverage, rows: usize, new_rows: usize) -> Option<(f64, f64)> {
    let rank = coverage.rank(rows)?;
    if new_rows == 0 {
        return None;
    }
    let (a, b) = (rank as f64, (rows + 1 - rank) as f64);
    Some(central_interval(&count_distribution(new_rows, |count, rest| (count + a) / (rest - 1.0 + b)), COVERAGE_TAIL))
}

/// The law of the coverage that a bound really has on new rows, over the calibrations that could have been made from
/// `rows` rows: Beta(k, n + 1 − k) for continuous scores, with k the rank of the quantile (Vovk 2012).
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct CoverageLaw {
    /// The mean.
    pub mean: f64,
    /// The 5 % quantile: one calibration in twenty covers less.
    pub low: f64,
    /// The 95 % quantile: one calibration in twenty covers more.
    pub high: f64,
}

/// The law of the coverage of the conformal quantile of `rows` scores; `None` if the quantile has no bound.
pub fn coverage_law(coverage: Coverage, rows: usize) -> Option<CoverageLaw> {
    let rank = coverage.rank(rows)?;
    let (a, b) = (rank as f64, (rows + 1 - rank) as f64);
    let quantile = |share| statrs::function::beta::inv_beta_reg(a, b, share);
    Some(CoverageLaw { mean: a / (a + b), low: quantile(0.05), high: quantile(0.95) })
}

/// The band that contains the share of correct rows with probability 0.95, if each is correct with the given
/// probability: quantiles of the binomial distribution, the consistency bars of Bröcker and Smith (2007). `None` if
/// there are no rows or `probability` is not in [0, 1].
pub fn accuracy_band(rows: usize, probability: f64) -> Option<(f64, f64)> {
    if rows == 0 || !(0.0..=1.0).contains(&probability) {
        return None;
    }
    // Keep away from 0 and 1, where the logarithm of the odds is infinite; the result does not change.
    let probability = probability.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
    Some(central_interval(&count_distribution(rows, |_, _| probability / (1.0 - probability)), ACCURACY_TAIL))
}

/// The central interval, as shares, of a distribution of counts; `outside` is the total probability of both tails.
fn central_interval(law: &[f64], outside: f64) -> (f64, f64) {
    let trials = law.len() - 1;
    let place = |wanted: f64| {
        let mut sum = 0.0;
        let reached = law.iter().position(|probability| {
            sum += probability;
            sum >= wanted
        });
        reached.unwrap_or(trials) as f64 / trials as f64
    };
    (place(outside / 2.0), place(1.0 - outside / 2.0))
}

/// The distribution of a count out of `trials`, from the ratio of neighbouring probabilities: that of the binomial
/// distribution, with `odds` as a function of the count and the rest. Computed in logarithms, because the first
/// probabilities can underflow.
fn count_distribution(trials: usize, odds: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let all = trials as f64;
    let mut logarithm = 0.0;
    let mut logarithms = vec![logarithm];
    for count in (0..trials).map(|count| count as f64) {
        // Ratio of neighbouring probabilities. The starting value is arbitrary, since softmax normalizes the sum to 1.
        logarithm += ((all - count) / (count + 1.0) * odds(count, all - count)).ln();
        logarithms.push(logarithm);
    }
    crate::domain::uncertainty::softmax(logarithms)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_new_row_is_covered_or_not() {
        let law = count_distribution(1, |count, rest| (count + 90.0) / (rest - 1.0 + 10.0));
        assert!((law[1] - 0.9).abs() < 1e-12, "{law:?}");
        assert_eq!(coverage_band(Coverage::DEFAULT, 8, 100), None);
        assert_eq!(coverage_band(Coverage::DEFAULT, 99, 0), None);
    }

    #[test]
    fn the_band_narrows_around_the_level() {
        let mut width = 1.0;
        for rows in [99, 999, 99_999] {
            let (low, high) = coverage_band(Coverage::DEFAULT, rows, rows).expect("it is bounded");
            assert!(low < 0.9 && high > 0.9 && high - low < width, "{rows}: {low} {high}");
            width = high - low;
        }
        assert!(width < 0.02, "{width}");
    }

    #[test]
    fn the_real_coverage_varies_with_the_calibration() {
        // scipy.stats.beta.ppf([0.05, 0.95], k, n + 1 - k).
        for (rows, mean, low, high) in [
            (9, 0.9, 0.716_871_164_436_886_5, 0.994_316_955_011_951_9),
            (100, 91.0 / 101.0, 0.848_204_571_386_406_5, 0.944_736_762_317_1),
            (5000, 4501.0 / 5001.0, 0.892_953_617_956_347, 0.906_904_471_061_866_1),
        ] {
            let law = coverage_law(Coverage::DEFAULT, rows).expect("it is bounded");
            let near = |left: f64, right: f64| (left - right).abs() < 1e-6;
            assert!(near(law.mean, mean) && near(law.low, low) && near(law.high, high), "{rows}: {law:?}");
        }
        assert_eq!(coverage_law(Coverage::DEFAULT, 8), None);
    }

    #[test]
    fn right_rows_stray_by_the_binomial_law() {
        // scipy.stats.binom.ppf([0.025, 0.975], n, p) / n.
        for (rows, probability, low, high) in [
            (10, 0.5, 0.2, 0.8),
            (100, 0.9, 0.84, 0.95),
            (13, 0.97, 11.0 / 13.0, 1.0),
            (4, 1.0, 1.0, 1.0),
            (4, 0.0, 0.0, 0.0),
        ] {
            let found = accuracy_band(rows, probability).expect("a band");
            let near = |left: f64, right: f64| (left - right).abs() < 1e-12;
            assert!(near(found.0, low) && near(found.1, high), "{rows} at {probability}: {found:?}");
        }
        assert_eq!([accuracy_band(0, 0.5), accuracy_band(5, 1.5), accuracy_band(5, f64::NAN)], [None; 3]);
    }
}
