//! Slices: the rows with one value of a feature, or with a number in one range.

use crate::domain::{
    json::JsonValue,
    profile::{FeatureProfile, Profile},
};

/// The maximum number of slices of one feature. Rows with further values are counted together.
pub const MAX_SLICES: usize = 40;

/// A feature by which rows are sliced.
#[derive(Debug, Clone, PartialEq)]
pub struct SliceFeature {
    /// The feature.
    pub name: String,
    /// The edges of the ranges of a number, ascending; empty if each value is a slice.
    edges: Vec<f64>,
}

impl SliceFeature {
    /// Slices by each value: a category, a boolean, a code.
    pub fn by_value(name: &str) -> Self {
        Self { name: name.to_owned(), edges: Vec::new() }
    }

    /// Slices a number at the quartiles of the training data. By each value if the profile has none of them, or if they
    /// coincide.
    pub fn by_quartile(name: &str, profile: Option<&Profile>) -> Self {
        let found = profile.and_then(|profile| profile.feature(name));
        let Some(FeatureProfile::Number(numbers)) = found else { return Self::by_value(name) };
        let quartile =
            |share: f64| numbers.quantiles.iter().find(|(at, _)| (at - share).abs() < 1e-9).map(|(_, value)| *value);
        let mut edges: Vec<f64> = [0.25, 0.5, 0.75].into_iter().filter_map(quartile).collect();
        edges.dedup();
        Self { name: name.to_owned(), edges }
    }

    /// The slice of a row by its value: the value itself, or the range of a number in words.
    pub fn slice_of(&self, value: JsonValue) -> JsonValue {
        let JsonValue::Number(number) = &value else { return value };
        let (Some(first), Some(last)) = (self.edges.first(), self.edges.last()) else { return value };
        let number = number.as_f64();
        let place = self.edges.iter().position(|edge| number <= *edge);
        JsonValue::Text(match place {
            Some(0) => format!("≤ {first}"),
            Some(place) => format!("> {}, ≤ {}", self.edges[place - 1], self.edges[place]),
            None => format!("> {last}"),
        })
    }

    /// Where a slice belongs in a list: ranges in ascending order, then the others.
    pub(super) fn rank(&self, slice: &JsonValue) -> usize {
        let JsonValue::Text(text) = slice else { return usize::MAX };
        let upper = self.edges.iter().position(|edge| text.ends_with(&format!("≤ {edge}")));
        upper.unwrap_or(self.edges.len())
    }
}
