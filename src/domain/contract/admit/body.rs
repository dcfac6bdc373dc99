//! Deserializes a request body into tensors in one pass: each value is validated and written to its tensor as it is
//! read.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, MapAccess, SeqAccess, Visitor},
};

use super::{
    feature_sink::{AdmitState, FeatureSink},
    json_sink::{JsonSink, Scalar, SinkSeed, Skip},
};
use crate::domain::{
    contract::Contract,
    prediction::{Warning, WarningCode},
    tensor::Inputs,
    text::{did_you_mean, quote},
    violation::{MAX_LISTED, Violation, ViolationCode, Violations, client_pointer_token},
};

/// The maximum length of an `entity_id` that is a text, in characters as JSON Schema counts them.
pub const MAX_ENTITY_ID: usize = 256;

/// The caller's identifier of the subject of the instance; recorded with the response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntityId {
    /// A text of at most 256 characters.
    Text(String),
    /// An integer.
    Number(i128),
}

/// A request that satisfies the contract.
#[derive(Debug, Clone)]
pub struct Admitted {
    /// The tensors of the one instance.
    pub inputs: Inputs,
    /// Warnings for the caller.
    pub warnings: Vec<Warning>,
    /// The identifier of the subject, if the request has one.
    pub entity_id: Option<EntityId>,
    /// Whether the caller requested an explanation.
    pub explain: bool,
}

/// Why a body was rejected.
#[derive(Debug, thiserror::Error)]
pub enum AdmitError<E> {
    /// It is not valid JSON.
    #[error("{0}")]
    Malformed(E),
    /// It is valid JSON, but violates the contract.
    #[error("the contract rejects it: {}", .0.first_n().iter().map(|violation| violation.detail.as_str()).collect::<Vec<_>>().join("; "))]
    Violations(Violations),
}

impl Contract {
    /// Parses and validates a body `{"features": …, "entity_id": …, "explain": …}`.
    ///
    /// # Errors
    /// Returns [`AdmitError::Malformed`] with the deserializer's error if the body is not valid JSON, or
    /// [`AdmitError::Violations`] with all violations of the contract.
    pub fn admit<'de, D: Deserializer<'de>>(&self, body: D) -> Result<Admitted, AdmitError<D::Error>> {
        let mut filling = AdmitState {
            contract: self,
            inputs: self.default_row.clone(),
            // Cloning is cheaper than allocating zeroed memory, which the allocator does not keep ready.
            given: self.none_given.clone(),
            violations: Violations::default(),
            warnings: Vec::new(),
            positional: false,
        };
        let (mut entity_id, mut explain) = (None, false);
        let root = BodySink { filling: &mut filling, entity_id: &mut entity_id, explain: &mut explain };
        SinkSeed(root).deserialize(body).map_err(AdmitError::Malformed)?;
        if filling.violations.is_empty() {
            Ok(Admitted { inputs: filling.inputs, warnings: filling.warnings, entity_id, explain })
        } else {
            Err(AdmitError::Violations(filling.violations))
        }
    }

    /// Finds a feature by name. Tries index `likely` first, the next one in the contract's order.
    #[inline]
    fn find(&self, name: &str, likely: usize) -> Option<usize> {
        match self.features.get(likely) {
            Some(feature) if feature.name == name => Some(likely),
            _ => self.by_name.get(name).copied(),
        }
    }
}

fn violation(pointer: impl Into<String>, code: ViolationCode, detail: impl Into<String>) -> Violation {
    Violation { pointer: pointer.into(), code, detail: detail.into(), feature: None }
}

/// The sink for the whole body.
struct BodySink<'f, 'c> {
    filling: &'f mut AdmitState<'c>,
    entity_id: &'f mut Option<EntityId>,
    explain: &'f mut bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum BodyMember {
    Features,
    EntityId,
    Explain,
}

