//! A table cell: missing, untyped text (as in CSV), or a typed value.

use crate::domain::{json::JsonValue, number::Number};

/// One cell of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// No value.
    Missing,
    /// The text of a cell in an untyped format.
    Untyped(String),
    /// A value in a typed format; never null.
    Value(JsonValue),
    /// A description of a value that no request can hold: an infinite number, or bytes that are not UTF-8.
    Unsupported(&'static str),
}

/// The type that the text of a cell parses as.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ParsedText {
    /// An integer, written without a decimal point or exponent.
    Integer(Number),
    /// Any other finite number.
    Number(Number),
    /// `true` or `false`, in any case.
    Boolean(bool),
    /// `inf`, or a number outside the range of `f64`.
    Infinite,
    /// Anything else.
    Text,
}

impl ParsedText {
    /// Parses a text; surrounding whitespace is ignored.
    pub fn read(text: &str) -> Self {
        let text = text.trim();
        if let Ok(value) = text.parse::<u64>() {
            return Self::Integer(Number::from(value));
        }
        if let Ok(value) = text.parse::<i64>() {
            return Self::Integer(Number::from(value));
        }
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => Self::Number(Number::from(value)),
            Ok(value) if value.is_infinite() => Self::Infinite,
            _ if text.eq_ignore_ascii_case("true") => Self::Boolean(true),
            _ if text.eq_ignore_ascii_case("false") => Self::Boolean(false),
            _ => Self::Text,
        }
    }
}

impl Cell {
    /// Returns the cell as text, for messages and class names; truncated to 60 characters.
    pub fn text(&self) -> String {
        const MAX_CHARS: usize = 60;
        let text = match self {
            Self::Missing => String::new(),
            Self::Untyped(text) => text.trim().to_owned(),
            Self::Value(value) => value.to_string(),
            Self::Unsupported(what) => (*what).to_owned(),
        };
        match text.char_indices().nth(MAX_CHARS) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text,
        }
    }
}

/// Converts a number of a typed format; NaN is a missing value.
pub(super) fn float(value: f64) -> Result<JsonValue, &'static str> {
    if value.is_nan() {
        Ok(JsonValue::Null)
    } else if value.is_infinite() {
        Err("an infinite number")
    } else {
        Ok(JsonValue::Number(Number::from(value)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_what_they_look_like() {
        let cases = [
            ("7", ParsedText::Integer(Number::from(7_u64))),
            (" -7 ", ParsedText::Integer(Number::from(-7_i64))),
            ("18446744073709551615", ParsedText::Integer(Number::from(u64::MAX))),
            ("7.0", ParsedText::Number(Number::from(7.0))),
            ("1e3", ParsedText::Number(Number::from(1000.0))),
            ("1e999", ParsedText::Infinite),
            ("-Infinity", ParsedText::Infinite),
            ("TRUE", ParsedText::Boolean(true)),
            ("False", ParsedText::Boolean(false)),
            ("yes", ParsedText::Text),
            ("0x10", ParsedText::Text),
            ("1,5", ParsedText::Text),
        ];
        for (text, expected) in cases {
            assert_eq!(ParsedText::read(text), expected, "{text}");
        }
    }
}
