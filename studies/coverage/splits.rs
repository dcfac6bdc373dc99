//! Random splits of held-out rows into those that calibrate and those that are asked. They repeat by their seed.

use candor::domain::{
    random::SplitMix64,
    uncertainty::{CalibrationDocument, Calibrator},
};

use crate::{
    rows::Rows,
    studies::Study,
    tally::{Count, Series},
};

const SEED: u64 = 20_261_121;

/// Splits the rows so often, and measures: over all rows and by group, with quantiles of all rows and, where there are
/// groups, with quantiles of their own.
pub(crate) fn repeat(study: &Study, rows: &Rows, times: usize) -> Vec<Series> {
    let mut random = SplitMix64::new(SEED);
    let manners = if rows.groups().is_some() { vec![false, true] } else { vec![false] };
    let mut series: Vec<Series> = Vec::new();
    for grouped in &manners {
        series.push(Series::new(study.version, *grouped, None));
        let names = rows.groups().map(|groups| groups.values.as_slice()).unwrap_or_default();
        series.extend(names.iter().map(|name| Series::new(study.version, *grouped, Some(name.to_string()))));
    }
    let each = series.len() / manners.len();
    for time in 0..times {
        if time * 10 % times < 10 {
            eprintln!("{}: {} of {times} splits", study.version, time);
        }
        let order = shuffled(&mut random, rows.len());
        let (fit, asked) = order.split_at(rows.len() / 2);
        for (grouped, series) in manners.iter().zip(series.chunks_mut(each)) {
            let calibration = rows.calibrate(fit, *grouped);
            measure(rows, asked, &calibration, series);
        }
    }
    series
}

/// Asks the rows at every level; the first of the series is that of all rows, the others are those of the groups.
fn measure(rows: &Rows, asked: &[usize], calibration: &CalibrationDocument, series: &mut [Series]) {
    for level in 0..series[0].levels.len() {
        let coverage = series[0].levels[level].coverage;
        let calibrator = Calibrator::new(calibration, coverage).expect("the level is on the grid");
        let mut counts = vec![Count::default(); series.len()];
        for row in asked {
            let answer = rows.ask(*row, &calibrator);
            counts[0].add(&answer);
            if let Some(groups) = rows.groups() {
                counts[1 + groups.of_row[*row]].add(&answer);
            }
        }
        for (index, (series, count)) in series.iter_mut().zip(counts).enumerate() {
            let own = calibration.groups().zip(index.checked_sub(1)).map(|(groups, group)| &groups.groups[group]);
            let quantile_rows = own.map_or(calibration.report.conformal_rows, |group| group.quantiles.rows);
            series.levels[level].add(quantile_rows, count);
            series.methods.insert(calibrator.method());
        }
    }
}

/// The numbers below `count`, shuffled (Fisher and Yates).
fn shuffled(random: &mut SplitMix64, count: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    for last in (1..count).rev() {
        let other = usize::try_from(random.next_below(last as u64 + 1)).expect("below a usize");
        order.swap(last, other);
    }
    order
}
