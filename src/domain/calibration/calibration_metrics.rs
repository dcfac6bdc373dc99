//! Quality metrics of probabilities: expected calibration error, Brier score, log loss.

use super::BINS;
use crate::domain::uncertainty::{Bin, MIN_PROBABILITY, ProbabilityMetrics};

/// Computes the metrics of some rows: probabilities and label. `rows` must not be empty.
pub(super) fn probability_metrics(rows: &[(&[f64], usize)]) -> ProbabilityMetrics {
    let count = rows.len() as f64;
    let tops: Vec<(f64, f64)> = rows
        .iter()
        .map(|(probabilities, label)| {
            let top = most_likely_class(probabilities);
            (probabilities[top], f64::from(u8::from(top == *label)))
        })
        .collect();
    let bins = bins(tops.clone());
    let gap = |bin: &Bin| bin.rows as f64 / count * (bin.accuracy - bin.confidence).abs();
    ProbabilityMetrics {
        accuracy: tops.iter().map(|top| top.1).sum::<f64>() / count,
        ece: bins.iter().map(gap).sum(),
        brier: rows.iter().map(|(probabilities, label)| brier(probabilities, *label)).sum::<f64>() / count,
        log_loss: rows.iter().map(|(probabilities, label)| log_loss(probabilities, *label)).sum::<f64>() / count,
        bins,
    }
}

/// The most likely class; on ties, the first.
fn most_likely_class(probabilities: &[f64]) -> usize {
    (1..probabilities.len())
        .fold(0, |best, class| if probabilities[class] > probabilities[best] { class } else { best })
}

/// scikit-learn's `log_loss` of one row: probability clipped from below, in nats.
pub(super) fn log_loss(probabilities: &[f64], label: usize) -> f64 {
    -probabilities[label].clamp(MIN_PROBABILITY, 1.0).ln()
}

/// scikit-learn's `brier_score_loss` of one row: halved for two classes, the plain sum for more.
fn brier(probabilities: &[f64], label: usize) -> f64 {
    let error = |(class, value): (usize, &f64)| (value - f64::from(u8::from(class == label))).powi(2);
    let sum: f64 = probabilities.iter().enumerate().map(error).sum();
    if probabilities.len() == 2 { sum / 2.0 } else { sum }
}

/// Equal-mass bins by ascending confidence. Rows of equal confidence may fall into two bins; each gets the mean
/// accuracy of its tie, so that the order of the rows does not matter.
fn bins(mut tops: Vec<(f64, f64)>) -> Vec<Bin> {
    tops.sort_by(|left, right| left.0.total_cmp(&right.0));
    for tied in tops.chunk_by_mut(|left, right| left.0 >= right.0) {
        let mean = tied.iter().map(|top| top.1).sum::<f64>() / tied.len() as f64;
        for top in tied {
            top.1 = mean;
        }
    }
    let edge = |bin: usize| bin * tops.len() / BINS;
    let parts = (0..BINS).map(|bin| &tops[edge(bin)..edge(bin + 1)]).filter(|part| !part.is_empty());
    let bin = |part: &[(f64, f64)]| {
        let mean = |pick: fn(&(f64, f64)) -> f64| part.iter().map(pick).sum::<f64>() / part.len() as f64;
        Bin { rows: part.len(), confidence: mean(|top| top.0), accuracy: mean(|top| top.1) }
    };
    parts.map(bin).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_rows_by_hand() {
        let rows: [(&[f64], usize); 4] = [(&[0.8, 0.2], 0), (&[0.8, 0.2], 1), (&[0.4, 0.6], 1), (&[0.1, 0.9], 1)];
        let found = probability_metrics(&rows);
        let near = |left: f64, right: f64| (left - right).abs() < 1e-12;
        assert!(near(found.accuracy, 0.75), "{found:?}");
        assert!(near(found.brier, (0.04 + 0.64 + 0.16 + 0.01) / 4.0), "{found:?}");
        let loss = -(0.8_f64.ln() + 0.2_f64.ln() + 0.6_f64.ln() + 0.9_f64.ln()) / 4.0;
        assert!(near(found.log_loss, loss), "{found:?}");
        // The two tied rows count as half correct each: |0.5 − 0.8| twice, |1 − 0.6|, |1 − 0.9|.
        assert!(near(found.ece, (0.3 + 0.3 + 0.4 + 0.1) / 4.0), "{found:?}");
        let turned: Vec<(&[f64], usize)> = rows.iter().rev().copied().collect();
        assert_eq!(probability_metrics(&turned).bins, found.bins, "the order of rows changes nothing");
    }
}
