//! The second pass: keywords beyond the one-pass plan, checked by the `jsonschema` crate on the parsed instance.

use jsonschema::{Draft, PatternOptions, Validator, error::ValidationErrorKind};
use serde_json::Value;

use super::text_pattern::{self, TextPattern};
use crate::domain::{
    contract::{Contract, Literal, Problem, is_known},
    violation::{Violation, ViolationCode, Violations, quote},
};

/// A contract's schema, compiled for the second pass.
#[derive(Debug)]
pub struct SchemaPass {
    validator: Validator,
}

impl SchemaPass {
    /// Compiles a contract's document.
    ///
    /// # Errors
    /// The keywords that nobody knows, at any depth, or what the `jsonschema` crate does not accept.
    pub fn compile(document: &Literal) -> Result<Self, Vec<Problem>> {
        let schema = serde_json::to_value(document)
            .map_err(|error| vec![Problem { pointer: String::new(), detail: error.to_string() }])?;
        let mut problems = Vec::new();
        check_keywords(&schema, "", &mut problems);
        if !problems.is_empty() {
            return Err(problems);
        }
        let options = jsonschema::options()
            .with_draft(Draft::Draft202012)
            .should_validate_formats(true)
            // Names of members are short, but nothing may backtrack.
            .with_pattern_options(PatternOptions::regex())
            .with_keyword("pattern", |_, value, _| TextPattern::keyword(value));
        let validator = options.build(&schema).map_err(|error| {
            let detail = format!("is not a schema of draft 2020-12: {error}");
            vec![Problem { pointer: error.instance_path().to_string(), detail }]
        })?;
        Ok(Self { validator })
    }

    /// Checks the body of a request that the one-pass plan has admitted; the faults it finds are added.
    pub fn check(&self, contract: &Contract, body: &[u8], violations: &mut Violations) {
        // The first pass has read the same bytes, so they are JSON with the member `features`.
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
            // Only an unknown feature can have such a name, so mostly the first pass has refused it.
            if violations.is_empty() {
                let detail = format!("the name {} has more than {MAX_NAME_BYTES} bytes", quote(name));
                let code = ViolationCode::UnknownFeature;
                violations.push(Violation { pointer: "/features".to_owned(), code, detail, feature: None });
            }
            return;
        }
        let before = violations.listed().len();
        let (errors, undecided) = text_pattern::watched(|| self.validator.iter_errors(&instance).collect::<Vec<_>>());
        for error in errors {
            let path = error.instance_path().to_string();
            let name = path.split('/').nth(1).map(|step| step.replace("~1", "/").replace("~0", "~"));
            let index =
                name.as_ref().and_then(|name| contract.features.iter().position(|feature| feature.name == *name));
            let sensitive = contract.features.iter().any(|feature| feature.sensitive);
            let place = match (positional, index, path.split_once('/').and_then(|(_, rest)| rest.split_once('/'))) {
                (true, Some(index), Some((_, deeper))) => format!("/features/{index}/{deeper}"),
                (true, Some(index), None) => format!("/features/{index}"),
                _ => format!("/features{path}"),
            };
            let detail = if sensitive {
                format!("the keyword {:?} is not met; the value is not shown", error.kind().keyword())
            } else {
                error.to_string().chars().take(MAX_DETAIL).collect()
            };
            let feature = index.map(|index| contract.features[index].name.clone());
            violations.push(Violation { pointer: place, code: code(error.kind()), detail, feature });
        }
        if undecided && violations.listed().len() == before {
            // Inside of `not` or `if` an undecided text would count as one that does not match.
            let detail = format!("a text {}", text_pattern::UNDECIDED);
            let code = ViolationCode::PatternMismatch;
            violations.push(Violation { pointer: "/features".to_owned(), code, detail, feature: None });
        }
    }
}

/// The longest name that is held against `patternProperties`, which takes time with each state of a pattern and each byte.
const MAX_NAME_BYTES: usize = 1024;

fn long_name(instance: &Value) -> Option<&str> {
    instance.as_object()?.keys().map(String::as_str).find(|name| name.len() > MAX_NAME_BYTES)
}

/// The longest text of the `jsonschema` crate that is passed on; it may quote the instance.
const MAX_DETAIL: usize = 200;

fn code(kind: &ValidationErrorKind) -> ViolationCode {
    match kind {
        ValidationErrorKind::MultipleOf { .. } => ViolationCode::NotMultiple,
        ValidationErrorKind::Custom { keyword, .. } if keyword == "pattern" => ViolationCode::PatternMismatch,
        _ => ViolationCode::Schema,
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

fn check_keywords(schema: &Value, pointer: &str, problems: &mut Vec<Problem>) {
    let Value::Object(members) = schema else { return };
    for (name, value) in members {
        let place = format!("{pointer}/{}", crate::domain::violation::pointer_step(name));
        if !is_known(name) {
            problems.push(Problem { pointer: place, detail: format!("unknown keyword {name:?}") });
        } else if name == "pattern" {
            let found = value.as_str().and_then(|text| TextPattern::new(text).err());
            problems.extend(found.map(|detail| Problem { pointer: place, detail }));
        } else if SCHEMA.contains(&name.as_str()) {
            check_keywords(value, &place, problems);
        } else if SCHEMAS.contains(&name.as_str()) {
            for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                check_keywords(item, &format!("{place}/{index}"), problems);
            }
        } else if NAMED_SCHEMAS.contains(&name.as_str()) {
            for (key, item) in value.as_object().into_iter().flatten() {
                let place = format!("{place}/{}", crate::domain::violation::pointer_step(key));
                if name == "patternProperties"
                    && let Err(detail) = TextPattern::new(key)
                {
                    problems.push(Problem { pointer: place.clone(), detail });
                }
                check_keywords(item, &place, problems);
            }
        }
    }
}
