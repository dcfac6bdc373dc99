//! An explanation as returned in a response: the contributions by feature name, largest first.

use super::{Estimate, ShapleyMethod};
use crate::domain::{float::Float, json::JsonValue, tensor::ElementType};

/// Description of the baseline, part of every explanation.
const BASELINE: &str = "profile median/mode";

/// The explanation of a prediction. The fields are those of the response, in the same order.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Explanation {
    /// How the contributions were computed.
    pub method: ShapleyMethod,
    /// Description of the baseline.
    pub baseline: &'static str,
    /// The model output for the baseline: the probability of the predicted class, or the value.
    pub base_value: Float,
    /// One entry per feature, sorted by absolute contribution, largest first.
    pub contributions: Vec<Contribution>,
    /// The standard error of the largest contribution: 0 if exact, null if unknown.
    pub standard_error: Option<Float>,
    /// Number of rows run for the explanation, not counting the prediction itself.
    pub rows: usize,
    /// Whether the result is exact or has reached the target precision.
    pub complete: bool,
}

/// The contribution of one feature to the difference from the base value.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Contribution {
    /// The name of the feature.
    pub feature: String,
    /// The value in the instance; null if missing, sensitive or an array.
    pub value: JsonValue,
    /// The value in the baseline; null in the same cases.
    pub baseline: JsonValue,
    /// The Shapley value: a probability, or a value in the target's unit.
    pub contribution: Float,
    /// The standard error of the contribution: 0 if exact, null if unknown.
    pub standard_error: Option<Float>,
}

/// A feature as displayed.
#[derive(Debug, Clone, PartialEq)]
pub struct DisplayedFeature {
    /// The name.
    pub name: String,
    /// The value in the instance.
    pub value: JsonValue,
    /// The value in the baseline.
    pub baseline: JsonValue,
}

impl Explanation {
    /// Builds the explanation from an estimate. `players` maps each player to its index in `features`; all other
    /// features equal the baseline and contribute 0. Numbers are rounded to `element`, the type of the model output.
    ///
    /// Returns `None` if a number is not finite in that type.
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
        // Stable sort: ties keep the contract order.
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
            method: ShapleyMethod::Permutation,
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
