//! Instances between two others: some features as in the one, the rest as in the other. For explanations.

use super::{Contract, Feature, JsonValue, feature::NullHandling};
use crate::domain::{tensor::Inputs, violation::truncate};

impl Contract {
    /// The features in which two instances differ, by their places in the contract's order. A missing value that is fed as
    /// NaN is like another.
    pub fn differing_features(&self, one: &Inputs, other: &Inputs) -> Vec<usize> {
        let differs = |index: &usize| {
            let feature = &self.features[*index];
            let (one, other) = (&one.tensors[feature.tensor], &other.tensors[feature.tensor]);
            if feature.dimensions.is_empty() {
                !one.buffer.bits_equal_at(&other.buffer, feature.offset)
            } else {
                // An array has its tensor to itself.
                one.shape != other.shape || (0..one.buffer.len()).any(|at| !one.buffer.bits_equal_at(&other.buffer, at))
            }
        };
        (0..self.features.len()).filter(differs).collect()
    }

    /// The instance `one` with these features, by their places in the contract's order, as they are in `other`.
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
    /// The value as it is shown beside what it contributes: the default where none is given, null for what must not be
    /// quoted and for arrays, which would only be repeated. A long text is cut: the request chose its length.
    pub fn display_value(&self, given: Option<&JsonValue>) -> JsonValue {
        let default = || self.default.clone().unwrap_or(JsonValue::Null);
        match given {
            _ if self.sensitive || !self.dimensions.is_empty() => JsonValue::Null,
            None => default(),
            Some(JsonValue::Null) if self.null == NullHandling::Default => default(),
            Some(JsonValue::Text(text)) => JsonValue::Text(truncate(text).into_owned()),
            Some(value) => value.clone(),
        }
    }
}
