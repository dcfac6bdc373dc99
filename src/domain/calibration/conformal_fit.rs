//! Conformal quantiles, pooled and by group, and their coverage by cross-fitting: the quantiles of all folds but one,
//! applied to that fold, in turn.

use super::{error::CalibrationError, rows::RowGroups, split::folds};
use crate::domain::uncertainty::{Coverage, Group, Groups, LaterRows, LevelReport, Quantiles, quantile_of_sorted};

/// The scores of the rows that give the quantiles, in shuffled order, with their groups.
pub(super) struct ConformityScores<'a> {
    /// The row numbers.
    pub(super) rows: &'a [usize],
    /// The conformity score of each row's true target.
    pub(super) scores: Vec<f64>,
    pub(super) groups: Option<&'a RowGroups>,
}

/// The outcome of one row's set or interval at a quantile.
#[derive(Debug, Clone, Copy)]
pub(super) struct RowCoverage {
    pub(super) covered: bool,
    /// The number of classes, or the width; `None` if unbounded.
    pub(super) size: Option<f64>,
}

/// Accumulated outcomes.
#[derive(Debug, Clone, Copy, Default)]
struct CoverageSums {
    rows: usize,
    covered: usize,
    bounded: usize,
    size: f64,
    empty: usize,
}

impl ConformityScores<'_> {
    /// Rejects groups none of which is large enough: the feature has too many values and is probably continuous.
    pub(super) fn check(&self) -> Result<(), CalibrationError> {
        let Some(groups) = self.groups else { return Ok(()) };
        let mut counts = vec![0; groups.values.len()];
        for row in self.rows {
            counts[groups.of_row[*row]] += 1;
        }
        let needed = Coverage::DEFAULT.rows_needed();
        if counts.iter().any(|count| *count >= needed) {
            return Ok(());
        }
        Err(CalibrationError::SmallGroups { feature: groups.feature.clone(), needed })
    }

    /// The pooled quantiles.
    pub(super) fn quantiles(&self) -> Quantiles {
        Quantiles::of(self.scores.clone())
    }

    /// The quantiles by group, if there are groups.
    pub(super) fn groups(&self) -> Option<Groups> {
        let groups = self.groups?;
        let group = |(index, value): (usize, &crate::domain::json::JsonValue)| {
            let own = self.rows.iter().zip(&self.scores).filter(|(row, _)| groups.of_row[**row] == index);
            Group { value: value.clone(), quantiles: Quantiles::of(own.map(|(_, score)| *score).collect()) }
        };
        let list = groups.values.iter().enumerate().map(group).collect();
        Some(Groups { feature: groups.feature.clone(), groups: list })
    }

    /// Measures each level, over all rows and by group. `outcome` gives the set or interval of a row at a quantile.
    pub(super) fn measure(
        &self,
        outcome: impl Fn(usize, f64) -> RowCoverage,
    ) -> (Vec<LevelReport>, Vec<Vec<LevelReport>>) {
        let count = self.groups.map_or(0, |groups| groups.values.len());
        let levels = Coverage::GRID.len();
        let (mut overall, mut by_group) =
            (vec![CoverageSums::default(); levels], vec![vec![CoverageSums::default(); levels]; count]);
        for (held, left) in folds(self.rows.len()) {
            let (pooled, own) = self.sorted(&left, count);
            let mut reached = vec![f64::NEG_INFINITY; count];
            for (index, coverage) in Coverage::GRID.into_iter().enumerate() {
                let everywhere = quantile_of_sorted(&pooled, coverage).unwrap_or(f64::INFINITY);
                // Same rule as `Quantiles::group_or_pooled`: the group's own quantile, else the pooled one, but at
                // least the group's own at a lower level.
                let bound = |(sorted, reached): (&Vec<f64>, &mut f64)| match quantile_of_sorted(sorted, coverage) {
                    Some(own) => {
                        *reached = own;
                        own
                    }
                    None => everywhere.max(*reached),
                };
                let within: Vec<f64> = own.iter().zip(&mut reached).map(bound).collect();
                for position in &held {
                    let row = self.rows[*position];
                    let group = self.groups.map(|groups| groups.of_row[row]);
                    let outcome = outcome(row, group.map_or(everywhere, |group| within[group]));
                    overall[index].add(outcome);
                    if let Some(group) = group {
                        by_group[group][index].add(outcome);
                    }
                }
            }
        }
        let mut levels = report(&overall);
        for (level, later) in levels.iter_mut().zip(self.later_rows()) {
            level.later = later;
        }
        (levels, by_group.iter().map(|sums| report(sums)).collect())
    }

    /// For each level: how many later rows of the table the pooled quantile of the earlier ones covers.
    fn later_rows(&self) -> Vec<Option<LaterRows>> {
        let mut in_order: Vec<(usize, f64)> = self.rows.iter().copied().zip(self.scores.iter().copied()).collect();
        in_order.sort_unstable_by_key(|(row, _)| *row);
        let scores: Vec<f64> = in_order.into_iter().map(|(_, score)| score).collect();
        let (earlier, later) = scores.split_at(scores.len().div_ceil(2));
        let mut sorted = earlier.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let level = |coverage: Coverage| {
            let quantile = quantile_of_sorted(&sorted, coverage)?;
            let covered = later.iter().filter(|score| **score <= quantile).count();
            Some(LaterRows { earlier: earlier.len(), rows: later.len(), covered })
        };
        Coverage::GRID.into_iter().map(level).collect()
    }

    /// The sorted scores at some positions: pooled, and by group.
    fn sorted(&self, positions: &[usize], groups: usize) -> (Vec<f64>, Vec<Vec<f64>>) {
        let mut pooled: Vec<f64> = positions.iter().map(|position| self.scores[*position]).collect();
        let mut own = vec![Vec::new(); groups];
        if let Some(groups) = self.groups {
            for position in positions {
                own[groups.of_row[self.rows[*position]]].push(self.scores[*position]);
            }
        }
        pooled.sort_unstable_by(f64::total_cmp);
        for scores in &mut own {
            scores.sort_unstable_by(f64::total_cmp);
        }
        (pooled, own)
    }
}

impl CoverageSums {
    fn add(&mut self, outcome: RowCoverage) {
        self.rows += 1;
        self.covered += usize::from(outcome.covered);
        if let Some(size) = outcome.size {
            self.bounded += 1;
            self.size += size;
            self.empty += usize::from(size <= 0.0 && !outcome.covered);
        }
    }
}

fn report(sums: &[CoverageSums]) -> Vec<LevelReport> {
    let level = |(coverage, sum): (Coverage, &CoverageSums)| {
        let share = |count: usize| if sum.rows == 0 { 0.0 } else { count as f64 / sum.rows as f64 };
        LevelReport {
            coverage,
            rows_needed: coverage.rows_needed(),
            empirical: share(sum.covered),
            mean_size: (sum.bounded > 0).then(|| sum.size / sum.bounded as f64),
            empty: share(sum.empty),
            unbounded: share(sum.rows - sum.bounded),
            later: None,
        }
    };
    Coverage::GRID.into_iter().zip(sums).map(level).collect()
}
