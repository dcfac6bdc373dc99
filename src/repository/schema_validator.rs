//! Full validation: checks the keywords beyond the single-pass validation with the `jsonschema` crate on the parsed
//! instance.

use std::{
    borrow::Cow,
    fmt::{self, Write as _},
};

use jsonschema::{Draft, PatternOptions, ValidationError, Validator, error::ValidationErrorKind};
use serde_json::Value;

use super::text_pattern::{self, TextPattern};
use crate::domain::{
    contract::{Contract, ContractProblem, is_known},
    json::JsonValue,
    text::quote,
    violation::{Violation, ViolationCode, Violations, client_pointer_token},
};

/// A contract's schema, compiled for full validation.
#[derive(Debug)]
pub struct SchemaValidator {
    validator: Validator,
}

impl SchemaValidator {
    /// Compiles a contract's document.
    ///
    /// # Errors
    /// Returns the unknown keywords, at any depth, or the reason why the `jsonschema` crate rejects the schema.
    pub fn compile(document: &JsonValue) -> Result<Self, Vec<ContractProblem>> {
        let schema = serde_json::to_value(document)
            .map_err(|error| vec![ContractProblem { pointer: String::new(), detail: error.to_string() }])?;
        let mut problems = Vec::new();
        check_keywords(&schema, "", &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let options = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            // Member names are short, but no pattern may backtrack.
            .with_pattern_options(PatternOptions::regex())
            .with_keyword("pattern", |_, value, _| TextPattern::keyword(value));
        let validator = options.build(&schema).map_err(|error| {
            let detail = format!("is not a valid JSON Schema of draft 2020-12: {error}");
            vec![ContractProblem { pointer: error.instance_path().to_string(), detail }]
        })?;
        Ok(Self { validator })
    }

    /// Validates the body of a request after the single-pass validation, and adds the violations it finds.
    pub fn check(&self, contract: &Contract, body: &[u8], violations: &mut Violations) {
        // The single-pass validation has read the same bytes, so they are JSON with the member `features`.
        let Ok(Value::Object(mut body)) = serde_json::from_slice::<Value>(body) else { return };
        let Some(features) = body.remove("features") else { return };
        let positional = features.is_array();
        let instance = match features {
            Value::Array(values) => {
                let names = contract.features.iter().map(|feature| feature.name.clone());
                Value::Object(names.zip(values).collect())
            }
            by_name => by_name,
        };
        if let Some(name) = long_name(&instance) {
            // Only an unknown feature can have such a name, so the single-pass validation has usually rejected it.
            if violations.is_empty() {
                let detail = format!("the name {} has more than {MAX_NAME_BYTES} bytes", quote(name));
                let code = ViolationCode::UnknownFeature;
                violations.push(Violation { pointer: "/features".to_owned(), code, detail, feature: None });
            }
            return;
        }
        let before = violations.first_n().len();
        let ((), undecided) = text_pattern::watched(|| self.list(contract, &instance, positional, violations));
        if undecided && violations.first_n().len() == before {
            // Inside `not` or `if`, an undecided text would count as one that does not match.
            let detail = format!("a string {}", text_pattern::UNDECIDED);
            let code = ViolationCode::PatternMismatch;
            violations.push(Violation { pointer: "/features".to_owned(), code, detail, feature: None });
        }
    }

    /// Adds the violations of an instance.
    fn list(&self, contract: &Contract, instance: &Value, positional: bool, violations: &mut Violations) {
        let sensitive = contract.features.iter().any(|feature| feature.sensitive);
        for error in self.validator.iter_errors(instance) {
            if violations.is_full() {
                violations.count();
                continue;
            }
            let mut steps: Vec<Cow<'_, str>> =
                error.instance_path().as_str().split('/').skip(1).map(|step| Cow::Owned(unescape(step))).collect();
            let index =
                steps.first().and_then(|name| contract.features.iter().position(|feature| feature.name == **name));
            if let (true, Some(index), Some(first)) = (positional, index, steps.first_mut()) {
                *first = Cow::Owned(index.to_string());
            }
            let detail = if sensitive {
                format!("the value violates the keyword {:?}; it is not shown", error.kind().keyword())
            } else {
                described(&error)
            };
            let feature = index.map(|index| contract.features[index].name.clone());
            violations.push(Violation { pointer: pointer(&steps), code: code(error.kind()), detail, feature });
        }
    }
}

/// Maximum length of a name that is matched against `patternProperties`: the time grows with the states of a pattern
/// and with the bytes.
const MAX_NAME_BYTES: usize = 1024;

fn long_name(instance: &Value) -> Option<&str> {
    instance.as_object()?.keys().map(String::as_str).find(|name| name.len() > MAX_NAME_BYTES)
}

/// Maximum length of a message of the `jsonschema` crate, in characters. It may quote names from the instance.
const MAX_DETAIL: usize = 200;

/// Maximum length of a pointer into a request, in characters. Each step is truncated already, but a path may have many.
const MAX_POINTER: usize = 256;

fn unescape(step: &str) -> String {
    step.replace("~1", "/").replace("~0", "~")
}

/// Returns the JSON Pointer to a location inside `features`. It is truncated because the request chooses the names in
/// it.
fn pointer(steps: &[Cow<'_, str>]) -> String {
    let mut text = BoundedText::new(MAX_POINTER);
    // An error means that the text is full.
    let _ = text.write_str("/features");
    for step in steps {
        let _ = write!(text, "/{}", client_pointer_token(step));
    }
    text.finish()
}

/// Formats an error of the `jsonschema` crate, with its quotations from the request truncated.
fn described(error: &ValidationError<'_>) -> String {
    let mut text = BoundedText::new(MAX_DETAIL);
    let written = match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected }
        | ValidationErrorKind::UnevaluatedProperties { unexpected } => {
            let names: Vec<String> = unexpected.iter().take(MAX_NAMES).map(|name| quote(name)).collect();
            let rest = unexpected.len().saturating_sub(MAX_NAMES);
            let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
            write!(text, "members that the schema does not allow: {}{more}", names.join(", "))
        }
        ValidationErrorKind::PropertyNames { error } => {
            write!(text, "a member name is not allowed: {}", error.masked_with(display_value(error.instance())))
        }
        _ => write!(text, "{}", error.masked_with(display_value(error.instance()))),
    };
    // An error means that the text is full.
    let _ = written;
    text.finish()
}

