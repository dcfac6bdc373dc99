//! Which value keeps a caller with its version: `sticky_by` in model.toml.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, de};

/// What a caller is recognised by.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum StickyBy {
    /// The entity id of the request. A request without one is assigned by its request id.
    #[default]
    EntityId,
    /// The request id: each request is assigned anew.
    Request,
    /// The value of this request header, in lower case. A request without it is assigned by its request id.
    Header(String),
}

/// The text is none of the three forms.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(r#"must be "entity_id", "request", or "header:" and the name of a header, as in "header:x-user-id"; found {found:?}"#)]
pub struct StickyByError {
    /// The rejected text, truncated.
    pub found: String,
}

/// Longer texts are not quoted in full.
const MAX_QUOTED: usize = 64;

/// Whether the character may be in the name of a header: `tchar` of RFC 9110, section 5.6.2.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

impl FromStr for StickyBy {
    type Err = StickyByError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "entity_id" => return Ok(Self::EntityId),
            "request" => return Ok(Self::Request),
            _ => {}
        }
        let name = text.strip_prefix("header:").filter(|name| !name.is_empty() && name.bytes().all(is_token));
        name.map(|name| Self::Header(name.to_ascii_lowercase()))
            .ok_or_else(|| StickyByError { found: text.chars().take(MAX_QUOTED).collect() })
    }
}

impl fmt::Display for StickyBy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EntityId => formatter.write_str("entity_id"),
            Self::Request => formatter.write_str("request"),
            Self::Header(name) => write!(formatter, "header:{name}"),
        }
    }
}

impl<'de> Deserialize<'de> for StickyBy {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_forms_are_read_and_written() {
        for (text, expected) in [
            ("entity_id", StickyBy::EntityId),
            ("request", StickyBy::Request),
            ("header:x-user-id", StickyBy::Header("x-user-id".to_owned())),
        ] {
            assert_eq!(text.parse(), Ok(expected.clone()));
            assert_eq!(expected.to_string(), text);
        }
        assert_eq!("header:X-User-Id".parse(), Ok(StickyBy::Header("x-user-id".to_owned())));
    }

    #[test]
    fn other_texts_are_refused_with_the_three_forms() {
        for text in ["", "user", "header", "header:", "header:a b", "header:ü", "Header:x", &"x".repeat(1000)] {
            let error = text.parse::<StickyBy>().expect_err(text).to_string();
            for form in ["\"entity_id\"", "\"request\"", "\"header:\"", "found"] {
                assert!(error.contains(form) && error.len() < 220, "{error}");
            }
        }
    }
}
