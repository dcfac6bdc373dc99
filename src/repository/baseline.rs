//! The baseline of explanations: an instance of the profile's medians and modes, admitted by the contract as any other.

use std::collections::HashMap;

use super::{admit::admit_features, schema_validator::SchemaValidator};
use crate::domain::{
    contract::{AdmitError, Contract, Feature, JsonValue},
    profile::Profile,
    tensor::Inputs,
};

/// Whether a version has a baseline; found out at load.
pub enum BaselineState {
    /// There is no profile.json to take it from.
    NoProfile,
    /// It is there.
    Ready(Baseline),
    /// The profile gives none that the contract admits, for this reason.
    Unavailable(String),
}

impl BaselineState {
    /// Makes the baseline of a version, where it can be made.
    pub fn new(contract: &Contract, schema: Option<&SchemaValidator>, profile: Option<&Profile>) -> Self {
        let Some(profile) = profile else { return Self::NoProfile };
        match baseline(contract, schema, profile) {
            Ok(baseline) => Self::Ready(baseline),
            Err(reason) => Self::Unavailable(reason),
        }
    }
}

/// An instance that stands for nothing in particular.
#[derive(Debug)]
pub struct Baseline {
    /// Its tensors.
    pub inputs: Inputs,
    /// The features' values as they are shown, in the contract's order.
    pub shown: Vec<JsonValue>,
}

/// Makes the baseline. Where the contract does not admit a feature's median or mode (most values are missing and null is
/// refused; a median between two allowed steps) the feature is left out, or has the value of the first background row.
///
/// # Errors
/// A sentence that names the feature for which there is no value that the contract admits.
fn baseline(contract: &Contract, schema: Option<&SchemaValidator>, profile: &Profile) -> Result<Baseline, String> {
    let places: HashMap<&str, usize> =
        profile.features.iter().enumerate().map(|(place, (name, _))| (name.as_str(), place)).collect();
    let candidates = |feature: &Feature| {
        let place = places.get(feature.name.as_str());
        place.map(|place| candidates(profile, *place)).unwrap_or_default().into_iter()
    };
    let mut choices: Vec<std::vec::IntoIter<Option<JsonValue>>> = contract.features.iter().map(candidates).collect();
    let nothing = |feature: &Feature, why: &str| {
        format!("profile.json gives no value of {} that the contract admits as a baseline{why}", feature.name)
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
            Err(AdmitError::Malformed(error)) => return Err(format!("the baseline could not be read: {error}")),
        };
        // Each round uses candidates up, so there is a last one.
        for violation in violations.first_n() {
            let named = contract.features.iter().position(|feature| Some(&feature.name) == violation.feature.as_ref());
            let Some(index) = named else { return Err(violation.detail.clone()) };
            let next = choices[index].next();
            chosen[index] =
                next.ok_or_else(|| nothing(&contract.features[index], &format!(": {}", violation.detail)))?;
        }
    }
}

/// What may stand for the feature at this place of the profile, best first; `None`: it is left out.
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
