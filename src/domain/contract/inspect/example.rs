//! Builds an example instance of a contract, for documentation, start-up messages and warm-up.

use crate::domain::{
    contract::{
        Contract, Feature,
        schema::{
            enum_values::EnumValues,
            rule::{ScalarRule, TypeSet},
        },
    },
    json::JsonValue,
    number::Number,
};

/// The length of an array in an example if the contract does not fix it.
const OPEN_LENGTH: usize = 4;

impl Contract {
    /// Returns an instance as `features` by name: each feature's default, first choice, or a number within its bounds.
    /// A text with a `pattern` but without choices satisfies only the length limits.
    pub fn example(&self) -> JsonValue {
        JsonValue::Object(self.features.iter().map(|feature| (feature.name.clone(), feature.example())).collect())
    }
}

impl Feature {
    fn example(&self) -> JsonValue {
        if let Some(default) = self.default.clone().filter(|value| *value != JsonValue::Null) {
            return default;
        }
        self.dimensions.iter().rev().fold(self.scalar(), |items, dimension| {
            let most = dimension.max.unwrap_or(usize::MAX);
            let length = if most == dimension.min { most } else { OPEN_LENGTH.clamp(dimension.min, most) };
            JsonValue::List(vec![items; length])
        })
    }

    fn scalar(&self) -> JsonValue {
        let mut choices = self.rule.choices.iter().flat_map(EnumValues::literals);
        if let Some(choice) = choices.find(|choice| **choice != JsonValue::Null && self.rule.admits(choice)) {
            return choice.clone();
        }
        let types = self.rule.types;
        if types.has(TypeSet::NUMBER.with(TypeSet::INTEGER)) {
            let usual = self.expected.as_ref().and_then(|expected| Some((expected.minimum?, expected.maximum?)));
            return usual
                .map(|(low, high)| JsonValue::Number(between(low, high)))
                .filter(|middle| self.rule.admits(middle))
                .unwrap_or_else(|| JsonValue::Number(self.rule.example_number()));
        }
        if types.has(TypeSet::BOOLEAN) { JsonValue::Bool(false) } else { JsonValue::Text(self.rule.example_text()) }
    }
}

/// Returns the middle of a range, rounded to a whole number if that lies in the range.
fn between(low: Number, high: Number) -> Number {
    let middle = f64::midpoint(low.as_f64(), high.as_f64());
    let whole = middle.round();
    if whole >= low.as_f64() && whole <= high.as_f64() && whole.abs() < 1e15 {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
        return Number::from(whole as i64);
    }
    Number::from(middle)
}

impl ScalarRule {
    /// Returns a number that the rule admits: zero if possible, else one at or near a bound. Falls back to zero.
    pub(in crate::domain::contract) fn example_number(&self) -> Number {
        let step = self.multiple_of.unwrap_or(1);
        let bounds = self.bounds.iter().map(|bound| bound.limit.as_f64());
        let candidates = std::iter::once(0.0)
            .chain(bounds.clone())
            .chain(bounds.clone().flat_map(|limit| {
                [limit.floor(), limit.ceil(), limit + 1.0, limit - 1.0, limit + 0.001, limit - 0.001]
            }))
            .chain(bounds.clone().map(|limit| {
                let step = step as f64;
                (limit / step).ceil() * step
            }));
        let ordered: Vec<f64> = bounds.collect();
        let middle = (ordered.len() == 2).then(|| f64::midpoint(ordered[0], ordered[1]));
        candidates
            .chain(middle)
            .map(|value| {
                if value.fract() == 0.0 && value.abs() < 1e15 {
                    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
                    Number::from(value as i64)
                } else {
                    Number::from(value)
                }
            })
            .find(|number| self.admits(&JsonValue::Number(*number)))
            .unwrap_or(Number::Unsigned(0))
    }

    /// Returns a text within the length limits, ignoring the pattern.
    pub(in crate::domain::contract) fn example_text(&self) -> String {
        const SAMPLE: &str = "text";
        let length = SAMPLE.len().max(self.min_length.unwrap_or(0)).min(self.max_length.unwrap_or(usize::MAX));
        SAMPLE.chars().cycle().take(length).collect()
    }
}
