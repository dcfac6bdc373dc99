//! One cell: missing, a text without a type as CSV has it, or a typed value.

use crate::domain::{contract::JsonValue, number::Number};

/// One cell of a row.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// There is no value.
    Missing,
    /// What is written in a file that knows no types.
    Untyped(String),
    /// A value of a file that knows types: never null.
    Value(JsonValue),
    /// Something that no request could hold, in words: an infinite number, bytes that are no text.
    Unsupported(&'static str),
}

/// What a written text can be read as.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum ParsedText {
    /// A whole number, written without a point or an exponent.
    Integer(Number),
    /// Another finite number.
    Number(Number),
    /// `true` or `false`, in any case.
    Boolean(bool),
    /// `inf`, or a number beyond a double.
    Infinite,
    /// None of these.
    Text,
}

impl ParsedText {
    /// Reads a text; blanks around it count for nothing.
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
    /// The cell in words, for messages and as the name of a class; short whatever it holds.
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