impl BodyMember {
    const ALL: [(&'static str, Self); 3] =
        [("features", Self::Features), ("entity_id", Self::EntityId), ("explain", Self::Explain)];
}

impl BodySink<'_, '_> {
    fn wrong_type(self, found: &str) {
        let detail = format!("the body must be an object with the member \"features\"; got {found}");
        self.filling.violations.push(violation("", ViolationCode::WrongType, detail));
    }
}

impl<'de> JsonSink<'de> for BodySink<'_, '_> {
    fn scalar(self, value: Scalar<'_>) {
        self.wrong_type(value.kind());
    }

    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        self.wrong_type("an array");
        Skip(0).list(list)
    }

    fn object<A: MapAccess<'de>>(self, mut object: A) -> Result<(), A::Error> {
        let mut given = [false; BodyMember::ALL.len()];
        while let Some(key) = object.next_key_seed(KeySeed(|name: &str| {
            BodyMember::ALL
                .iter()
                .find(|(text, _)| *text == name)
                .map(|(_, member)| *member)
                .ok_or_else(|| name.to_owned())
        }))? {
            let member = match key {
                Ok(member) => member,
                Err(name) => {
                    let hint = if self.filling.contract.by_name.contains_key(&name) {
                        "; it belongs inside \"features\"".to_owned()
                    } else {
                        did_you_mean(&name, BodyMember::ALL.iter().map(|(text, _)| *text))
                    };
                    self.filling.violations.push(violation(
                        format!("/{}", client_pointer_token(&name)),
                        ViolationCode::UnknownFeature,
                        format!("the body has no member {}{hint}", quote(&name)),
                    ));
                    object.next_value_seed(SinkSeed(Skip(1)))?;
                    continue;
                }
            };
            if std::mem::replace(&mut given[member as usize], true) {
                let name = BodyMember::ALL[member as usize].0;
                self.filling.violations.push(violation(
                    format!("/{name}"),
                    ViolationCode::Duplicate,
                    format!("{name} appears twice"),
                ));
                object.next_value_seed(SinkSeed(Skip(1)))?;
                continue;
            }
            match member {
                BodyMember::Features => {
                    object.next_value_seed(SinkSeed(FeaturesSink { filling: &mut *self.filling }))?;
                }
                BodyMember::EntityId => object.next_value_seed(SinkSeed(ScalarSink(
                    |value: Result<Scalar<'_>, _>| match take_entity_id(value) {
                        Ok(id) => *self.entity_id = id,
                        Err(violation) => self.filling.violations.push(violation),
                    },
                )))?,
                BodyMember::Explain => {
                    object.next_value_seed(SinkSeed(ScalarSink(
                        |value: Result<Scalar<'_>, _>| match take_explain(value) {
                            Ok(explain) => *self.explain = explain,
                            Err(violation) => self.filling.violations.push(violation),
                        },
                    )))?;
                }
            }
        }
        if !given[BodyMember::Features as usize] {
            self.filling.violations.push(violation("/features", ViolationCode::Missing, "features is required"));
        }
        Ok(())
    }
}

/// The sink for the member `features`: an object by name, or an array by position.
struct FeaturesSink<'f, 'c> {
    filling: &'f mut AdmitState<'c>,
}

impl FeaturesSink<'_, '_> {
    fn wrong_type(&mut self, found: &str) {
        let detail = format!("features must be an object by name, or an array by position; got {found}");
        self.filling.violations.push(violation("/features", ViolationCode::WrongType, detail));
    }

    fn unknown(&mut self, name: &str) {
        let contract = self.filling.contract;
        match contract.denies_additional {
            true if self.filling.violations.is_full() => return self.filling.violations.count(),
            false if self.filling.warnings.len() >= MAX_LISTED => return,
            _ => {}
        }
        let pointer = format!("/features/{}", client_pointer_token(name));
        let hint = did_you_mean(name, contract.features.iter().map(|feature| feature.name.as_str()));
        if contract.denies_additional {
            let detail = format!("the contract has no feature {}{hint}", quote(name));
            self.filling.violations.push(violation(pointer, ViolationCode::UnknownFeature, detail));
        } else {
            let detail = format!("{} is not a feature of the contract and was ignored{hint}", quote(name));
            self.filling.warnings.push(Warning { pointer, code: WarningCode::IgnoredMember, detail, feature: None });
        }
    }

    fn note_missing(&mut self) {
        let contract = self.filling.contract;
        for (index, feature) in contract.features.iter().enumerate() {
            if feature.required && !self.filling.given[index] {
                self.filling.reject(index, &[], ViolationCode::Missing, "is required");
            }
        }
    }
}

impl<'de> JsonSink<'de> for FeaturesSink<'_, '_> {
    fn scalar(mut self, value: Scalar<'_>) {
        self.wrong_type(value.kind());
    }

