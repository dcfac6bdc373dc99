//! Checks probabilities: each value lies in 0 to 1, and those of all classes sum to 1, within rounding. Checks single
//! rows on the request path and, with [`ProbabilitySummary`], many rows at load.

use std::fmt;

use crate::domain::{float::Float, tensor::ElementType};

/// Scores are not probabilities: what was found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(in crate::domain::contract) struct ProbabilityError(pub(in crate::domain::contract) String);

impl From<String> for ProbabilityError {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// The accepted rounding errors.
#[derive(Debug, Clone, Copy)]
struct Tolerance {
    /// How far a value may lie outside 0 to 1; such a value is clamped.
    bound: f64,
    /// How far the sum may differ from 1.
    sum: f64,
}

/// The tolerance of the sum covers quantized models, whose probabilities are multiples of 1/256.
fn tolerance(element: ElementType) -> Tolerance {
    match element {
        // Eight significant bits: a step of 1/128 just above 1.
        ElementType::BF16 => Tolerance { bound: 1.0 / 64.0, sum: 0.05 },
        ElementType::F16 => Tolerance { bound: 1.0 / 512.0, sum: 0.02 },
        // Ensembles sum hundreds of float32 shares.
        _ => Tolerance { bound: 1e-4, sum: 0.01 },
    }
}

fn misses_unit(value: f64, bound: f64) -> bool {
    !(-bound..=1.0 + bound).contains(&value)
}

/// Checks the probabilities of all classes and clamps rounding errors.
///
/// # Errors
/// Returns a description of the values if they are not probabilities.
pub(in crate::domain::contract) fn check_all(values: &mut [Float]) -> Result<(), ProbabilityError> {
    let Tolerance { bound, sum: off } = tolerance(values.first().map_or(ElementType::F32, |value| value.element()));
    let (mut sum, mut low, mut high) = (0.0, f64::INFINITY, f64::NEG_INFINITY);
    for value in values.iter() {
        let value = value.as_f64();
        (sum, low, high) = (sum + value, low.min(value), high.max(value));
    }
    if low < -bound || high > 1.0 + bound || (sum - 1.0).abs() > off {
        return Err(format!(
            "values from {} to {} that sum to {}",
            ShortNumber(low),
            ShortNumber(high),
            ShortNumber(sum)
        )
        .into());
    }
    if low < 0.0 || high > 1.0 {
        for value in values {
            *value = value.clamp_to_unit();
        }
    }
    Ok(())
}

/// Divides scores in 0 to 1 by their sum, in f64, and rounds to the element type. Rounding errors are clamped first.
///
/// # Errors
/// Returns a description of the values if one lies outside 0 to 1, or if all are 0.
pub(in crate::domain::contract) fn normalize(
    values: &[Float],
    element: ElementType,
) -> Result<Vec<Float>, ProbabilityError> {
    let Tolerance { bound, .. } = tolerance(element);
    let scores: Vec<f64> = values.iter().map(|value| value.as_f64()).collect();
    let (low, high) = scores
        .iter()
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), score| (low.min(*score), high.max(*score)));
    let inside = !misses_unit(low, bound) && !misses_unit(high, bound);
    let clamped: Vec<f64> = scores.iter().map(|score| score.clamp(0.0, 1.0)).collect();
    let sum: f64 = clamped.iter().sum();
    if !inside || sum <= 0.0 {
        let (low, high, sum) = (ShortNumber(low), ShortNumber(high), ShortNumber(sum));
        let why = if inside { "; a sum of 0 cannot be normalized" } else { "" };
        return Err(format!("values from {low} to {high} that sum to {sum}{why}").into());
    }
    Ok(clamped.into_iter().map(|score| Float::round(score / sum, element)).collect())
}

/// Checks the probability of the second of two classes and clamps rounding errors.
///
/// # Errors
/// Returns a description of the value if it is not a probability.
pub(in crate::domain::contract) fn check_single(value: Float) -> Result<Float, ProbabilityError> {
    if misses_unit(value.as_f64(), tolerance(value.element()).bound) {
        return Err(format!("{}", ShortNumber(value.as_f64())).into());
    }
    Ok(value.clamp_to_unit())
}

/// Formats a number with about four significant digits.
struct ShortNumber(f64);

