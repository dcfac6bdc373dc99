//! An instance that a contract admits, for documentation, start-up messages and warm-up.

use super::{Contract, Feature, Literal, choices::Choices, rule::Types};
use crate::domain::number::Number;

/// The length of an example's array where the contract leaves it open.
const OPEN_LENGTH: usize = 4;

impl Contract {
    /// An instance as `features` by name: each feature's default, first choice, or a number within its bounds. Where a
    /// `pattern` stands alone, the text keeps its lengths only.
    pub fn example(&self) -> Literal {
        Literal::Object(self.features.iter().map(|feature| (feature.name.clone(), feature.example())).collect())
    }
}

impl Feature {
    fn example(&self) -> Literal {
        if let Some(default) = self.default.clone().filter(|value| *value != Literal::Null) {
            return default;
        }
        self.dimensions.iter().rev().fold(self.scalar(), |items, dimension| {
            let most = dimension.max.unwrap_or(usize::MAX);
            let length = if most == dimension.min { most } else { OPEN_LENGTH.clamp(dimension.min, most) };
            Literal::List(vec![items; length])
        })
    }

    fn scalar(&self) -> Literal {
        let mut choices = self.rule.choices.iter().flat_map(Choices::literals);
        if let Some(choice) = choices.find(|choice| **choice != Literal::Null && self.rule.admits(choice)) {
            return choice.clone();
        }
        let types = self.rule.types;
        if types.has(Types::NUMBER.with(Types::INTEGER)) {
            let usual = self.expected.as_ref().and_then(|expected| Some((expected.minimum?, expected.maximum?)));
            return usual
                .map(|(low, high)| Literal::Number(between(low, high)))
                .filter(|middle| self.rule.admits(middle))
                .unwrap_or_else(|| Literal::Number(self.rule.sample_number()));
        }
        if types.has(Types::BOOLEAN) { Literal::Bool(false) } else { Literal::Text(self.rule.sample_text()) }
    }
}

/// The middle of a range, whole where the range is wide enough for a whole number.
fn between(low: Number, high: Number) -> Number {
    let middle = f64::midpoint(low.as_f64(), high.as_f64());
    let whole = middle.round();
    if whole >= low.as_f64() && whole <= high.as_f64() && whole.abs() < 1e15 {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
        return Number::from(whole as i64);
    }
    Number::from(middle)
}