    fn list<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        self.filling.positional = true;
        let wanted = self.filling.contract.features.len();
        let mut found = 0;
        loop {
            let more = if found < wanted {
                list.next_element_seed(SinkSeed(FeatureSink { state: &mut *self.filling, index: found }))?
            } else {
                list.next_element_seed(SinkSeed(Skip(2)))?
            };
            if more.is_none() {
                break;
            }
            found += 1;
        }
        if found != wanted {
            let detail = format!("features by position must have {wanted} elements, one per feature; got {found}");
            self.filling.violations.push(violation("/features", ViolationCode::WrongLength, detail));
        }
        Ok(())
    }

    fn object<A: MapAccess<'de>>(mut self, mut object: A) -> Result<(), A::Error> {
        let contract = self.filling.contract;
        let mut expected_index = 0;
        let mut unknown_names = std::collections::HashSet::new();
        while let Some(key) = object
            .next_key_seed(KeySeed(|name: &str| contract.find(name, expected_index).ok_or_else(|| name.to_owned())))?
        {
            match key {
                Ok(index) => {
                    expected_index = index + 1;
                    if std::mem::replace(&mut self.filling.given[index], true) {
                        self.filling.reject(index, &[], ViolationCode::Duplicate, "appears twice");
                        object.next_value_seed(SinkSeed(Skip(2)))?;
                    } else {
                        object.next_value_seed(SinkSeed(FeatureSink { state: &mut *self.filling, index }))?;
                    }
                }
                Err(name) => {
                    if unknown_names.contains(&name) {
                        let pointer = format!("/features/{}", client_pointer_token(&name));
                        let detail = format!("{} appears twice", quote(&name));
                        self.filling.violations.push(violation(pointer, ViolationCode::Duplicate, detail));
                    } else {
                        self.unknown(&name);
                        unknown_names.insert(name);
                    }
                    object.next_value_seed(SinkSeed(Skip(2)))?;
                }
            }
        }
        self.note_missing();
        Ok(())
    }
}

/// A sink that expects a scalar. The function receives the scalar, or the kind of the value found instead.
struct ScalarSink<F>(F);

impl<'de, F: FnOnce(Result<Scalar<'_>, &'static str>)> JsonSink<'de> for ScalarSink<F> {
    fn scalar(self, value: Scalar<'_>) {
        (self.0)(Ok(value));
    }

    fn list<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        (self.0)(Err("an array"));
        Skip(1).list(list)
    }

    fn object<A: MapAccess<'de>>(self, object: A) -> Result<(), A::Error> {
        (self.0)(Err("an object"));
        Skip(1).object(object)
    }
}

/// Parses the member `entity_id`.
fn take_entity_id(value: Result<Scalar<'_>, &'static str>) -> Result<Option<EntityId>, Violation> {
    let found = match value {
        Ok(Scalar::Null) => return Ok(None),
        Ok(Scalar::Text(text)) if text.chars().nth(MAX_ENTITY_ID).is_none() => {
            return Ok(Some(EntityId::Text(text.to_owned())));
        }
        Ok(Scalar::Text(_)) => "a longer string",
        Ok(Scalar::Number(number)) => match number.as_whole() {
            Some(whole) => return Ok(Some(EntityId::Number(whole))),
            None => "a number that is not an integer",
        },
        Ok(Scalar::Bool(_)) => "a boolean",
        Err(kind) => kind,
    };
    let detail =
        format!("entity_id must be an integer, or a string of at most {MAX_ENTITY_ID} characters; got {found}");
    Err(violation("/entity_id", ViolationCode::WrongType, detail))
}

/// Parses the member `explain`.
fn take_explain(value: Result<Scalar<'_>, &'static str>) -> Result<bool, Violation> {
    let found = match value {
        Ok(Scalar::Bool(explain)) => return Ok(explain),
        Ok(other) => other.kind(),
        Err(kind) => kind,
    };
    Err(violation("/explain", ViolationCode::WrongType, format!("explain must be true or false; got {found}")))
}

/// Maps a key without copying it. The functions in use copy only unknown keys.
struct KeySeed<F>(F);

impl<'de, T, F: FnOnce(&str) -> T> DeserializeSeed<'de> for KeySeed<F> {
    type Value = T;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl<T, F: FnOnce(&str) -> T> Visitor<'_> for KeySeed<F> {
    type Value = T;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_str<E>(self, name: &str) -> Result<T, E> {
        Ok((self.0)(name))
    }
}