impl fmt::Display for ShortNumber {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0;
        let size = value.abs();
        match size {
            0.0 => formatter.write_str("0"),
            0.001..1e5 => {
                let digits = if size >= 1000.0 {
                    0
                } else if size >= 1.0 {
                    2
                } else {
                    4
                };
                let text = format!("{value:.digits$}");
                let text = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
                formatter.write_str(text)
            }
            _ => write!(formatter, "{value:.2e}"),
        }
    }
}

/// The range and the row sums of one output over many rows.
#[derive(Debug, Clone)]
pub struct ProbabilitySummary {
    /// The number of rows; rows with NaN or infinity are not counted.
    pub rows: usize,
    /// The number of values per row.
    pub width: usize,
    low: f64,
    high: f64,
    least_sum: f64,
    greatest_sum: f64,
    /// Whether any value differs from both 0 and 1.
    pub fractional: bool,
    tolerance: Tolerance,
}

impl ProbabilitySummary {
    /// Summarizes the rows of one output; ignores rows of a different width than the first.
    pub fn of<'a>(element: ElementType, rows: impl Iterator<Item = &'a [f64]>) -> Self {
        let mut summary = Self {
            rows: 0,
            width: 0,
            low: f64::INFINITY,
            high: f64::NEG_INFINITY,
            least_sum: f64::INFINITY,
            greatest_sum: f64::NEG_INFINITY,
            fractional: false,
            tolerance: tolerance(element),
        };
        for row in rows.filter(|row| row.iter().all(|value| value.is_finite())) {
            if summary.rows == 0 {
                summary.width = row.len();
            }
            if row.len() == summary.width {
                summary.add(row);
            }
        }
        summary
    }

    fn add(&mut self, row: &[f64]) {
        self.rows += 1;
        let sum = row.iter().sum();
        self.least_sum = self.least_sum.min(sum);
        self.greatest_sum = self.greatest_sum.max(sum);
        for value in row {
            self.low = self.low.min(*value);
            self.high = self.high.max(*value);
            self.fractional |= value.abs() > self.tolerance.bound && (value - 1.0).abs() > self.tolerance.bound;
        }
    }

    /// Whether every value lies in 0 to 1 although some row does not sum to 1, as for independent sigmoids.
    pub fn are_unnormalized(&self) -> bool {
        let Tolerance { bound, .. } = self.tolerance;
        let inside = !misses_unit(self.low, bound) && !misses_unit(self.high, bound);
        self.rows > 0 && self.width > 1 && inside && !self.are_probabilities()
    }

    /// Whether dividing every row by its sum gives probabilities.
    pub fn can_be_normalized(&self) -> bool {
        (self.are_unnormalized() || self.are_probabilities()) && self.width > 1 && self.least_sum > 0.0
    }

    /// The least and the greatest sum of a row.
    pub fn sums(&self) -> String {
        format!("{} to {}", ShortNumber(self.least_sum), ShortNumber(self.greatest_sum))
    }

    /// The least and the greatest value.
    pub fn bounds(&self) -> (f64, f64) {
        (self.low, self.high)
    }

    /// Whether every row holds probabilities. A row of one value is the probability of the second of two classes.
    pub fn are_probabilities(&self) -> bool {
        let Tolerance { bound, sum } = self.tolerance;
        let inside = !misses_unit(self.low, bound) && !misses_unit(self.high, bound);
        let sums = self.width == 1 || (self.least_sum >= 1.0 - sum && self.greatest_sum <= 1.0 + sum);
        self.rows > 0 && inside && sums
    }
}

