//! Measures a loaded version before it serves: the cost of a batch by its size, and how much batching changes the
//! outputs.

use std::{
    ops::RangeInclusive,
    time::{Duration, Instant},
};

use serde::Serialize;

use super::{Executor, RunError, merge, row_values};
use crate::domain::tensor::Inputs;

/// Runs per batch size; the median is kept.
const REPETITIONS: usize = 5;

/// cost(n) ≈ `per_run` + n · `per_row`, fitted by least squares to the median times of the probed sizes.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Cost {
    /// Fixed cost of a run in seconds.
    pub per_run: f64,
    /// Cost of each row in seconds.
    pub per_row: f64,
}

impl Cost {
    /// The cost if everything takes `pace` times as long.
    #[must_use]
    pub fn scaled(self, pace: f64) -> Self {
        Self { per_run: self.per_run * pace, per_row: self.per_row * pace }
    }

    /// The expected time of a run of `rows` rows.
    pub fn batch_time(self, rows: usize) -> Duration {
        Duration::try_from_secs_f64(self.per_run + self.per_row * rows as f64).unwrap_or_default()
    }
}

/// Result of the probe.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Probe {
    /// The probed batch sizes, smallest first.
    pub sizes: Vec<usize>,
    /// The median seconds of a run at each size.
    pub seconds: Vec<f64>,
    /// The fitted cost.
    pub cost: Cost,
    /// The largest absolute difference of any output between a row run alone and the same row in a batch.
    pub largest_difference: f64,
}

impl Probe {
    /// The probe of a version that has not been measured yet.
    pub fn unmeasured() -> Self {
        let cost = Cost { per_run: 0.0, per_row: 0.0 };
        Self { sizes: Vec::new(), seconds: Vec::new(), cost, largest_difference: 0.0 }
    }

    /// The smallest and the largest probed size whose cost per row is within 5 % of the best. Smaller runs waste CPU
    /// time. Between the two, more rows only make each row wait longer; above the largest, the cost per row rises
    /// again.
    pub fn efficient_batch_sizes(&self) -> RangeInclusive<usize> {
        const EFFICIENCY_TOLERANCE: f64 = 1.05;
        let a_row = |(size, seconds): (&usize, &f64)| (*size, seconds / *size as f64);
        let best = self.sizes.iter().zip(&self.seconds).map(a_row).map(|at| at.1).fold(f64::INFINITY, f64::min);
        let good = self
            .sizes
            .iter()
            .zip(&self.seconds)
            .map(a_row)
            .filter(|(_, seconds)| *seconds <= best * EFFICIENCY_TOLERANCE);
        let sizes: Vec<usize> = good.map(|(size, _)| size).collect();
        sizes.first().copied().unwrap_or(1)..=sizes.last().copied().unwrap_or(1)
    }
}

/// Returns the median time of a run on these inputs, after one warm-up run.
///
/// # Errors
/// Returns a [`RunError`] if the graph fails on the inputs.
pub fn median_run_time(executor: &mut impl Executor, inputs: &Inputs) -> Result<Duration, RunError> {
    executor.run(inputs)?;
    let mut times = Vec::with_capacity(REPETITIONS);
    for _ in 0..REPETITIONS {
        let started = Instant::now();
        executor.run(inputs)?;
        times.push(started.elapsed());
    }
    times.sort();
    Ok(times[REPETITIONS / 2])
}

/// Runs the rows at batch size 1, at every power of two below `limit`, and at `limit` (1 for a model without a batch
/// axis). This also warms these sizes up.
///
/// # Errors
/// Returns a [`RunError`] if the graph fails on a batch.
pub fn probe(executor: &mut impl Executor, rows: &[Inputs], limit: usize) -> Result<Probe, RunError> {
    let mut sizes: Vec<usize> =
        std::iter::successors(Some(1), |size| Some(size * 2)).take_while(|size| *size < limit).collect();
    sizes.push(limit.max(1));
    let mut found =
        Probe { sizes, seconds: Vec::new(), cost: Cost { per_run: 0.0, per_row: 0.0 }, largest_difference: 0.0 };
    for size in found.sizes.clone() {
        // Repeat the rows to fill the batch.
        let chosen: Vec<&Inputs> = rows.iter().cycle().take(size).collect();
        let Some(batch) = merge(&chosen) else { break };
        found.seconds.push(median_run_time(executor, &batch)?.as_secs_f64());
        if size > 1 {
            let together = executor.run(&batch)?;
            for (index, inputs) in chosen.iter().enumerate().take(rows.len()) {
                let alone = executor.run(inputs)?;
                for (whole, single) in together.iter().zip(&alone) {
                    let differences = row_values(whole, index)
                        .into_iter()
                        .zip(row_values(single, 0))
                        .map(|(left, right)| (left - right).abs());
                    found.largest_difference = differences.fold(found.largest_difference, f64::max);
                }
            }
        }
    }
    found.sizes.truncate(found.seconds.len());
    found.cost = fit(&found.sizes, &found.seconds);
    Ok(found)
}

/// Fits a line to seconds over sizes by least squares, with both coefficients clamped at zero.
fn fit(sizes: &[usize], seconds: &[f64]) -> Cost {
    let count = sizes.len() as f64;
    let mean_size = sizes.iter().map(|size| *size as f64).sum::<f64>() / count;
    let mean_seconds = seconds.iter().sum::<f64>() / count;
    let spread: f64 = sizes.iter().map(|size| (*size as f64 - mean_size).powi(2)).sum();
    let joint: f64 =
        sizes.iter().zip(seconds).map(|(size, time)| (*size as f64 - mean_size) * (time - mean_seconds)).sum();
    let per_row = if spread > 0.0 { (joint / spread).max(0.0) } else { 0.0 };
    Cost { per_run: (mean_seconds - per_row * mean_size).max(0.0), per_row }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_worth_it_where_a_row_costs_hardly_more_than_at_best() {
        // Milliseconds of runs of 1, 2, 4 and 8 rows.
        let cases = [
            ("each row costs the same", [1.0, 2.0, 4.0, 8.0], 1..=8),
            ("batches pay", [1.0, 1.5, 2.0, 4.0], 4..=8),
            ("up to a size", [1.0, 1.5, 2.0, 9.0], 4..=4),
        ];
        for (name, millis, expected) in cases {
            let (sizes, seconds) = (vec![1, 2, 4, 8], millis.map(|time: f64| time / 1e3).to_vec());
            let cost = fit(&sizes, &seconds);
            let probe = Probe { sizes, seconds, cost, largest_difference: 0.0 };
            assert_eq!(probe.efficient_batch_sizes(), expected, "{name}");
        }
    }

    #[test]
    fn the_fit_finds_a_line() {
        let cost = fit(&[1, 2, 4, 8], &[12e-6, 14e-6, 18e-6, 26e-6]);
        assert!((cost.per_run - 10e-6).abs() < 1e-9 && (cost.per_row - 2e-6).abs() < 1e-9, "{cost:?}");
        assert_eq!(fit(&[1], &[5e-6]), Cost { per_run: 5e-6, per_row: 0.0 });
    }
}
