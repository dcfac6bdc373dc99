//! Regular expressions: finds patterns that mean the same in ECMA-262 and in the `regex` crate, and matches in bounded
//! time.

use std::{
    fmt,
    panic::{RefUnwindSafe, UnwindSafe},
    sync::Arc,
};

use regex_automata::{
    Input,
    hybrid::dfa::{Cache, DFA},
    nfa::thompson::{self, WhichCaptures},
    util::pool::Pool,
};

/// A pattern cannot be used: why, and what to write instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PatternError(pub String);

impl From<String> for PatternError {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// The memory in bytes for the DFA states of one pattern, per thread that matches it concurrently. It also bounds the
/// time: a text that needs more states than fit is [`Undecided`]. On a slow machine the worst pattern takes about 6 ms
/// to fill it.
const STATES_BYTES: usize = 256 << 10;

/// The maximum size of a compiled pattern. It must be large enough for a counted repetition of a Unicode letter class.
const MAX_PROGRAM_BYTES: usize = 10 << 20;

/// A compiled pattern: a DFA whose states are built on demand, without backtracking. The time is linear in the length
/// of the text, and the cost of building states is limited.
#[derive(Clone)]
pub struct Pattern(Arc<Compiled>);

struct Compiled {
    text: String,
    dfa: DFA,
    caches: Pool<Cache, Box<dyn Fn() -> Cache + Send + Sync + UnwindSafe + RefUnwindSafe>>,
}

/// The search needs more DFA states than fit in the cache, so it was abandoned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Undecided;

impl Pattern {
    /// Compiles a pattern in the syntax of the `regex` crate.
    ///
    /// # Errors
    /// Returns a message if the pattern is invalid or too large.
    pub fn new(text: &str) -> Result<Self, PatternError> {
        let config = DFA::config()
            .cache_capacity(STATES_BYTES)
            .skip_cache_capacity_check(true)
            .minimum_cache_clear_count(Some(0))
            .unicode_word_boundary(true);
        let program =
            thompson::Config::new().which_captures(WhichCaptures::None).nfa_size_limit(Some(MAX_PROGRAM_BYTES));
        let dfa = DFA::builder().configure(config).thompson(program).build(text).map_err(|error| {
            let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
            let cause = causes.last().map_or_else(String::new, ToString::to_string);
            if cause.contains("exceeded limit") {
                format!("it is too large: its counted repetitions compile to more than {MAX_PROGRAM_BYTES} bytes")
            } else {
                cause
            }
        })?;
        let made = dfa.clone();
        let caches: Pool<Cache, Box<dyn Fn() -> Cache + Send + Sync + UnwindSafe + RefUnwindSafe>> =
            Pool::new(Box::new(move || made.create_cache()));
        Ok(Self(Arc::new(Compiled { text: text.to_owned(), dfa, caches })))
    }

    /// Whether any part of the text matches.
    ///
    /// # Errors
    /// Returns [`Undecided`] if the search exceeds the memory for its states.
    pub fn is_match(&self, text: &str) -> Result<bool, Undecided> {
        let Compiled { dfa, caches, .. } = &*self.0;
        let mut cache = caches.get();
        let input = Input::new(text).earliest(true);
        if let Ok(found) = dfa.try_search_fwd(&mut cache, &input) {
            return Ok(found.is_some());
        }
        // States of earlier texts may have filled the cache, so retry with an empty one.
        cache.reset(dfa);
        dfa.try_search_fwd(&mut cache, &input).map(|found| found.is_some()).map_err(|_| Undecided)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Pattern({:?})", self.0.text)
    }
}

/// Returns why the matching time of a pattern cannot be bounded and what to write instead, or `None` if it can be
/// bounded.
pub fn unbounded(pattern: &str) -> Option<&'static str> {
    const LOOK_AROUND: &str = "look-around needs backtracking, whose time is unbounded; write each condition as a \
                               separate pattern: {\"allOf\": [{\"pattern\": …}, {\"not\": {\"pattern\": …}}]}";
    const BACK_REFERENCE: &str = "a back-reference needs backtracking, whose time is unbounded, and no other keyword \
                                  compares parts of a string; check this before sending the request";
    let mut rest = pattern;
    let mut in_class = false;
    while let Some(character) = rest.chars().next() {
        let after = &rest[character.len_utf8()..];
        rest = after;
        match character {
            '\\' => {
                let escaped = after.chars().next()?;
                if !in_class && (('1'..='9').contains(&escaped) || after.starts_with("k<")) {
                    return Some(BACK_REFERENCE);
                }
                rest = &after[escaped.len_utf8()..];
            }
            '[' => in_class = true,
            ']' => in_class = false,
            '(' if !in_class && ["?=", "?!", "?<=", "?<!"].iter().any(|kind| after.starts_with(kind)) => {
                return Some(LOOK_AROUND);
            }
            _ => {}
        }
    }
    None
}

