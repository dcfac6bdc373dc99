//! The baseline of explanations: an instance of the profile's medians and modes, validated by the contract like any
//! other.

use std::collections::HashMap;

use super::{admit::admit_features, schema_validator::SchemaValidator};
use crate::domain::{
    contract::{AdmitError, Contract, Feature},
    json::JsonValue,
    profile::Profile,
    tensor::Inputs,
};

/// There is no baseline: why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct BaselineError(String);

impl From<String> for BaselineError {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// The baseline of a version, determined at load.
pub enum BaselineState {
    /// There is no profile.json to derive it from.
    NoProfile,
    /// The baseline is available.
    Ready(Baseline),
    /// The profile yields no baseline that the contract admits, for this reason.
    Unavailable(String),
}

impl BaselineState {
    /// Builds the baseline of a version, if it has a profile.
    pub fn new(contract: &Contract, schema: Option<&SchemaValidator>, profile: Option<&Profile>) -> Self {
        let Some(profile) = profile else { return Self::NoProfile };
        match baseline(contract, schema, profile) {
            Ok(baseline) => Self::Ready(baseline),
            Err(reason) => Self::Unavailable(reason.to_string()),
        }
    }
}

/// A neutral reference instance.
#[derive(Debug)]
pub struct Baseline {
    /// Its input tensors.
    pub inputs: Inputs,
    /// The feature values for display, in the contract's order.
    pub shown: Vec<JsonValue>,
}

/// Builds the baseline. If the contract does not admit a feature's median or mode, the feature is omitted or takes its
/// value from the first background row. This happens if most values are missing and null is not allowed, or if the
/// median lies between two allowed steps.
///
/// # Errors
/// Returns a sentence that names a feature for which the contract admits no value.
fn baseline(
    contract: &Contract,
    schema: Option<&SchemaValidator>,
    profile: &Profile,
) -> Result<Baseline, BaselineError> {
    let places: HashMap<&str, usize> =
        profile.features.iter().enumerate().map(|(place, (name, _))| (name.as_str(), place)).collect();
    let candidates = |feature: &Feature| {
        let place = places.get(feature.name.as_str());
        place.map(|place| candidates(profile, *place)).unwrap_or_default().into_iter()
    };
    let mut choices: Vec<std::vec::IntoIter<Option<JsonValue>>> = contract.features.iter().map(candidates).collect();
    let nothing = |feature: &Feature, why: &str| {
        format!("profile.json has no value of {} that the contract accepts as a baseline{why}", feature.name)
    };
    let mut chosen = Vec::with_capacity(contract.features.len());
    for (feature, candidates) in contract.features.iter().zip(&mut choices) {
        chosen.push(candidates.next().ok_or_else(|| nothing(feature, ""))?);
    }
    loop {
        let violations = match admit(contract, schema, &chosen) {
            Ok(inputs) => {
                let shown = contract.features.iter().zip(&chosen);
                return Ok(Baseline {
                    inputs,
                    shown: shown.map(|(feature, value)| feature.display_value(value.as_ref())).collect(),
                });
            }
            Err(AdmitError::Violations(violations)) => violations,
            Err(AdmitError::Malformed(error)) => return Err(format!("the baseline could not be read: {error}").into()),
        };
        // Each round consumes candidates, so the loop terminates.
        for violation in violations.first_n() {
            let named = contract.features.iter().position(|feature| Some(&feature.name) == violation.feature.as_ref());
            let Some(index) = named else { return Err(violation.detail.clone().into()) };
            let next = choices[index].next();
            chosen[index] =
                next.ok_or_else(|| nothing(&contract.features[index], &format!(": {}", violation.detail)))?;
        }
    }
}

/// The candidate values of the feature at this index of the profile, best first. `None` omits the feature.
fn candidates(profile: &Profile, place: usize) -> Vec<Option<JsonValue>> {
    let usual = profile.features[place].1.baseline();
    let left_out = (usual == Some(JsonValue::Null)).then_some(None);
    let row = profile.background.first().and_then(|row| row.get(place)).filter(|value| **value != JsonValue::Null);
    usual.map(Some).into_iter().chain(left_out).chain(row.cloned().map(Some)).collect()
}

fn admit(
    contract: &Contract,
    schema: Option<&SchemaValidator>,
    chosen: &[Option<JsonValue>],
) -> Result<Inputs, AdmitError<serde_json::Error>> {
    let given = contract.features.iter().zip(chosen);
    let given = given.filter_map(|(feature, value)| Some((feature.name.clone(), value.clone()?)));
    admit_features(contract, schema, &JsonValue::Object(given.collect()))
}
