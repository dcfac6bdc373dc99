//! What a comparison says of an instance: the values that may be shown, and why a version refuses it.

use std::fmt::Display;

use crate::domain::{
    contract::{AdmitError, Contract},
    json::JsonValue,
};

/// Merges the features that an instance has for each version; sensitive values and arrays become null.
pub fn displayable_features(
    (old, old_features): (&Contract, &JsonValue),
    (new, new_features): (&Contract, &JsonValue),
) -> JsonValue {
    let mut members: Vec<(String, JsonValue)> = Vec::new();
    for features in [new_features, old_features] {
        // A value may be sensitive in one contract only.
        if let JsonValue::Object(own) = new.displayable(&old.displayable(features)) {
            for (name, value) in own {
                if !members.iter().any(|(known, _)| *known == name) {
                    members.push((name, value));
                }
            }
        }
    }
    JsonValue::Object(members)
}

/// Says why a version refuses an instance, as `feature: code`. Quotes no value, so that rows with one reason are counted
/// together.
pub fn refusal_reason<E: Display>(error: &AdmitError<E>) -> String {
    match error {
        AdmitError::Violations(violations) => violations.first_n().first().map_or_else(
            || "the contract refuses it".to_owned(),
            |violation| {
                let subject = violation.feature.as_deref().unwrap_or(&violation.pointer);
                format!("{subject}: {}", violation.code.as_str())
            },
        ),
        AdmitError::Malformed(_) => "it is not JSON".to_owned(),
    }
}
