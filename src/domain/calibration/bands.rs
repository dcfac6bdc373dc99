//! Exact laws of shares: what share of new rows a bound covers, and what share of rows is right, when everything is as it
//! should be.

use crate::domain::uncertainty::Coverage;

/// The probability that lies outside the band of coverage, half of it on each side.
const COVERAGE_TAIL: f64 = 0.01;

/// The same for the band of right rows, of which a plot shows fifteen at once.
const ACCURACY_TAIL: f64 = 0.05;

/// The band in which the covered share of `new_rows` rows lies with probability 0.99, where the bound is the conformal
/// quantile of `rows` scores; `None` where nothing bounds, or there are no new rows.
///
/// With k the quantile's rank, the number of covered rows is beta-binomial with a = k and b = n + 1 − k, for continuous
/// scores (Vovk 2012); with ties it is greater.
#[expect(clippy::cast_precision_loss, reason = "far fewer rows than 2^53")]
pub fn coverage_band(coverage: Coverage, rows: usize, new_rows: usize) -> Option<(f64, f64)> {
    let rank = coverage.rank(rows)?;
    if new_rows == 0 {
        return None;
    }
    let (a, b) = (rank as f64, (rows + 1 - rank) as f64);
    Some(central_interval(&count_distribution(new_rows, |count, rest| (count + a) / (rest - 1.0 + b)), COVERAGE_TAIL))
}

/// The band in which the share of right rows lies with probability 0.95, where each of them is right with one
/// probability: the quantiles of the binomial law, the consistency bars of Bröcker and Smith (2007). `None` without rows,
/// or where it is no probability.
pub fn accuracy_band(rows: usize, probability: f64) -> Option<(f64, f64)> {
    if rows == 0 || !(0.0..=1.0).contains(&probability) {
        return None;
    }
    // Away from 0 and 1, where the ratio has no logarithm; so near them nothing changes.
    let probability = probability.clamp(f64::EPSILON, 1.0 - f64::EPSILON);
    Some(central_interval(&count_distribution(rows, |_, _| probability / (1.0 - probability)), ACCURACY_TAIL))
}

/// The shares between which a law of counts has all but `outside` of its probability.
#[expect(clippy::cast_precision_loss, reason = "far fewer rows than 2^53")]
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

/// The probability of each count out of `trials`: the binomial law's, but that a count is to the next as their odds, given
/// of the count and of the rest, say. In logarithms: the first of many counts has next to none.
#[expect(clippy::cast_precision_loss, reason = "far fewer rows than 2^53")]
fn count_distribution(trials: usize, odds: impl Fn(f64, f64) -> f64) -> Vec<f64> {
    let all = trials as f64;
    let mut logarithm = 0.0;
    let mut logarithms = vec![logarithm];
    for count in (0..trials).map(|count| count as f64) {
        // The ratio of neighbours; where it starts does not matter, since the sum is made 1.
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
