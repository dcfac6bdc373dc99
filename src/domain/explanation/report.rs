//! An explanation as it is answered: the contributions of the features by name, the largest first.

use super::{Estimate, Method};
use crate::domain::{contract::JsonValue, float::Float, tensor::ElementType};

/// What the baseline is made of; part of every explanation.
const BASELINE: &str = "profile median/mode";

/// Why a prediction came out as it did. The members are those of the answer, in this order.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Explanation {
    /// How the contributions were found.
    pub method: Method,
    /// What the baseline is made of.
    pub baseline: &'static str,
    /// What the model answers for the baseline: the predicted class's probability, or the value.
    pub base_value: Float,
    /// One entry a feature, the largest contribution by amount first.
    pub contributions: Vec<Contribution>,
    /// The standard error of the largest contribution: 0 where it is exact, null where it is not known.
    pub standard_error: Option<Float>,
    /// How many rows were run for it, beside the prediction itself.
    pub rows: usize,
    /// Whether it is exact, or as precise as it was to be.
    pub complete: bool,
}

/// What one feature adds to the base value, or takes away.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Contribution {
    /// The feature's name.
    pub feature: String,
    /// Its value in the instance; null where it is missing, sensitive, or an array.
    pub value: JsonValue,
    /// Its value in the baseline; null likewise.
    pub baseline: JsonValue,
    /// Its Shapley value: a probability, or in the target's unit.
    pub contribution: Float,
    /// The standard error of that: 0 where it is exact, null where it is not known.
    pub standard_error: Option<Float>,
}

/// A feature as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct DisplayedFeature {
    /// Its name.
    pub name: String,
    /// Its value in the instance.
    pub value: JsonValue,
    /// Its value in the baseline.
    pub baseline: JsonValue,
}

impl Explanation {
    /// Puts an estimate into the features' words. `players` are the features that took part, by their places in
    /// `features`; all others have the baseline's value, and contribute nothing. Numbers are rounded to `element`, the
    /// type in which the model answers.
    ///
    /// `None` where a number does not fit that type.
    pub fn new(
        estimate: &Estimate,
        players: &[usize],
        features: Vec<DisplayedFeature>,
        element: ElementType,
    ) -> Option<Self> {
        let round = |value: f64| Some(Float::round(value, element)).filter(|rounded| rounded.as_f64().is_finite());
        let mut found = vec![(0.0, Some(0.0)); features.len()];
        for ((feature, contribution), error) in
            players.iter().zip(&estimate.contributions).zip(&estimate.standard_errors)
        {
            found[*feature] = (*contribution, *error);
        }
        let mut shown: Vec<(f64, Option<f64>, DisplayedFeature)> = found
            .into_iter()
            .zip(features)
            .map(|((contribution, error), feature)| (contribution, error, feature))
            .collect();
        // Stable: of equal ones the contract's order stays.
        shown.sort_by(|left, right| right.0.abs().total_cmp(&left.0.abs()));
        let standard_error = match shown.first() {
            Some((_, error, _)) => *error,
            None => Some(0.0),
        };
        let contributions = shown.into_iter().map(|(contribution, error, feature)| {
            Some(Contribution {
                feature: feature.name,
                value: feature.value,
                baseline: feature.baseline,
                contribution: round(contribution)?,
                standard_error: error.and_then(round),
            })
        });
        Some(Self {
            method: estimate.method,
            baseline: BASELINE,
            base_value: round(estimate.base_value)?,
            contributions: contributions.collect::<Option<_>>()?,
            standard_error: standard_error.and_then(round),
            rows: estimate.rows,
            complete: estimate.complete,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feature(name: &str) -> DisplayedFeature {
        DisplayedFeature { name: name.to_owned(), value: JsonValue::Bool(true), baseline: JsonValue::Null }
    }

    fn estimate(contributions: &[f64]) -> Estimate {
        Estimate {
            method: Method::Permutation,
            base_value: 0.25,
            contributions: contributions.to_vec(),
            standard_errors: vec![Some(0.125), None],
            rows: 5,
            complete: false,
        }
    }

    #[test]
    fn the_largest_stands_first_and_bystanders_have_exactly_nothing() {
        let features = ["a", "b", "c", "d"].map(feature).to_vec();
        let explanation = Explanation::new(&estimate(&[0.1, -0.5]), &[1, 3], features, ElementType::F32);
        let text = serde_json::to_value(explanation.expect("finite")).expect("written");
        let entry = |name: &str, contribution: f64, error: serde_json::Value| serde_json::json!({ "feature": name, "value": true, "baseline": null, "contribution": contribution, "standard_error": error });
        assert_eq!(
            text,
            serde_json::json!({
                "method": "shapley-permutation",
                "baseline": "profile median/mode",
                "base_value": 0.25,
                "contributions": [
                    entry("d", -0.5, serde_json::Value::Null),
                    entry("b", f64::from(0.1_f32), 0.125.into()),
                    entry("a", 0.0, 0.0.into()),
                    entry("c", 0.0, 0.0.into()),
                ],
                "standard_error": null,
                "rows": 5,
                "complete": false,
            })
        );
    }

    #[test]
    fn what_the_type_cannot_hold_is_no_explanation() {
        let features = vec![feature("a"), feature("b")];
        assert_eq!(Explanation::new(&estimate(&[1e39, 0.0]), &[0, 1], features, ElementType::F32), None);
    }
}
