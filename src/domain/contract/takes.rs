//! What a feature takes, for those who fill it from a table; and whether a profile fits a contract.

use super::{Contract, Feature, Literal, choices::Choices, feature::NullMeans, rule::Types};
use crate::domain::{
    profile::{FeatureProfile, Profile, number},
    profiling::{Described, Kind},
    violation::ViolationCode,
};

impl Feature {
    /// Whether it takes numbers, whole or not.
    pub fn takes_number(&self) -> bool {
        self.rule.types.has(Types::NUMBER.with(Types::INTEGER))
    }

    /// Whether it takes whole numbers and no others.
    pub fn takes_whole_only(&self) -> bool {
        self.rule.types.has(Types::INTEGER) && !self.rule.types.has(Types::NUMBER)
    }

    /// Whether it takes booleans.
    pub fn takes_boolean(&self) -> bool {
        self.rule.types.has(Types::BOOLEAN)
    }

    /// Whether it takes texts.
    pub fn takes_text(&self) -> bool {
        self.rule.types.has(Types::TEXT)
    }

    /// Whether it takes arrays.
    pub fn takes_array(&self) -> bool {
        !self.dimensions.is_empty()
    }

    /// Whether it takes null.
    pub fn takes_null(&self) -> bool {
        self.null != NullMeans::Refused
    }

    /// The types in words, such as `an integer or null`.
    pub fn types(&self) -> String {
        if self.takes_array() { "an array".to_owned() } else { self.rule.types.describe() }
    }

    /// How a profile describes the feature.
    pub fn described(&self) -> Described {
        let kind = if self.takes_array() {
            Kind::Opaque
        } else if self.takes_number() && self.rule.choices.is_none() {
            Kind::Number
        } else {
            Kind::Category
        };
        Described { name: self.name.clone(), kind, sensitive: self.sensitive }
    }
}

impl Contract {
    /// An instance of these values, one a feature. Null is left out where a feature does not take it and may be absent.
    pub fn instance(&self, values: &[Literal]) -> Literal {
        let members = self
            .features
            .iter()
            .zip(values)
            .filter(|(feature, value)| **value != Literal::Null || feature.takes_null() || feature.required);
        Literal::Object(members.map(|(feature, value)| (feature.name.clone(), value.clone())).collect())
    }

    /// Where a profile does not fit, a sentence each: it must describe these features, in this order, by their types.
    pub fn faults_of(&self, profile: &Profile) -> Vec<String> {
        let described: Vec<&str> = profile.features.iter().map(|(name, _)| name.as_str()).collect();
        let features: Vec<&str> = self.features.iter().map(|feature| feature.name.as_str()).collect();
        let mut faults: Vec<String> = described
            .iter()
            .filter(|name| !features.contains(name))
            .map(|name| format!("describes the feature {name:?}, which the contract has not"))
            .chain(
                features
                    .iter()
                    .filter(|name| !described.contains(name))
                    .map(|name| format!("does not describe the contract's feature {name:?}")),
            )
            .collect();
        if faults.is_empty() && described != features {
            faults.push(format!("its features stand in another order than the contract's: {}", features.join(", ")));
        }
        let both = self.features.iter().filter_map(|feature| Some((feature, profile.feature(&feature.name)?)));
        faults.extend(both.filter_map(|(feature, found)| feature.fault_of(found)));
        faults
    }

    /// Where a profile saw numbers that the contract refuses, a sentence each: the model knows them, callers may not ask.
    pub fn narrower_than(&self, profile: &Profile) -> Vec<String> {
        let both = self.features.iter().filter_map(|feature| Some((feature, profile.feature(&feature.name)?)));
        both.flat_map(|(feature, found)| feature.narrower_than(found)).collect()
    }
}

impl Feature {
    fn narrower_than(&self, profile: &FeatureProfile) -> Vec<String> {
        let FeatureProfile::Number(seen) = profile else { return Vec::new() };
        let mut told = Vec::new();
        for (word, value) in [("least", seen.minimum), ("greatest", seen.maximum)] {
            self.rule.check_number(number(value, seen.whole), |code, rule| {
                if matches!(code, ViolationCode::BelowMinimum | ViolationCode::AboveMaximum) {
                    let shown = if self.sensitive { "is not shown".to_owned() } else { format!("is {value}") };
                    told.push(format!(
                        "feature {:?}: the {word} value that the model was trained on {shown}, and by the contract it \
                         {rule}: requests like that are refused",
                        self.name
                    ));
                }
            });
        }
        told
    }

    fn fault_of(&self, profile: &FeatureProfile) -> Option<String> {
        let name = &self.name;
        let kind = self.described().kind;
        match (profile, kind) {
            (FeatureProfile::Number(_), Kind::Number) | (FeatureProfile::Opaque(_), Kind::Opaque) => None,
            (FeatureProfile::Opaque(found), _) if found.count == 0 => None,
            (FeatureProfile::Category(found), Kind::Category) => {
                let listed: Vec<&Literal> = self.rule.choices.iter().flat_map(Choices::literals).collect();
                let other = |value: &&Literal| !listed.is_empty() && !listed.contains(value);
                let odd = found.categories.iter().map(|(value, _)| value).find(other)?;
                Some(format!("feature {name:?}: lists the category {odd}, which the contract does not admit"))
            }
            _ => {
                let found = match profile {
                    FeatureProfile::Number(_) => "a number",
                    FeatureProfile::Category(_) => "a category",
                    FeatureProfile::Opaque(_) => "an array",
                };
                Some(format!("feature {name:?}: is described as {found}, the contract takes {}", self.types()))
            }
        }
    }
}
