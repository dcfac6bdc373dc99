//! Reads a contract's JSON with types, and collects every problem with its place instead of stopping at the first.

use super::literal::Literal;
use crate::domain::{number::Number, violation::pointer_step};

/// Something in a contract that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Where: a JSON Pointer into contract.json.
    pub pointer: String,
    /// What was found and what would be right.
    pub detail: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = if self.pointer.is_empty() { "/" } else { &self.pointer };
        write!(formatter, "{place}: {}", self.detail)
    }
}

/// One object of the contract, and where it stands.
#[derive(Debug, Clone)]
pub(super) struct Node<'a> {
    pub(super) value: &'a Literal,
    pub(super) pointer: String,
}

impl<'a> Node<'a> {
    pub(super) fn root(value: &'a Literal) -> Self {
        Self { value, pointer: String::new() }
    }

    pub(super) fn child(&self, key: &str) -> Option<Self> {
        self.value.get(key).map(|value| Self { value, pointer: self.place(key) })
    }

    pub(super) fn place(&self, key: &str) -> String {
        format!("{}/{}", self.pointer, pointer_step(key))
    }

    pub(super) fn problem(&self, problems: &mut Vec<Problem>, detail: impl Into<String>) {
        problems.push(Problem { pointer: self.pointer.clone(), detail: detail.into() });
    }

    fn expected(&self, problems: &mut Vec<Problem>, wanted: &str) {
        self.problem(problems, format!("must be {wanted}, found {}: {}", self.value.kind(), self.value));
    }

    pub(super) fn members(&self) -> &'a [(String, Literal)] {
        match self.value {
            Literal::Object(members) => members,
            _ => &[],
        }
    }

    /// The members of the object at `key`, each as a node.
    pub(super) fn object(&self, key: &str, problems: &mut Vec<Problem>) -> Option<Vec<(&'a str, Self)>> {
        let node = self.child(key)?;
        if !matches!(node.value, Literal::Object(_)) {
            node.expected(problems, "an object");
            return None;
        }
        let children =
            node.members().iter().map(|(name, value)| (name.as_str(), Self { value, pointer: node.place(name) }));
        Some(children.collect())
    }

    /// The items of the array at `key`, each as a node.
    pub(super) fn list(&self, key: &str, problems: &mut Vec<Problem>) -> Option<Vec<Self>> {
        let node = self.child(key)?;
        let Literal::List(items) = node.value else {
            node.expected(problems, "an array");
            return None;
        };
        let children =
            items.iter().enumerate().map(|(index, value)| Self { value, pointer: node.place(&index.to_string()) });
        Some(children.collect())
    }

    pub(super) fn text(&self, key: &str, problems: &mut Vec<Problem>) -> Option<&'a str> {
        let node = self.child(key)?;
        let text = node.as_text();
        if text.is_none() {
            node.expected(problems, "a string");
        }
        text
    }

    pub(super) fn as_text(&self) -> Option<&'a str> {
        match self.value {
            Literal::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(super) fn texts(&self, key: &str, problems: &mut Vec<Problem>) -> Option<Vec<&'a str>> {
        let mut texts = Vec::new();
        for item in self.list(key, problems)? {
            match item.as_text() {
                Some(text) => texts.push(text),
                None => item.expected(problems, "a string"),
            }
        }
        Some(texts)
    }

    pub(super) fn number(&self, key: &str, problems: &mut Vec<Problem>) -> Option<Number> {
        let node = self.child(key)?;
        if let Literal::Number(number) = node.value {
            return Some(*number);
        }
        node.expected(problems, "a number");
        None
    }

    pub(super) fn count(&self, key: &str, problems: &mut Vec<Problem>) -> Option<usize> {
        let node = self.child(key)?;
        if let Literal::Number(number) = node.value
            && let Some(count) = number.as_whole().and_then(|whole| usize::try_from(whole).ok())
        {
            return Some(count);
        }
        node.expected(problems, "a whole number, zero or above");
        None
    }

    pub(super) fn flag(&self, key: &str, problems: &mut Vec<Problem>) -> Option<bool> {
        let node = self.child(key)?;
        if let Literal::Bool(flag) = node.value {
            return Some(*flag);
        }
        node.expected(problems, "true or false");
        None
    }

    /// Reports members whose names are among `refused`, and why.
    pub(super) fn without(&self, refused: &[&str], why: &str, problems: &mut Vec<Problem>) {
        for (name, _) in self.members().iter().filter(|(name, _)| refused.contains(&name.as_str())) {
            problems.push(Problem { pointer: self.place(name), detail: format!("{name:?} {why}") });
        }
    }

    /// Reports members whose names are none of `known`.
    pub(super) fn only(&self, known: &[&str], problems: &mut Vec<Problem>) {
        for (name, _) in self.members() {
            if !known.contains(&name.as_str()) {
                let detail = format!("unknown member{}", nearest(name, known.iter().copied()));
                problems.push(Problem { pointer: self.place(name), detail });
            }
        }
    }
}

/// `; did you mean …?` where one of the known names is close, else nothing.
pub fn nearest<'n>(name: &str, known: impl IntoIterator<Item = &'n str>) -> String {
    let length = name.chars().count();
    known
        .into_iter()
        // The distance costs the product of the lengths, and a request may send a very long name.
        .filter(|candidate| length.abs_diff(candidate.chars().count()) <= farthest(candidate))
        .map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= farthest(candidate))
        .min()
        .map_or_else(String::new, |(_, candidate)| format!("; did you mean {candidate:?}?"))
}

/// The greatest distance at which a name is still taken for a slip of the pen.
fn farthest(candidate: &str) -> usize {
    1 + candidate.len() / 4
}
