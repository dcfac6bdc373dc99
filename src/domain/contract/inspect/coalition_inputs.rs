//! Builds the input of a Shapley coalition from baseline and instance, and selects the feature values to show in an
//! explanation.

use crate::domain::{
    contract::{Contract, Feature},
    json::JsonValue,
    tensor::Inputs,
    text::truncate,
};

impl Contract {
    /// Returns the indices of the features in which two instances differ. The comparison is bitwise, so a missing value
    /// fed as NaN equals another.
    pub fn differing_features(&self, one: &Inputs, other: &Inputs) -> Vec<usize> {
        let differs = |index: &usize| {
            let feature = &self.features[*index];
            let (one, other) = (&one.tensors[feature.tensor], &other.tensors[feature.tensor]);
            if feature.dimensions.is_empty() {
                !one.buffer.bits_equal_at(&other.buffer, feature.offset)
            } else {
                // An array feature has its tensor alone.
                one.shape != other.shape || (0..one.buffer.len()).any(|at| !one.buffer.bits_equal_at(&other.buffer, at))
            }
        };
        (0..self.features.len()).filter(differs).collect()
    }

    /// Returns the instance `one` with the features of these indices taken from `other`.
    #[must_use]
    pub fn with_features_from(&self, one: &Inputs, other: &Inputs, from_other: impl Iterator<Item = usize>) -> Inputs {
        let mut mixed = one.clone();
        for index in from_other {
            let feature = &self.features[index];
            let (tensor, source) = (&mut mixed.tensors[feature.tensor], &other.tensors[feature.tensor]);
            if feature.dimensions.is_empty() {
                tensor.buffer.copy_element(&source.buffer, feature.offset);
            } else {
                tensor.clone_from(source);
            }
        }
        mixed
    }
}

impl Feature {
    /// The value to show next to the feature's contribution: as given, or the default if the feature is left out. Null for
    /// sensitive features and for arrays, which would only be repeated. A long text is truncated, because the client chose
    /// its length.
    pub fn display_value(&self, given: Option<&JsonValue>) -> JsonValue {
        match given {
            _ if self.sensitive || !self.dimensions.is_empty() => JsonValue::Null,
            None => self.default.clone().unwrap_or(JsonValue::Null),
            Some(JsonValue::Text(text)) => JsonValue::Text(truncate(text).into_owned()),
            Some(value) => value.clone(),
        }
    }
}
