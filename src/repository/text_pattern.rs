//! The keyword `pattern` in full validation: matches ECMA-262 patterns in bounded time. Replaces the implementation of
//! the `jsonschema` crate, which backtracks.

use std::cell::Cell;

use jsonschema::{Keyword, ValidationError};
use serde_json::Value;

use crate::domain::{
    contract::{Pattern, Undecided, unbounded},
    text::quote,
};

/// A pattern cannot be used: why, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub(super) struct TextPatternError(pub(super) String);

impl From<String> for TextPatternError {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// The message for a text whose match is undecided within the step limit.
pub(super) const UNDECIDED: &str = "takes too many steps to match against its pattern";

thread_local! {
    /// Whether a match was undecided on this thread. A keyword can only return valid or invalid, and inside `not`
    /// either result may admit the text.
    static WAS_UNDECIDED: Cell<bool> = const { Cell::new(false) };
}

/// Runs work that may match texts. Returns its result, and whether a match was undecided.
pub(super) fn watched<T>(work: impl FnOnce() -> T) -> (T, bool) {
    WAS_UNDECIDED.set(false);
    let done = work();
    (done, WAS_UNDECIDED.take())
}

/// A compiled pattern of a schema.
pub(super) struct TextPattern {
    pattern: Pattern,
    written: String,
}

impl TextPattern {
    /// Compiles an ECMA-262 pattern.
    ///
    /// # Errors
    /// Returns why the pattern cannot be used and what to write instead, in words.
    pub(super) fn new(written: &str) -> Result<Self, TextPatternError> {
        if let Some(reason) = unbounded(written) {
            return Err(format!("{written:?} cannot be used: {reason}").into());
        }
        let translated = jsonschema_regex::to_rust_regex(&with_ascii_boundaries(written))
            .map_err(|()| format!("{written:?} is not a valid ECMA-262 regular expression"))?
            .into_owned();
        let pattern = Pattern::new(&translated).map_err(|error| format!("{written:?} cannot be used: {error}"))?;
        Ok(Self { pattern, written: written.to_owned() })
    }

    /// Builds the keyword from its value, for the `jsonschema` crate.
    pub(super) fn keyword(value: &Value) -> Result<Box<dyn for<'i> Keyword<'i>>, ValidationError<'_>> {
        let text = value.as_str().ok_or_else(|| ValidationError::custom("a pattern must be a string"))?;
        Self::new(text).map(|made| Box::new(made) as _).map_err(|error| ValidationError::custom(error.to_string()))
    }

    fn matches(&self, text: &str) -> Result<bool, Undecided> {
        let found = self.pattern.is_match(text);
        if found.is_err() {
            WAS_UNDECIDED.set(true);
        }
        found
    }
}

impl<'i> Keyword<'i> for TextPattern {
    fn validate(&self, instance: &'i Value) -> Result<(), ValidationError<'i>> {
        let Some(text) = instance.as_str() else { return Ok(()) };
        match self.matches(text) {
            Ok(true) => Ok(()),
            Ok(false) => {
                Err(ValidationError::custom(format!("{} does not match the pattern {:?}", quote(text), self.written)))
            }
            Err(Undecided) => Err(ValidationError::custom(format!("{} {UNDECIDED}: {:?}", quote(text), self.written))),
        }
    }

    fn is_valid(&self, instance: &'i Value) -> bool {
        instance.as_str().is_none_or(|text| self.matches(text) == Ok(true))
    }
}

/// Translates `\b` as in ECMA-262: a backspace inside a class, otherwise an ASCII word boundary. (A DFA reads single
/// bytes, so it cannot detect Unicode word boundaries.)
fn with_ascii_boundaries(pattern: &str) -> String {
    let mut made = String::with_capacity(pattern.len());
    let mut characters = pattern.chars();
    let mut in_class = false;
    while let Some(character) = characters.next() {
        if character == '\\' {
            match characters.next() {
                Some('b') if in_class => made.push_str("\\x08"),
                Some('b') => made.push_str("(?-u:\\b)"),
                escaped => made.extend(std::iter::once('\\').chain(escaped)),
            }
        } else {
            in_class = (in_class || character == '[') && character != ']';
            made.push(character);
        }
    }
    made
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_ecma_262() {
        let cases = [
            (r"^\d+$", "12", true),
            (r"^\d+$", "\u{0663}", false),
            (r"\bcat\b", "a cat ß", true),
            (r"\bcat\b", "éxcat", false),
            (r"^\p{L}+$", "Straße", true),
            (r"^.$", "日", true),
            (r"^[\b]$", "\u{8}", true),
        ];
        for (pattern, text, expected) in cases {
            let pattern = TextPattern::new(pattern).expect("a pattern");
            assert_eq!(pattern.matches(text), Ok(expected), "{} {text:?}", pattern.written);
        }
    }

    #[test]
    fn a_pattern_that_cannot_be_used_says_what_to_write() {
        let cases = [
            ("^(?=.*a)b", "write each condition as a separate pattern"),
            (r"(a)\1", "no other keyword compares parts"),
            ("a{,", "is not a valid ECMA-262 regular expression"),
            ("(a", "is not a valid ECMA-262 regular expression"),
            (r"(\p{L}{1,1000}){1000}", "too large: its counted repetitions"),
        ];
        for (pattern, expected) in cases {
            let error = TextPattern::new(pattern).err().expect("refused").0;
            assert!(error.contains(expected), "{pattern}: {error}");
        }
    }
}
