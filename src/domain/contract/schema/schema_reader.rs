//! Reads typed members of a contract's JSON. Collects every problem with its location instead of stopping at the first.

use crate::domain::{json::JsonValue, number::Number, text::did_you_mean, violation::escape_pointer};

/// A problem in a contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContractProblem {
    /// The location, as a JSON Pointer into contract.json.
    pub pointer: String,
    /// What was found and what was expected.
    pub detail: String,
}

impl std::fmt::Display for ContractProblem {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let place = if self.pointer.is_empty() { "/" } else { &self.pointer };
        write!(formatter, "{place}: {}", self.detail)
    }
}

/// A value in the contract, and its location.
#[derive(Debug, Clone)]
pub(in crate::domain::contract) struct SchemaNode<'a> {
    pub(in crate::domain::contract) value: &'a JsonValue,
    pub(in crate::domain::contract) pointer: String,
}

impl<'a> SchemaNode<'a> {
    pub(in crate::domain::contract) fn root(value: &'a JsonValue) -> Self {
        Self { value, pointer: String::new() }
    }

    pub(in crate::domain::contract) fn child(&self, key: &str) -> Option<Self> {
        self.value.get(key).map(|value| Self { value, pointer: self.pointer_to(key) })
    }

    pub(in crate::domain::contract) fn pointer_to(&self, key: &str) -> String {
        format!("{}/{}", self.pointer, escape_pointer(key))
    }

    pub(in crate::domain::contract) fn problem(&self, problems: &mut Vec<ContractProblem>, detail: impl Into<String>) {
        problems.push(ContractProblem { pointer: self.pointer.clone(), detail: detail.into() });
    }

    fn expected(&self, problems: &mut Vec<ContractProblem>, wanted: &str) {
        self.problem(problems, format!("must be {wanted}, found {}: {}", self.value.kind(), self.value));
    }

    pub(in crate::domain::contract) fn members(&self) -> &'a [(String, JsonValue)] {
        match self.value {
            JsonValue::Object(members) => members,
            _ => &[],
        }
    }

    /// Returns the members of the object at `key`, each as a node.
    pub(in crate::domain::contract) fn object(
        &self,
        key: &str,
        problems: &mut Vec<ContractProblem>,
    ) -> Option<Vec<(&'a str, Self)>> {
        let node = self.child(key)?;
        if !matches!(node.value, JsonValue::Object(_)) {
            node.expected(problems, "an object");
            return None;
        }
        let children =
            node.members().iter().map(|(name, value)| (name.as_str(), Self { value, pointer: node.pointer_to(name) }));
        Some(children.collect())
    }

    /// Returns the items of the array at `key`, each as a node.
    pub(in crate::domain::contract) fn list(
        &self,
        key: &str,
        problems: &mut Vec<ContractProblem>,
    ) -> Option<Vec<Self>> {
        let node = self.child(key)?;
        let JsonValue::List(items) = node.value else {
            node.expected(problems, "an array");
            return None;
        };
        let children =
            items.iter().enumerate().map(|(index, value)| Self { value, pointer: node.pointer_to(&index.to_string()) });
        Some(children.collect())
    }

    pub(in crate::domain::contract) fn text(&self, key: &str, problems: &mut Vec<ContractProblem>) -> Option<&'a str> {
        let node = self.child(key)?;
        let text = node.as_text();
        if text.is_none() {
            node.expected(problems, "a string");
        }
        text
    }

    pub(in crate::domain::contract) fn as_text(&self) -> Option<&'a str> {
        match self.value {
            JsonValue::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(in crate::domain::contract) fn texts(
        &self,
        key: &str,
        problems: &mut Vec<ContractProblem>,
    ) -> Option<Vec<&'a str>> {
        let mut texts = Vec::new();
        for item in self.list(key, problems)? {
            match item.as_text() {
                Some(text) => texts.push(text),
                None => item.expected(problems, "a string"),
            }
        }
        Some(texts)
    }

    pub(in crate::domain::contract) fn number(&self, key: &str, problems: &mut Vec<ContractProblem>) -> Option<Number> {
        let node = self.child(key)?;
        if let JsonValue::Number(number) = node.value {
            return Some(*number);
        }
        node.expected(problems, "a number");
        None
    }

    pub(in crate::domain::contract) fn count(&self, key: &str, problems: &mut Vec<ContractProblem>) -> Option<usize> {
        let node = self.child(key)?;
        if let JsonValue::Number(number) = node.value
            && let Some(count) = number.as_whole().and_then(|whole| usize::try_from(whole).ok())
        {
            return Some(count);
        }
        node.expected(problems, "a non-negative integer");
        None
    }

    pub(in crate::domain::contract) fn flag(&self, key: &str, problems: &mut Vec<ContractProblem>) -> Option<bool> {
        let node = self.child(key)?;
        if let JsonValue::Bool(flag) = node.value {
            return Some(*flag);
        }
        node.expected(problems, "true or false");
        None
    }

    /// Reports each member whose name is in `refused`, with the reason `why`.
    pub(in crate::domain::contract) fn deny(&self, refused: &[&str], why: &str, problems: &mut Vec<ContractProblem>) {
        for (name, _) in self.members().iter().filter(|(name, _)| refused.contains(&name.as_str())) {
            problems.push(ContractProblem { pointer: self.pointer_to(name), detail: format!("{name:?} {why}") });
        }
    }

    /// Reports each member whose name is not in `known`.
    pub(in crate::domain::contract) fn deny_unknown(&self, known: &[&str], problems: &mut Vec<ContractProblem>) {
        for (name, _) in self.members() {
            if !known.contains(&name.as_str()) {
                let detail = format!("unknown member{}", did_you_mean(name, known.iter().copied()));
                problems.push(ContractProblem { pointer: self.pointer_to(name), detail });
            }
        }
    }
}
