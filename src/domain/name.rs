//! Validated names of models and versions, and the ordering of versions.

use std::{cmp::Ordering, fmt, sync::Arc};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// Maximum length of a model or version name, in bytes.
pub const MAX_NAME_LENGTH: usize = 64;

/// The text is not a valid name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{found:?} is not a name: use 1 to {MAX_NAME_LENGTH} of the characters A-Z a-z 0-9 . _ -, not starting with \
     a dot"
)]
pub struct InvalidName {
    /// The rejected text, truncated to the allowed length.
    pub found: String,
}

fn parse(text: &str) -> Result<Arc<str>, InvalidName> {
    let fits = (1..=MAX_NAME_LENGTH).contains(&text.len()) && !text.starts_with('.');
    if fits && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte)) {
        Ok(Arc::from(text))
    } else {
        Err(InvalidName { found: text.chars().take(MAX_NAME_LENGTH).collect() })
    }
}

/// The name of a model, as used in URLs and metrics.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelName(Arc<str>);

/// The name of a model version. All-digit names compare as numbers, others as strings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct VersionName(Arc<str>);

impl ModelName {
    /// Validates a name.
    ///
    /// # Errors
    /// Returns [`InvalidName`] if the text has invalid characters, starts with a dot, or is empty or too long.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        parse(text).map(Self)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl VersionName {
    /// Validates a name.
    ///
    /// # Errors
    /// Returns [`InvalidName`] if the text has invalid characters, starts with a dot, or is empty or too long.
    pub fn new(text: &str) -> Result<Self, InvalidName> {
        parse(text).map(Self)
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    fn is_number(&self) -> bool {
        self.0.bytes().all(|byte| byte.is_ascii_digit())
    }
}

impl std::borrow::Borrow<str> for ModelName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ModelName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Display for VersionName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl Serialize for VersionName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for VersionName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::new(&String::deserialize(deserializer)?).map_err(D::Error::custom)
    }
}

impl Ord for VersionName {
    fn cmp(&self, other: &Self) -> Ordering {
        if self.is_number() && other.is_number() {
            let (left, right) = (self.0.trim_start_matches('0'), other.0.trim_start_matches('0'));
            // Without leading zeros the longer number is the larger, at any size.
            (left.len(), left, &self.0).cmp(&(right.len(), right, &other.0))
        } else {
            // All-digit names sort before all others, which keeps the order total and "10" below "2026-01-01".
            (!self.is_number(), &self.0).cmp(&(!other.is_number(), &other.0))
        }
    }
}

impl PartialOrd for VersionName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_checked() {
        for good in ["a", "churn", "2026-03-01", "A.b_c-9", &"x".repeat(64)] {
            assert!(ModelName::new(good).is_ok(), "{good}");
        }
        for bad in ["", ".", "..", ".git", "a/b", "a b", "ä", &"x".repeat(65)] {
            assert!(ModelName::new(bad).is_err(), "{bad}");
            assert!(VersionName::new(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn versions_are_ordered_as_numbers_then_as_text() {
        let ordered = ["1", "2", "10", "0010", "99999999999999999999999", "2026-01-01", "2026-03-01", "v1"];
        let names: Vec<_> = ordered.iter().map(|text| VersionName::new(text).expect("a good name")).collect();
        let mut sorted = names.clone();
        sorted.reverse();
        sorted.sort();
        assert_eq!(sorted[0].as_str(), "1");
        assert_eq!(sorted.last().map(VersionName::as_str), Some("v1"));
        assert!(names.windows(2).all(|pair| pair[0].cmp(&pair[1]) != Ordering::Greater || pair[1].as_str() == "0010"));
    }
}
