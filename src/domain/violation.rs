//! Contract violations of a request: location, code and a detail that says what was found and what is expected.

use std::borrow::Cow;

use crate::domain::text::truncate;

/// Maximum number of violations listed in a response; further ones are only counted.
pub const MAX_LISTED: usize = 32;

/// Declares each code once: variant, text, meaning.
macro_rules! violation_codes {
    ($($variant:ident, $text:literal, $meaning:literal;)*) => {
        /// The kind of a violation; the `code` of an entry in `errors`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum ViolationCode { $(#[doc = $meaning] $variant),* }

        impl ViolationCode {
            /// Every code, in the order of the documentation.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// The code as written in responses and metrics.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }

            /// What the code means, in one sentence.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }
        }
    };
}

violation_codes! {
    Missing, "missing", "A required member or feature is missing.";
    UnknownFeature, "unknown_feature", "A member or feature is not in the contract.";
    WrongType, "wrong_type", "The value does not have the JSON type that the contract requires.";
    NotInEnum, "not_in_enum", "The value is not one of those that the contract lists.";
    BelowMinimum, "below_minimum", "The number is below the allowed minimum.";
    AboveMaximum, "above_maximum", "The number is above the allowed maximum.";
    NotMultiple, "not_multiple", "The number is not a multiple of the contract's step.";
    TooShort, "too_short", "The string has fewer characters than allowed.";
    TooLong, "too_long", "The string has more characters than allowed.";
    PatternMismatch, "pattern_mismatch", "The string does not match the contract's pattern.";
    WrongLength, "wrong_length", "The array has too few or too many elements.";
    WrongShape, "wrong_shape", "The nested array is not rectangular, or has the wrong depth.";
    NotRepresentable, "not_representable", "The number does not fit the element type of the graph's tensor.";
    NullNotAllowed, "null_not_allowed", "The feature cannot be null.";
    Duplicate, "duplicate", "The same key appears twice in one object.";
    SchemaViolation, "schema_violation", "A JSON Schema keyword that only the full validation checks is violated.";
}

/// One contract violation of a request.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Violation {
    /// Location: a JSON Pointer (RFC 6901) into the body.
    pub pointer: String,
    /// The kind of the violation.
    #[serde(serialize_with = "code_text")]
    pub code: ViolationCode,
    /// Message: what was found and what is expected.
    pub detail: String,
    /// The contract's feature that is violated, for the metrics; never text from the client.
    #[serde(skip)]
    pub feature: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature is serde's")]
fn code_text<S: serde::Serializer>(code: &ViolationCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(code.as_str())
}

/// All violations of one request: the first [`MAX_LISTED`] in full, and the total count.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Violations {
    listed: Vec<Violation>,
    total: usize,
}

impl Violations {
    /// Adds a violation; it is listed if fewer than [`MAX_LISTED`] are.
    pub fn push(&mut self, violation: Violation) {
        self.total += 1;
        if self.listed.len() < MAX_LISTED {
            self.listed.push(violation);
        }
    }

    /// Whether the list is full: further violations are only counted, so their messages need not be built.
    pub fn is_full(&self) -> bool {
        self.listed.len() >= MAX_LISTED
    }

    /// Counts a violation without listing it.
    pub fn count(&mut self) {
        self.total += 1;
    }

    /// The listed violations, in the order they were found.
    pub fn first_n(&self) -> &[Violation] {
        &self.listed
    }

    /// The total number of violations, listed or not.
    pub fn total(&self) -> usize {
        self.total
    }

    /// Whether there are no violations.
    pub fn is_empty(&self) -> bool {
        self.total == 0
    }
}

/// Escapes a name as one JSON Pointer token: `~` becomes `~0`, `/` becomes `~1`.
pub fn escape_pointer(name: &str) -> Cow<'_, str> {
    if name.contains(['~', '/']) { Cow::Owned(name.replace('~', "~0").replace('/', "~1")) } else { Cow::Borrowed(name) }
}

/// Truncates and escapes a name from a request as one JSON Pointer token. Truncated because the client chooses its
/// length.
pub fn client_pointer_token(name: &str) -> String {
    escape_pointer(&truncate(name)).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_bounded_and_the_count_is_not() {
        let mut violations = Violations::default();
        for _ in 0..40 {
            violations.push(Violation {
                pointer: String::new(),
                code: ViolationCode::Missing,
                detail: String::new(),
                feature: None,
            });
        }
        assert_eq!((violations.first_n().len(), violations.total()), (MAX_LISTED, 40));
    }

    #[test]
    fn pointers_are_escaped_and_short() {
        assert_eq!(escape_pointer("a/b~c"), "a~1b~0c");
        assert_eq!(client_pointer_token("a/b~c"), "a~1b~0c");
        assert_eq!(client_pointer_token(&"/".repeat(5_000_000)).len(), 2 * crate::domain::text::MAX_QUOTED + "…".len());
    }
}
