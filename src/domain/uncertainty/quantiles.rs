//! Conformal quantiles: the bound of a list of scores at every grid level.

use serde::{Deserialize, Serialize};

use super::Coverage;

/// A part of calibration.json is invalid: what was found and what is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidCalibrationError(pub String);

impl From<String> for InvalidCalibrationError {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// The quantile at one level.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QuantileAt {
    /// The coverage level.
    pub coverage: Coverage,
    /// The largest score that is covered; `None` if no bound exists: too few rows, or too few finite scores.
    pub quantile: Option<f64>,
}

/// The quantiles of one list of scores.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Quantiles {
    /// Number of scores.
    pub rows: usize,
    /// The quantiles, by ascending level.
    pub levels: Vec<QuantileAt>,
}

impl Quantiles {
    /// Computes the quantiles at every grid level. Scores may be infinite (a row that no bound covers), but not NaN.
    pub fn of(mut scores: Vec<f64>) -> Self {
        scores.sort_unstable_by(f64::total_cmp);
        let at = |coverage: Coverage| QuantileAt { coverage, quantile: quantile_of_sorted(&scores, coverage) };
        Self { rows: scores.len(), levels: Coverage::GRID.map(at).to_vec() }
    }

    /// The quantile at a level, infinite if there is no bound; `None` if the level is not on the grid.
    pub fn at(&self, coverage: Coverage) -> Option<f64> {
        let level = self.levels.iter().find(|level| level.coverage == coverage)?;
        Some(level.quantile.unwrap_or(f64::INFINITY))
    }

    /// The bound of a group at a level, and whether it is the group's own: `own` if it is finite, else the pooled one.
    /// If the pooled bound is below the group's own bound at a lower level, that one is used instead. Sets then stay
    /// nested, and a group with large scores never gets a narrower bound at a higher coverage.
    pub(super) fn group_or_pooled(&self, coverage: Coverage, own: f64, pooled: f64) -> (f64, bool) {
        if own.is_finite() {
            return (own, true);
        }
        let lower = self.levels.iter().filter(|level| level.coverage < coverage).filter_map(|level| level.quantile);
        (lower.fold(pooled, f64::max), false)
    }

    /// Validates quantiles read from a file.
    pub(super) fn check(&self) -> Result<(), InvalidCalibrationError> {
        let levels: Vec<Coverage> = self.levels.iter().map(|level| level.coverage).collect();
        if levels != Coverage::GRID {
            return Err(format!("quantiles must have the levels {}", Coverage::grid_text()).into());
        }
        for level in self.levels.iter().filter(|level| level.quantile.is_some()) {
            if level.coverage.rank(self.rows).is_none() {
                let (coverage, rows) = (level.coverage.as_f64(), self.rows);
                return Err(format!("{rows} rows cannot have a quantile at {coverage}; it must be null").into());
            }
        }
        let bounds: Vec<f64> = self.levels.iter().map(|level| level.quantile.unwrap_or(f64::INFINITY)).collect();
        if bounds.iter().any(|bound| bound.is_nan()) || !bounds.is_sorted() {
            return Err("quantiles must be numbers that do not decrease with the level".to_owned().into());
        }
        Ok(())
    }
}

/// The conformal quantile of sorted scores; `None` if a further score has no bound.
pub(in crate::domain) fn quantile_of_sorted(sorted: &[f64], coverage: Coverage) -> Option<f64> {
    let rank = coverage.rank(sorted.len())?;
    Some(sorted[rank - 1]).filter(|score| score.is_finite())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_scores_of_the_list() {
        let quantiles = Quantiles::of(vec![3.0, 1.0, 2.0, 9.0, 8.0, 7.0, 6.0, 5.0, 4.0]);
        let at = |level: f64| quantiles.at(Coverage::new(level).expect("a level"));
        assert_eq!([at(0.5), at(0.9), at(0.95), at(0.42)], [Some(5.0), Some(9.0), Some(f64::INFINITY), None]);
        assert_eq!(quantiles.check(), Ok(()));
    }

    #[test]
    fn no_scores_bound_nothing_and_infinite_ones_neither() {
        for scores in [vec![], vec![f64::INFINITY; 200]] {
            assert!(Quantiles::of(scores).levels.iter().all(|level| level.quantile.is_none()));
        }
        let equal = Quantiles::of(vec![0.25; 100]);
        assert!(equal.levels.iter().all(|level| level.quantile == Some(0.25)), "{equal:?}");
    }

    #[test]
    fn files_with_impossible_quantiles_are_refused() {
        let mut few = Quantiles::of(vec![1.0; 5]);
        few.levels[8].quantile = Some(2.0);
        assert!(few.check().is_err_and(|error| error.0.contains("5 rows cannot")));
        let mut falling = Quantiles::of((0..200).map(f64::from).collect());
        falling.levels[8].quantile = Some(1.0);
        assert!(falling.check().is_err());
        falling.levels.pop();
        assert!(falling.check().is_err_and(|error| error.0.contains("0.99")));
    }
}