/// Returns the pattern in the syntax of the `regex` crate if it means the same there as in ECMA-262, else `None`.
pub(in crate::domain::contract) fn portable_regex(pattern: &str) -> Option<String> {
    let mut plain = String::with_capacity(pattern.len());
    let mut characters = pattern.chars().peekable();
    let mut in_class = false;
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next()? {
                'd' => plain.push_str(if in_class { "0-9" } else { "[0-9]" }),
                'w' => plain.push_str(if in_class { "A-Za-z0-9_" } else { "[A-Za-z0-9_]" }),
                // In the regex crate `\<` and `\>` match the start and the end of a word.
                '<' | '>' => return None,
                escaped if escaped.is_ascii_punctuation() => plain.extend(['\\', escaped]),
                _ => return None,
            },
            // Nested classes and class arithmetic exist only in the regex crate.
            '[' | '&' | '~' if in_class => return None,
            '-' if in_class && characters.peek() == Some(&'-') => return None,
            // An empty or negated class, a group with a flag or a count without a minimum may mean something else in
            // ECMA-262.
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
    use super::*;
    use crate::domain::random::SplitMix64;

    #[test]
    fn patterns_are_taken_only_where_both_languages_agree() {
        for good in ["^[A-Z]{2}\\d+$", "^a|b$", "x\\.y", "[\\w-]+", "^(ab)+$"] {
            assert!(portable_regex(good).is_some_and(|plain| Pattern::new(&plain).is_ok()), "{good}");
        }
        for other in
            ["(?=a)b", "\\p{L}+", "\\s", "a.b", "[[a]]", "é", "\\1", "\\u0041", "[a--b]", "[]a]", "a{,2}", "\\<a\\>"]
        {
            assert!(portable_regex(other).is_none(), "{other}");
        }
    }

    #[test]
    fn patterns_that_backtrack_are_named() {
        for pattern in ["(?=a)b", "^(?!x)", "(?<=a)b", "a(?<!b)", "[(](?=a)", "(?<n>a)\\k<n>", "(a)\\1"] {
            assert!(unbounded(pattern).is_some(), "{pattern}");
        }
        for pattern in ["[(?=]", "\\(?=a", "(?<name>a)", "(?:a)", "[\\1]", "\\\\1", "\\d", "\\[(?:a)", "a\\"] {
            assert!(unbounded(pattern).is_none(), "{pattern}");
        }
    }

    #[test]
    fn matching_finds_what_the_regex_crate_finds() {
        let texts = ["", "a", "ab", "AB12", "x.y", "Straße 7", "日本", "aaa\n", "x-y_z", "001101"];
        for pattern in
            ["", "^a", "b$", "^[A-Z]{2}[0-9]+$", "^\\p{L}+", "\\s", "^$", "[01]*1[01]{3}$", "(?:a?){3}a{3}", "-|_"]
        {
            let (ours, theirs) =
                (Pattern::new(pattern).expect("a pattern"), regex::Regex::new(pattern).expect("a pattern"));
            for text in texts {
                assert_eq!(ours.is_match(text), Ok(theirs.is_match(text)), "{pattern} {text:?}");
            }
        }
    }

    #[test]
    fn a_pattern_gives_up_where_its_states_multiply_and_recovers() {
        let pattern = Pattern::new("[01]*1[01]{1000}[ax].b?").expect("a pattern");
        let mut random = SplitMix64::new(1);
        let mut bit = || if random.next_below(2) == 1 { '1' } else { '0' };
        let long: String = std::iter::repeat_with(&mut bit).take(1_000_000).collect();
        assert_eq!(pattern.is_match(&long), Err(Undecided));
        let short = format!("1{}x.", "0".repeat(1000));
        assert_eq!((pattern.is_match(&short), pattern.is_match("0")), (Ok(true), Ok(false)));
    }
}
