//! The values that `enum` and `const` admit, prepared for lookup.

use crate::domain::{json::JsonValue, number::Number};

/// The values that `enum` or `const` admits, sorted for binary search.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::domain::contract) struct EnumValues {
    listed: Vec<JsonValue>,
    texts: Vec<String>,
    numbers: Vec<Number>,
}

impl EnumValues {
    pub(in crate::domain::contract) fn new(listed: &[JsonValue]) -> Self {
        let mut choices = Self { listed: listed.to_vec(), ..Self::default() };
        for value in listed {
            match value {
                JsonValue::Text(text) => choices.texts.push(text.clone()),
                JsonValue::Number(number) => choices.numbers.push(*number),
                _ => {}
            }
        }
        choices.texts.sort();
        choices.numbers.sort_by(|left, right| left.compare(*right));
        choices
    }

    pub(in crate::domain::contract) fn has_text(&self, text: &str) -> bool {
        self.texts.binary_search_by(|choice| choice.as_str().cmp(text)).is_ok()
    }

    pub(in crate::domain::contract) fn has_number(&self, number: Number) -> bool {
        self.numbers.binary_search_by(|choice| choice.compare(number)).is_ok()
    }

    pub(in crate::domain::contract) fn has_bool(&self, value: bool) -> bool {
        self.listed.contains(&JsonValue::Bool(value))
    }

    pub(in crate::domain::contract) fn has_null(&self) -> bool {
        self.listed.contains(&JsonValue::Null)
    }

    pub(in crate::domain::contract) fn literals(&self) -> &[JsonValue] {
        &self.listed
    }

    /// Describes the values, such as `must be one of basic, plus, business`. Shows at most 12 of them.
    pub(in crate::domain::contract) fn describe(&self) -> String {
        const MAX_SHOWN: usize = 12;
        let shown: Vec<String> = self.listed.iter().take(MAX_SHOWN).map(ToString::to_string).collect();
        let rest = self.listed.len().saturating_sub(MAX_SHOWN);
        match (self.listed.len(), rest) {
            (1, _) => format!("must be {}", shown[0]),
            (_, 0) => format!("must be one of {}", shown.join(", ")),
            _ => format!("must be one of {} and {rest} others", shown.join(", ")),
        }
    }
}
