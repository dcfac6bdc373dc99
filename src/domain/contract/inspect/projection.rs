//! Instances of one contract for another: features by name, and only those that a contract has.

use crate::domain::{contract::Contract, json::JsonValue};

impl Contract {
    /// Names features that are given by position; features by name are returned as they are.
    pub fn name_features(&self, features: JsonValue) -> JsonValue {
        match features {
            JsonValue::List(values) => {
                let names = self.features.iter().map(|feature| feature.name.clone());
                JsonValue::Object(names.zip(values).collect())
            }
            named => named,
        }
    }

    /// Keeps the features that this contract has, of an instance by name.
    pub fn project(&self, features: &JsonValue) -> JsonValue {
        match features {
            JsonValue::Object(members) => {
                let known = members.iter().filter(|(name, _)| self.by_name.contains_key(name));
                JsonValue::Object(known.cloned().collect())
            }
            other => other.clone(),
        }
    }

    /// Returns the instance with the values that may be shown: sensitive ones and arrays become null.
    pub fn displayable(&self, features: &JsonValue) -> JsonValue {
        let JsonValue::Object(members) = features else { return JsonValue::Null };
        let shown = members.iter().map(|(name, value)| {
            let feature = self.by_name.get(name).map(|index| &self.features[*index]);
            (name.clone(), feature.map_or_else(|| value.clone(), |feature| feature.display_value(Some(value))))
        });
        JsonValue::Object(shown.collect())
    }
}
