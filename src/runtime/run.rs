//! Runs a batch: rows are merged into one run; if the batch fails, each row is run alone once, so that a bad row fails
//! alone.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
    time::{Duration, Instant},
};

use super::{Executor, RunError, merge};
use crate::domain::tensor::{Inputs, Tensor};

/// One row's result: the outputs, shared with the other rows of the run, and the row's index in them.
pub type RowResult = Result<(Arc<[Tensor]>, usize), RunError>;

/// Result of a batch.
pub struct BatchRun {
    /// One result per row, in the order of the rows.
    pub rows: Vec<RowResult>,
    /// How long it took, including single runs after a failure.
    pub took: Duration,
}

/// Runs rows together, or each alone if they cannot be merged or their batch fails.
pub fn run_batch(executor: &mut dyn Executor, rows: &[&Inputs]) -> BatchRun {
    let started = Instant::now();
    let results = match rows {
        [row] => vec![run_single(executor, row)],
        rows => {
            run_merged(executor, rows).unwrap_or_else(|| rows.iter().map(|row| run_single(executor, row)).collect())
        }
    };
    BatchRun { rows: results, took: started.elapsed() }
}

fn run_merged(executor: &mut dyn Executor, rows: &[&Inputs]) -> Option<Vec<RowResult>> {
    let batch = merge(rows)?;
    let outputs = run_catching_panic(executor, &batch).ok()?;
    // With an output that lacks the batch axis, every row would get the same result.
    if outputs.iter().any(|output| output.shape.first() != Some(&rows.len())) {
        return None;
    }
    Some((0..rows.len()).map(|row| Ok((Arc::clone(&outputs), row))).collect())
}

fn run_single(executor: &mut dyn Executor, row: &Inputs) -> RowResult {
    run_catching_panic(executor, row).map(|outputs| (outputs, 0))
}

/// Catches a panic, so that it does not end the thread.
fn run_catching_panic(executor: &mut dyn Executor, inputs: &Inputs) -> Result<Arc<[Tensor]>, RunError> {
    match catch_unwind(AssertUnwindSafe(|| executor.run(inputs))) {
        Ok(outputs) => outputs.map(Arc::from),
        Err(_) => Err(RunError::Panicked),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::tensor::Buffer;

    /// Doubles its rows; fails on a batch that holds a negative number.
    struct Doubler;

    impl Executor for Doubler {
        fn run(&mut self, inputs: &Inputs) -> Result<Vec<Tensor>, RunError> {
            let Buffer::F64(values) = &inputs.tensors[0].buffer else { unreachable!("rows of doubles") };
            if values.iter().any(|value| *value < 0.0) {
                return Err(RunError::Failed("a negative number".to_owned()));
            }
            let doubled = values.iter().map(|value| value * 2.0).collect();
            Ok(vec![Tensor { shape: inputs.tensors[0].shape.clone(), buffer: Buffer::F64(doubled) }])
        }
    }

    fn row(value: f64) -> Inputs {
        Inputs { tensors: vec![Tensor { shape: vec![1, 1], buffer: Buffer::F64(vec![value]) }], rows: 1 }
    }

    fn answers(values: &[f64]) -> Vec<Option<f64>> {
        let rows: Vec<Inputs> = values.iter().map(|value| row(*value)).collect();
        let ran = run_batch(&mut Doubler, &rows.iter().collect::<Vec<_>>());
        ran.rows
            .into_iter()
            .map(|result| result.ok().map(|(outputs, at)| crate::runtime::row_values(&outputs[0], at)[0]))
            .collect()
    }

    #[test]
    fn each_row_gets_its_own_answer() {
        assert_eq!(answers(&[1.0]), [Some(2.0)]);
        assert_eq!(answers(&[1.0, 2.0, 3.0]), [Some(2.0), Some(4.0), Some(6.0)]);
    }

    #[test]
    fn a_bad_row_fails_alone() {
        assert_eq!(answers(&[1.0, -1.0, 3.0]), [Some(2.0), None, Some(6.0)]);
    }
}
