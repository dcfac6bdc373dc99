//! Which regular expressions mean the same in ECMA-262 and in the `regex` crate; only those are followed in one pass.

/// The pattern for the `regex` crate, where it means the same there as in ECMA-262; `None` where it may not.
pub(super) fn plain_pattern(pattern: &str) -> Option<String> {
    let mut plain = String::with_capacity(pattern.len());
    let mut characters = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next()? {
                'd' => plain.push_str(if in_class { "0-9" } else { "[0-9]" }),
                'w' => plain.push_str(if in_class { "A-Za-z0-9_" } else { "[A-Za-z0-9_]" }),
                // In the regex crate `\<` and `\>` are the edges of a word.
                '<' | '>' => return None,
                escaped if escaped.is_ascii_punctuation() => plain.extend(['\\', escaped]),
                _ => return None,
            },
            // Nested classes and class arithmetic exist only in the regex crate.
            '[' | '&' | '~' if in_class => return None,
            '-' if in_class && characters.peek() == Some(&'-') => return None,
            // An empty class, a group with a flag, a count without a least: each means something else in ECMA-262.
            '[' if matches!(characters.peek(), Some(']' | '^')) => return None,
            '(' if characters.peek() == Some(&'?') => return None,
            '{' if characters.peek() == Some(&',') => return None,
            '.' if !in_class => return None,
            _ if !(' '..='~').contains(&character) => return None,
            _ => {
                in_class = (in_class || character == '[') && character != ']';
                plain.push(character);
            }
        }
    }
    Some(plain)
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;

    #[test]
    fn patterns_are_taken_only_where_both_languages_agree() {
        for good in ["^[A-Z]{2}\\d+$", "^a|b$", "x\\.y", "[\\w-]+", "^(ab)+$"] {
            assert!(plain_pattern(good).is_some_and(|plain| Regex::new(&plain).is_ok()), "{good}");
        }
        for other in
            ["(?=a)b", "\\p{L}+", "\\s", "a.b", "[[a]]", "é", "\\1", "\\u0041", "[a--b]", "[]a]", "a{,2}", "\\<a\\>"]
        {
            assert!(plain_pattern(other).is_none(), "{other}");
        }
    }
}
