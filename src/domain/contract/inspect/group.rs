//! Finds the group of an instance, for calibrations by group: the value of one feature, read from its tensor.

use std::collections::HashMap;

use crate::domain::{
    contract::{Contract, Feature},
    float::Float,
    json::JsonValue,
    number::Number,
    tensor::{Buffer, Inputs},
    text::did_you_mean,
};

/// A feature cannot be used for groups, or a row has no group: what was found and what is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct GroupError(pub String);

impl From<String> for GroupError {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Finds the group of an instance among the groups of a calibration.
#[derive(Debug, Clone, PartialEq)]
pub struct Grouping {
    feature: String,
    tensor: usize,
    offset: usize,
    groups: HashMap<GroupKey, usize>,
}

/// The value of a feature as stored in its tensor.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum GroupKey {
    Text(String),
    /// The bits of an f64. All NaN share one key, and so do both zeros.
    Number(u64),
}

fn key(buffer: &Buffer, index: usize) -> Option<GroupKey> {
    let number = match buffer {
        Buffer::Text(values) => return Some(GroupKey::Text(values.get(index)?.clone())),
        Buffer::Bool(values) => f64::from(u8::from(*values.get(index)?)),
        buffer => Float::at(buffer, index)?.as_f64(),
    };
    let one = if number.is_nan() { f64::NAN } else { number + 0.0 };
    Some(GroupKey::Number(one.to_bits()))
}

impl Grouping {
    /// Returns the index of the instance's group, or `None` if it belongs to none.
    pub fn find(&self, inputs: &Inputs) -> Option<usize> {
        let key = key(&inputs.tensors.get(self.tensor)?.buffer, self.offset)?;
        self.groups.get(&key).copied()
    }

    /// Returns the name of the feature that defines the groups.
    pub fn feature(&self) -> &str {
        &self.feature
    }
}

impl Contract {
    /// Builds a [`Grouping`] by a feature. The group at index i is the one of `values[i]`.
    ///
    /// # Errors
    /// Returns a message if the feature cannot define groups, or if a value is invalid or given twice.
    pub fn grouping(&self, feature: &str, values: &[JsonValue]) -> Result<Grouping, GroupError> {
        let found = self.group_feature(feature)?;
        let mut groups = HashMap::new();
        for (index, value) in values.iter().enumerate() {
            let mut buffer = Buffer::zeros(self.inputs[found.tensor].element, 1);
            let mut faults = Vec::new();
            found.write_default(value, &mut buffer, 0, &mut faults);
            match (faults.first(), key(&buffer, 0)) {
                (None, Some(key)) if !groups.contains_key(&key) => groups.insert(key, index),
                (None, _) => return Err(format!("the group {value} of {feature:?} appears twice").into()),
                (Some(fault), _) => return Err(format!("the group {value} of {feature:?}: {fault}").into()),
            };
        }
        Ok(Grouping { feature: feature.to_owned(), tensor: found.tensor, offset: found.offset, groups })
    }

    /// Returns the value of a feature in an instance's tensors, as contract.json would write it: null if it is missing,
    /// the text of a code. Calibrations name their groups by it.
    ///
    /// # Errors
    /// Returns a message if the feature cannot define groups, or if the instance has no value of it.
    pub fn group_value(&self, feature: &str, inputs: &Inputs) -> Result<JsonValue, GroupError> {
        let found = self.group_feature(feature)?;
        let buffer = inputs.tensors.get(found.tensor).map(|tensor| &tensor.buffer);
        let key = buffer.and_then(|buffer| key(buffer, found.offset));
        Ok(match key {
            None => return Err(format!("the instance has no value of {feature:?}").into()),
            Some(GroupKey::Text(text)) => JsonValue::Text(text),
            Some(GroupKey::Number(bits)) => group_literal(found, f64::from_bits(bits)),
        })
    }

    fn group_feature(&self, feature: &str) -> Result<&Feature, GroupError> {
        let known = self.features.iter().map(|feature| feature.name.as_str());
        let found = self.by_name.get(feature).map(|index| &self.features[*index]);
        let found = found.ok_or_else(|| {
            format!("groups are by {feature:?}, which is not a feature of the contract{}", did_you_mean(feature, known))
        })?;
        if found.dimensions.is_empty() {
            Ok(found)
        } else {
            Err(format!("{feature:?} is an array and cannot define groups").into())
        }
    }
}

/// Converts a number of a tensor to the value that contract.json would use.
fn group_literal(feature: &Feature, number: f64) -> JsonValue {
    if number.is_nan() {
        return JsonValue::Null;
    }
    if let Some((text, _)) = feature.codes.iter().find(|(_, code)| *code == Number::from(number)) {
        return JsonValue::Text(text.clone());
    }
    if feature.is_flag() {
        return JsonValue::Bool(number > 0.5);
    }
    #[expect(clippy::cast_possible_truncation, reason = "a whole number within 2^53")]
    let whole = Number::from(number).as_whole().map(|_| Number::from(number as i64));
    JsonValue::Number(whole.unwrap_or(Number::from(number)))
}
