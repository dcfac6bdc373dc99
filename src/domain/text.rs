//! Texts for messages: quoted, truncated, with a suggestion for a misspelt name.

use std::borrow::Cow;

/// Maximum number of characters of a request value quoted in a message.
pub const MAX_QUOTED: usize = 64;

/// Truncates a text from a request to [`MAX_QUOTED`] characters; a cut is marked with `…`.
pub fn truncate(text: &str) -> Cow<'_, str> {
    match text.char_indices().nth(MAX_QUOTED) {
        Some((end, _)) => Cow::Owned(format!("{}…", &text[..end])),
        None => Cow::Borrowed(text),
    }
}

/// Quotes a text from a request: control characters escaped, truncated to [`MAX_QUOTED`] characters.
pub fn quote(text: &str) -> String {
    format!("{:?}", truncate(text))
}

/// Returns `; did you mean …?` if a known name is similar, else an empty string.
pub fn did_you_mean<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    let length = name.chars().count();
    known
        .into_iter()
        // Check the lengths first: the distance takes time proportional to their product, and a request may contain a
        // very long name.
        .filter(|candidate| length.abs_diff(candidate.chars().count()) <= max_edit_distance(candidate))
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= max_edit_distance(candidate))
        .min()
        .map_or_else(String::new, |(_, candidate)| format!("; did you mean {candidate:?}?"))
}

/// The maximum edit distance at which a name still counts as a typo.
fn max_edit_distance(candidate: &str) -> usize {
    1 + candidate.len() / 4
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_short_and_safe() {
        assert_eq!(quote("a\"b\n"), r#""a\"b\n""#);
        assert_eq!(quote(&"é".repeat(100)).chars().count(), MAX_QUOTED + 3);
    }

    #[test]
    fn a_misspelt_name_is_recognised() {
        let known = ["tenure_months", "plan"];
        assert_eq!(did_you_mean("tenure_month", known), "; did you mean \"tenure_months\"?");
        assert_eq!(did_you_mean("plna", known), "; did you mean \"plan\"?");
        assert_eq!(did_you_mean("colour", known), "");
        assert_eq!(did_you_mean(&"x".repeat(1_000_000), known), "");
    }
}