/// Maximum number of member names in one message.
const MAX_NAMES: usize = 2;

/// Formats a value of the request for a message.
fn display_value(value: &Value) -> String {
    match value {
        Value::String(text) => quote(text),
        Value::Array(_) => "the array".to_owned(),
        Value::Object(_) => "the object".to_owned(),
        scalar => scalar.to_string(),
    }
}

/// A text with a character limit. Writes beyond the limit fail, so that the writer stops early.
struct BoundedText {
    text: String,
    room: usize,
}

impl BoundedText {
    fn new(room: usize) -> Self {
        Self { text: String::new(), room }
    }

    fn finish(self) -> String {
        self.text
    }
}

impl fmt::Write for BoundedText {
    fn write_str(&mut self, more: &str) -> fmt::Result {
        if let Some((end, _)) = more.char_indices().nth(self.room) {
            // On overflow, append what fits and the truncation mark, but only once.
            if self.room > 0 || !self.text.ends_with('…') {
                self.text.push_str(&more[..end]);
                self.text.push('…');
            }
            self.room = 0;
            return Err(fmt::Error);
        }
        self.room -= more.chars().count();
        self.text.push_str(more);
        Ok(())
    }
}

fn code(kind: &ValidationErrorKind) -> ViolationCode {
    match kind {
        ValidationErrorKind::MultipleOf { .. } => ViolationCode::NotMultiple,
        ValidationErrorKind::Custom { keyword, .. } if keyword == "pattern" => ViolationCode::PatternMismatch,
        _ => ViolationCode::SchemaViolation,
    }
}

/// Keywords whose value is a schema, a list of schemas, or an object of schemas.
const SCHEMA: &[&str] = &[
    "items",
    "not",
    "if",
    "then",
    "else",
    "contains",
    "propertyNames",
    "unevaluatedProperties",
    "unevaluatedItems",
    "additionalProperties",
    "contentSchema",
];
const SCHEMAS: &[&str] = &["allOf", "anyOf", "oneOf", "prefixItems"];
const NAMED_SCHEMAS: &[&str] = &["properties", "$defs", "patternProperties", "dependentSchemas"];

fn check_keywords(schema: &Value, pointer: &str, problems: &mut Vec<ContractProblem>) {
    let Value::Object(members) = schema else { return };
    for (name, value) in members {
        let place = format!("{pointer}/{}", crate::domain::violation::escape_pointer(name));
        if !is_known(name) {
            problems.push(ContractProblem { pointer: place, detail: format!("unknown keyword {name:?}") });
        } else if name == "pattern" {
            let found = value.as_str().and_then(|text| TextPattern::new(text).err());
            problems.extend(found.map(|detail| ContractProblem { pointer: place, detail: detail.to_string() }));
        } else if SCHEMA.contains(&name.as_str()) {
            check_keywords(value, &place, problems);
        } else if SCHEMAS.contains(&name.as_str()) {
            for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                check_keywords(item, &format!("{place}/{index}"), problems);
            }
        } else if NAMED_SCHEMAS.contains(&name.as_str()) {
            for (key, item) in value.as_object().into_iter().flatten() {
                let place = format!("{place}/{}", crate::domain::violation::escape_pointer(key));
                if name == "patternProperties"
                    && let Err(detail) = TextPattern::new(key)
                {
                    problems.push(ContractProblem { pointer: place.clone(), detail: detail.to_string() });
                }
                check_keywords(item, &place, problems);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bounded_text_is_cut_once() {
        for (parts, expected) in [
            (&["ab", "c"][..], "abc"),
            (&["ab", "cd", "ef"], "abcd…"),
            (&["abcd", "e", "f"], "abcd…"),
            (&["abcdefgh", "i"], "abcd…"),
            (&["éééé"], "éééé"),
        ] {
            let mut text = BoundedText::new(4);
            for part in parts {
                let _ = text.write_str(part);
            }
            assert_eq!(text.finish(), expected, "{parts:?}");
        }
    }
}
