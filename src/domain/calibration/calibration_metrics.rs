//! Quality metrics of a classifier's answers: top-label expected calibration error, Brier scores, log loss.

use super::{assessed_row::AssessedRow, confidence_bins::ConfidenceBins};
use crate::domain::uncertainty::{CandidateScores, MIN_PROBABILITY, ProbabilityMetrics};

/// Computes the metrics of some rows, which must not be empty.
pub(super) fn probability_metrics(rows: &[&AssessedRow]) -> ProbabilityMetrics {
    let bins = ConfidenceBins::new(rows);
    let found = bins.found();
    ProbabilityMetrics {
        accuracy: mean(rows, |row| f64::from(u8::from(row.right))),
        ece: bins.ece(&found),
        ece_by_chance: bins.ece_by_chance(),
        uncertainty_brier: mean(rows, uncertainty_brier),
        brier: mean(rows, brier),
        log_loss: mean(rows, log_loss),
        bins: found,
    }
}

/// Computes the scores that compare methods. `rows` must not be empty.
pub(super) fn candidate_scores(rows: &[AssessedRow]) -> CandidateScores {
    let rows: Vec<&AssessedRow> = rows.iter().collect();
    let bins = ConfidenceBins::new(&rows);
    CandidateScores {
        uncertainty_brier: mean(&rows, uncertainty_brier),
        brier: mean(&rows, brier),
        log_loss: mean(&rows, log_loss),
        ece: bins.ece(&bins.found()),
    }
}

fn mean(rows: &[&AssessedRow], of: impl Fn(&AssessedRow) -> f64) -> f64 {
    rows.iter().map(|row| of(row)).sum::<f64>() / rows.len() as f64
}

/// The squared difference of the confidence and whether the prediction is right.
pub(super) fn uncertainty_brier(row: &AssessedRow) -> f64 {
    (row.confidence - f64::from(u8::from(row.right))).powi(2)
}

/// scikit-learn's `log_loss` of one row: probability clipped from below, in nats.
fn log_loss(row: &AssessedRow) -> f64 {
    -row.probabilities[row.label].clamp(MIN_PROBABILITY, 1.0).ln()
}

/// scikit-learn's `brier_score_loss` of one row: halved for two classes, the plain sum for more.
pub(super) fn brier(row: &AssessedRow) -> f64 {
    let error = |(class, value): (usize, &f64)| (value - f64::from(u8::from(class == row.label))).powi(2);
    let sum: f64 = row.probabilities.iter().enumerate().map(error).sum();
    if row.probabilities.len() == 2 { sum / 2.0 } else { sum }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_rows_by_hand() {
        let row = |confidence: f64, predicted: usize, label: usize| AssessedRow {
            probabilities: if predicted == 0 {
                vec![confidence, 1.0 - confidence]
            } else {
                vec![1.0 - confidence, confidence]
            },
            confidence,
            right: predicted == label,
            label,
        };
        let rows = [row(0.8, 0, 0), row(0.8, 0, 1), row(0.6, 1, 1), row(0.9, 1, 1)];
        let found = probability_metrics(&rows.iter().collect::<Vec<_>>());
        let near = |left: f64, right: f64| (left - right).abs() < 1e-12;
        assert!(near(found.accuracy, 0.75), "{found:?}");
        let expected = (0.04 + 0.64 + 0.16 + 0.01) / 4.0;
        assert!(near(found.brier, expected) && near(found.uncertainty_brier, expected), "{found:?}");
        let loss = -(0.8_f64.ln() + 0.2_f64.ln() + 0.6_f64.ln() + 0.9_f64.ln()) / 4.0;
        assert!(near(found.log_loss, loss), "{found:?}");
        // The two tied rows count as half right each: |0.5 − 0.8| twice, |1 − 0.6|, |1 − 0.9|.
        assert!(near(found.ece, (0.3 + 0.3 + 0.4 + 0.1) / 4.0), "{found:?}");
        let turned = probability_metrics(&rows.iter().rev().collect::<Vec<_>>());
        assert_eq!(turned.bins, found.bins, "the order of rows changes nothing");
    }
}
