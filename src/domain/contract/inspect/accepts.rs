//! The value types that a feature accepts, for code that fills features from a table, and checks of whether a profile
//! fits a contract.

use crate::domain::{
    contract::{
        Contract, Feature,
        schema::{enum_values::EnumValues, feature::NullHandling, rule::TypeSet},
    },
    json::JsonValue,
    profile::{FeatureKind, FeatureProfile, FeatureSpec, Profile, number},
    violation::ViolationCode,
};

impl Feature {
    /// Whether it accepts numbers: `number` or `integer`.
    pub fn accepts_number(&self) -> bool {
        self.rule.types.has(TypeSet::NUMBER.with(TypeSet::INTEGER))
    }

    /// Whether integers are the only numbers that it accepts.
    pub fn accepts_whole_only(&self) -> bool {
        self.rule.types.has(TypeSet::INTEGER) && !self.rule.types.has(TypeSet::NUMBER)
    }

    /// Whether it accepts booleans.
    pub fn accepts_boolean(&self) -> bool {
        self.rule.types.has(TypeSet::BOOLEAN)
    }

    /// Whether it accepts texts.
    pub fn accepts_text(&self) -> bool {
        self.rule.types.has(TypeSet::TEXT)
    }

    /// Whether it accepts arrays.
    pub fn accepts_array(&self) -> bool {
        !self.dimensions.is_empty()
    }

    /// Whether it accepts null.
    pub fn accepts_null(&self) -> bool {
        self.null != NullHandling::Refused
    }

    /// Describes the accepted types, such as `an integer or null`.
    pub fn types(&self) -> String {
        if self.accepts_array() { "an array".to_owned() } else { self.rule.types.describe() }
    }

    /// Specifies how a profile describes the feature.
    pub fn profile_spec(&self) -> FeatureSpec {
        let kind = if self.accepts_array() {
            FeatureKind::Opaque
        } else if self.accepts_number() && self.rule.choices.is_none() {
            FeatureKind::Number
        } else {
            FeatureKind::Category
        };
        FeatureSpec { name: self.name.clone(), kind, sensitive: self.sensitive }
    }
}

impl Contract {
    /// Builds an instance from one value per feature. Omits a null if the feature is optional and does not accept null.
    pub fn instance(&self, values: &[JsonValue]) -> JsonValue {
        let members = self
            .features
            .iter()
            .zip(values)
            .filter(|(feature, value)| **value != JsonValue::Null || feature.accepts_null() || feature.required);
        JsonValue::Object(members.map(|(feature, value)| (feature.name.clone(), value.clone())).collect())
    }

    /// Returns one sentence for each way in which a profile does not fit. It must describe these features, in this
    /// order, with matching types.
    pub fn profile_mismatches(&self, profile: &Profile) -> Vec<String> {
        let described: Vec<&str> = profile.features.iter().map(|(name, _)| name.as_str()).collect();
        let features: Vec<&str> = self.features.iter().map(|feature| feature.name.as_str()).collect();
        let mut faults: Vec<String> = described
            .iter()
            .filter(|name| !features.contains(name))
            .map(|name| format!("describes the feature {name:?}, which the contract does not have"))
            .chain(
                features
                    .iter()
                    .filter(|name| !described.contains(name))
                    .map(|name| format!("does not describe the contract's feature {name:?}")),
            )
            .collect();
        if faults.is_empty() && described != features {
            faults.push(format!("its features are in a different order than in the contract: {}", features.join(", ")));
        }
        let both = self.features.iter().filter_map(|feature| Some((feature, profile.feature(&feature.name)?)));
        faults.extend(both.filter_map(|(feature, found)| feature.profile_mismatch(found)));
        faults
    }

    /// Returns one sentence for each minimum or maximum of the training data that the contract rejects: the model knows
    /// such values, but callers cannot send them.
    pub fn narrower_than(&self, profile: &Profile) -> Vec<String> {
        let both = self.features.iter().filter_map(|feature| Some((feature, profile.feature(&feature.name)?)));
        both.flat_map(|(feature, found)| feature.narrower_than(found)).collect()
    }
}

impl Feature {
    fn narrower_than(&self, profile: &FeatureProfile) -> Vec<String> {
        let FeatureProfile::Number(seen) = profile else { return Vec::new() };
        let mut differences = Vec::new();
        for (word, value) in [("lowest", seen.minimum), ("highest", seen.maximum)] {
            self.rule.check_number(number(value, seen.whole), |code, rule| {
                if matches!(code, ViolationCode::BelowMinimum | ViolationCode::AboveMaximum) {
                    let shown = if self.sensitive { "is not shown".to_owned() } else { format!("is {value}") };
                    differences.push(format!(
                        "feature {:?}: the {word} value in the training data {shown}, but by the contract it {rule}: \
                         such requests are rejected",
                        self.name
                    ));
                }
            });
        }
        differences
    }

    fn profile_mismatch(&self, profile: &FeatureProfile) -> Option<String> {
        let name = &self.name;
        let kind = self.profile_spec().kind;
        match (profile, kind) {
            (FeatureProfile::Number(_), FeatureKind::Number) | (FeatureProfile::Opaque(_), FeatureKind::Opaque) => None,
            (FeatureProfile::Opaque(found), _) if found.count == 0 => None,
            (FeatureProfile::Category(found), FeatureKind::Category) => {
                let listed: Vec<&JsonValue> = self.rule.choices.iter().flat_map(EnumValues::literals).collect();
                let other = |value: &&JsonValue| !listed.is_empty() && !listed.contains(value);
                let odd = found.categories.iter().map(|(value, _)| value).find(other)?;
                Some(format!("feature {name:?}: lists the category {odd}, which the contract does not admit"))
            }
            _ => {
                let found = match profile {
                    FeatureProfile::Number(_) => "a number",
                    FeatureProfile::Category(_) => "a category",
                    FeatureProfile::Opaque(_) => "an array",
                };
                Some(format!("feature {name:?}: is described as {found}, but the contract takes {}", self.types()))
            }
        }
    }
}
