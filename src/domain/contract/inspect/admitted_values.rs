//! What a feature admits, as plain values: for comparing the contracts of two versions.

use crate::domain::{
    contract::{
        Contract, Feature,
        schema::{
            enum_values::EnumValues,
            feature::NullHandling,
            rule::{Bound, BoundKind, TypeSet},
        },
    },
    json::JsonValue,
    number::Number,
};

/// The lower or the upper limit of a number.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// The limit.
    pub value: Number,
    /// Whether the limit itself is not admitted.
    pub exclusive: bool,
}

/// What a feature admits. The rules of an array are those of its elements.
#[derive(Debug, Clone, PartialEq)]
pub struct AdmittedValues {
    /// The JSON types of a value, or of an array's elements, by their names in JSON Schema.
    pub types: Vec<&'static str>,
    /// Whether null may be given instead of a value.
    pub null: bool,
    /// What null becomes in the tensor: `NaN`, or the default.
    pub null_becomes: Option<&'static str>,
    /// The value of a feature that is left out.
    pub default: Option<JsonValue>,
    /// The lower limit of a number.
    pub minimum: Option<Limit>,
    /// The upper limit of a number.
    pub maximum: Option<Limit>,
    /// The number that a number must be a multiple of.
    pub multiple_of: Option<u64>,
    /// The values, if they are listed.
    pub choices: Option<Vec<JsonValue>>,
    /// The minimum and the maximum length of a text.
    pub lengths: (Option<usize>, Option<usize>),
    /// The pattern of a text.
    pub pattern: Option<String>,
    /// The soft rule `x-expected`, in words.
    pub expected: Option<String>,
}

impl Feature {
    /// Returns what the feature admits.
    pub fn admitted_values(&self) -> AdmittedValues {
        let rule = &self.rule;
        AdmittedValues {
            types: type_names(rule.types),
            null: self.accepts_null(),
            null_becomes: match self.null {
                NullHandling::Refused => None,
                NullHandling::Nan => Some("NaN"),
                NullHandling::Default => Some("the default"),
            },
            default: self.default.clone(),
            minimum: tightest(&rule.bounds, true),
            maximum: tightest(&rule.bounds, false),
            multiple_of: rule.multiple_of,
            choices: rule.choices.as_ref().map(|choices| choices.literals().to_vec()),
            lengths: (rule.min_length, rule.max_length),
            pattern: rule.pattern.as_ref().map(ToString::to_string),
            expected: self.expected.as_ref().map(|expected| {
                let minimum = expected.minimum.map(|limit| format!("from {limit}"));
                let maximum = expected.maximum.map(|limit| format!("to {limit}"));
                let choices = expected.choices.as_ref().map(EnumValues::describe);
                minimum.into_iter().chain(maximum).chain(choices).collect::<Vec<_>>().join(" ")
            }),
        }
    }
}

impl Contract {
    /// Whether a feature that the contract does not have is refused. Otherwise it is ignored, with a warning.
    pub fn refuses_unknown_features(&self) -> bool {
        self.denies_additional
    }
}

fn type_names(types: TypeSet) -> Vec<&'static str> {
    let names = [
        (TypeSet::NUMBER, "number"),
        (TypeSet::INTEGER, "integer"),
        (TypeSet::BOOLEAN, "boolean"),
        (TypeSet::TEXT, "string"),
    ];
    names.into_iter().filter(|(kind, _)| types.has(*kind)).map(|(_, name)| name).collect()
}

/// Returns the bound that decides, from below or from above. An exclusive one is tighter than an inclusive one at the
/// same number.
fn tightest(bounds: &[Bound], lower: bool) -> Option<Limit> {
    let limits = bounds.iter().filter_map(|bound| {
        let (from_below, exclusive) = match bound.kind {
            BoundKind::Minimum => (true, false),
            BoundKind::ExclusiveMinimum => (true, true),
            BoundKind::Maximum => (false, false),
            BoundKind::ExclusiveMaximum => (false, true),
        };
        (from_below == lower).then_some(Limit { value: bound.limit, exclusive })
    });
    limits.reduce(|left, right| if right.is_tighter(left, lower) { right } else { left })
}

impl Limit {
    /// Whether this limit admits less than another one, both from below or both from above.
    pub fn is_tighter(self, than: Self, lower: bool) -> bool {
        let order = self.value.compare(than.value);
        let inward = if lower { order.is_gt() } else { order.is_lt() };
        inward || (order.is_eq() && self.exclusive && !than.exclusive)
    }
}
