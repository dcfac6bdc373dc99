//! Splits rows into fitted and held-out ones by a seeded shuffle of the row numbers, the same on every run.
//!
//! The split depends only on the row number. Stratifying by label would make the two halves dependent, but the coverage
//! guarantee requires exchangeable rows.

use crate::domain::random::hash64;

/// Arbitrary, but fixed, so that the same table gives the same calibration.
const SEED: u64 = 0x0043_616e_646f_7231;

/// The row numbers `0..rows` in shuffled order.
pub(super) fn shuffled(rows: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..rows).collect();
    order.sort_by_key(|row| (hash64(SEED ^ *row as u64), *row));
    order
}

/// For each fold: the held-out positions and the remaining ones, out of `rows` shuffled positions.
pub(super) fn folds(rows: usize) -> Vec<(Vec<usize>, Vec<usize>)> {
    let folds = super::FOLDS.min(rows);
    (0..folds).map(|fold| (0..rows).partition(|position| position % folds == fold)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_held_out_once() {
        for rows in [0_usize, 1, 3, 5, 17, 100] {
            let mut order = shuffled(rows);
            assert!(rows < 10 || !order.is_sorted());
            order.sort_unstable();
            assert_eq!(order, (0..rows).collect::<Vec<_>>());
            let folds = folds(rows);
            let mut held: Vec<usize> = folds.iter().flat_map(|(held, _)| held.clone()).collect();
            held.sort_unstable();
            assert_eq!(held, (0..rows).collect::<Vec<_>>());
            assert!(folds.iter().all(|(held, left)| held.len() + left.len() == rows));
        }
    }
}