impl fmt::Display for ProbabilitySummary {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "values from {} to {}", ShortNumber(self.low), ShortNumber(self.high))?;
        if self.width > 1 {
            write!(formatter, ", rows that sum to {}", self.sums())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(values: &[f32]) -> Result<Vec<f64>, ProbabilityError> {
        let mut values: Vec<Float> = values.iter().map(|value| Float::F32(*value)).collect();
        check_all(&mut values).map(|()| values.into_iter().map(Float::as_f64).collect())
    }

    #[test]
    fn what_misses_by_rounding_is_clamped_and_the_rest_refused() {
        assert_eq!(checked(&[0.25, 0.75]), Ok(vec![0.25, 0.75]));
        assert_eq!(checked(&[-1e-6, 1.000_001]), Ok(vec![0.0, 1.0]));
        assert_eq!(checked(&[0.2, 0.795]).map(|values| values.len()), Ok(2), "a quantized model's sum");
        for (values, found) in [
            (&[2.2_f32, 1.1, -0.25][..], "values from -0.25 to 2.2 that sum to 3.05"),
            (&[0.5, 0.25], "values from 0.25 to 0.5 that sum to 0.75"),
            (&[-0.5, 1.5], "values from -0.5 to 1.5 that sum to 1"),
            (&[41.927, -621.7], "values from -621.7 to 41.93 that sum to -579.77"),
            (&[1e9, 0.0], "values from 0 to 1.00e9 that sum to 1.00e9"),
        ] {
            assert_eq!(checked(values), Err(found.to_owned().into()));
        }
        let half = half::f16::from_f32(1.001);
        assert_eq!(check_single(Float::F16(half)), Ok(Float::F16(half::f16::ONE)));
        assert_eq!(check_single(Float::F32(1.5)), Err("1.5".to_owned().into()));
    }

    #[test]
    fn scores_are_divided_by_their_sum() {
        let of = |values: &[f32]| {
            let values: Vec<Float> = values.iter().map(|value| Float::F32(*value)).collect();
            let found = normalize(&values, ElementType::F32)?;
            Ok::<_, ProbabilityError>(found.into_iter().map(Float::as_f64).collect::<Vec<_>>())
        };
        assert_eq!(of(&[0.25, 0.25, 0.5]), Ok(vec![0.25, 0.25, 0.5]));
        assert_eq!(of(&[1.0, 1.0, 0.0, 0.0]), Ok(vec![0.5, 0.5, 0.0, 0.0]));
        assert_eq!(of(&[0.1, 0.0]), Ok(vec![1.0, 0.0]));
        assert_eq!(of(&[-1e-6, 0.5, 0.5]), Ok(vec![0.0, 0.5, 0.5]), "a rounding error is clamped");
        for (values, found) in [
            (&[0.0_f32, 0.0][..], "values from 0 to 0 that sum to 0; a sum of 0 cannot be normalized"),
            (&[-0.5, 0.5], "values from -0.5 to 0.5 that sum to 0.5"),
            (&[2.0, 0.5], "values from 0.5 to 2 that sum to 1.5"),
        ] {
            assert_eq!(of(values), Err(found.to_owned().into()));
        }
        let half = [half::f16::from_f32(0.3), half::f16::from_f32(0.3)].map(Float::F16);
        let divided = normalize(&half, ElementType::F16).map(|found| found[0]);
        assert_eq!(divided, Ok(Float::F16(half::f16::from_f32(0.5))), "rounded to the element type");
    }

    #[test]
    fn sigmoids_are_told_from_probabilities() {
        let of = |rows: &[&[f64]]| ProbabilitySummary::of(ElementType::F32, rows.iter().copied());
        let judged = |summary: &ProbabilitySummary| (summary.are_unnormalized(), summary.can_be_normalized());
        assert_eq!(judged(&of(&[&[0.9, 0.8], &[0.1, 0.2]])), (true, true));
        assert_eq!(judged(&of(&[&[0.9, 0.8], &[0.0, 0.0]])), (true, false));
        assert_eq!(judged(&of(&[&[0.5, 0.5]])), (false, true));
        assert_eq!(judged(&of(&[&[0.9, 1.8]])), (false, false));
        assert_eq!(judged(&of(&[&[0.9]])), (false, false), "one column is the second class");
        assert_eq!(of(&[&[0.9, 0.8], &[0.1, 0.2]]).sums(), "0.3 to 1.7");
    }

    #[test]
    fn a_summary_judges_every_row() {
        let of = |rows: &[&[f64]]| ProbabilitySummary::of(ElementType::F32, rows.iter().copied());
        assert!(of(&[&[0.5, 0.5], &[0.1, 0.9], &[f64::NAN, 1.0]]).are_probabilities());
        assert!(of(&[&[0.3], &[0.9]]).are_probabilities(), "of the second class alone");
        assert!(!of(&[&[0.5, 0.5], &[0.1, 0.8]]).are_probabilities());
        assert!(!of(&[]).are_probabilities());
        let scores = of(&[&[0.5, 0.5], &[-1.0, 2.5]]);
        assert!(!scores.are_probabilities() && scores.fractional);
        assert_eq!(scores.to_string(), "values from -1 to 2.5, rows that sum to 1 to 1.5");
        assert!(!of(&[&[1.0, 0.0], &[0.0, 1.0]]).fractional);
    }
}
