//! Classifies JSON Schema keywords: those that the compiled plan checks, those that need full validation, and unknown
//! ones.

use super::schema_reader::{ContractProblem, SchemaNode};
use crate::domain::text::did_you_mean;

/// Annotations: they do not change which instances are valid.
const ANNOTATIONS: &[&str] = &[
    "$schema",
    "$id",
    "$comment",
    "title",
    "description",
    "examples",
    "deprecated",
    "readOnly",
    "writeOnly",
    "default",
];

/// Keywords of the object that holds the features.
const INSTANCE: &[&str] = &["type", "properties", "required", "additionalProperties", "x-inputs", "x-output"];

/// Keywords of a feature or of an array's items.
const FEATURE: &[&str] = &[
    "type",
    "enum",
    "const",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "minLength",
    "maxLength",
    "pattern",
    "items",
    "minItems",
    "maxItems",
    "x-unit",
    "x-expected",
    "x-missing",
    "x-codes",
    "x-sensitive",
];

/// Keywords of draft 2020-12 that the compiled plan does not check. Full validation checks them with the `jsonschema`
/// crate on the parsed instance.
pub const FULL_VALIDATION_KEYWORDS: &[&str] = &[
    "$ref",
    "$defs",
    "$anchor",
    "$dynamicRef",
    "$dynamicAnchor",
    "allOf",
    "anyOf",
    "oneOf",
    "not",
    "if",
    "then",
    "else",
    "dependentSchemas",
    "dependentRequired",
    "patternProperties",
    "propertyNames",
    "minProperties",
    "maxProperties",
    "unevaluatedProperties",
    "unevaluatedItems",
    "prefixItems",
    "contains",
    "minContains",
    "maxContains",
    "uniqueItems",
    "format",
    "contentEncoding",
    "contentMediaType",
    "contentSchema",
];

/// The position of a schema in the contract, which determines its keywords.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain::contract) enum Position {
    /// The schema of the whole instance.
    Instance,
    /// The schema of a feature, or of the items of an array.
    Feature,
}

/// Reports unknown keywords, and returns those that need full validation.
pub(in crate::domain::contract) fn classify_keywords<'a>(
    node: &SchemaNode<'a>,
    position: Position,
    problems: &mut Vec<ContractProblem>,
) -> Vec<&'a str> {
    let own = if position == Position::Instance { INSTANCE } else { FEATURE };
    let mut second = Vec::new();
    for (name, _) in node.members() {
        let name = name.as_str();
        if own.contains(&name) || ANNOTATIONS.contains(&name) {
            continue;
        }
        if FULL_VALIDATION_KEYWORDS.contains(&name) {
            second.push(name);
            continue;
        }
        let known = own.iter().chain(ANNOTATIONS).chain(FULL_VALIDATION_KEYWORDS).copied();
        problems.push(ContractProblem {
            pointer: node.pointer_to(name),
            detail: format!("unknown keyword {name:?}{}", did_you_mean(name, known)),
        });
    }
    second
}

/// Whether `name` may occur in any schema of a contract. Used for the schemas inside keywords of full validation.
pub fn is_known(name: &str) -> bool {
    [INSTANCE, FEATURE, ANNOTATIONS, FULL_VALIDATION_KEYWORDS].iter().any(|list| list.contains(&name))
}
