//! The distribution of a difference over the rows.

use serde::Serialize;

/// The mean and order statistics of a difference.
///
/// The p-quantile of n sorted values is the ⌈np⌉-th (the inverse of the empirical distribution; Hyndman and Fan's
/// definition 1), so each is a difference that occurred.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct DifferenceDistribution {
    /// The mean.
    pub mean: f64,
    /// The 0.5 quantile.
    pub median: f64,
    /// The 0.9 quantile.
    pub p90: f64,
    /// The 0.99 quantile.
    pub p99: f64,
    /// The maximum.
    pub maximum: f64,
}

impl DifferenceDistribution {
    /// The distribution of finite values; `None` if there are none.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let maximum = *values.last()?;
        // `percent` keeps the rank exact: 0.9 × 10 may exceed 9 in floating point.
        let at = |percent: usize| values[(values.len() * percent).div_ceil(100).max(1) - 1];
        let mean = values.iter().sum::<f64>() / values.len() as f64;
        Some(Self { mean, median: at(50), p90: at(90), p99: at(99), maximum })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let hundred = (1..=100).rev().map(f64::from).collect();
        let found = DifferenceDistribution::of(hundred).expect("values");
        assert_eq!((found.median, found.p90, found.p99, found.maximum), (50.0, 90.0, 99.0, 100.0));
        assert!((found.mean - 50.5).abs() < 1e-12);
        assert_eq!(DifferenceDistribution::of(vec![3.0]).map(|one| (one.median, one.p99)), Some((3.0, 3.0)));
        assert_eq!(DifferenceDistribution::of(Vec::new()), None);
    }
}
