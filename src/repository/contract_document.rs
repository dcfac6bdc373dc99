//! The contract of a version, from its own file or derived from a bare graph, and the problems found in it.

use super::{error::LoadError, inferred_contract, package::Package, schema_validator::SchemaValidator};
use crate::{
    domain::{
        contract::{Contract, ContractProblem},
        json::JsonValue,
        name::ModelName,
    },
    runtime::OrtExecutor,
};

pub(super) fn problem(detail: String) -> ContractProblem {
    ContractProblem { pointer: String::new(), detail }
}

pub(super) fn contract_errors(package: &Package, problems: Vec<ContractProblem>) -> Vec<LoadError> {
    let path = package.contract.as_ref().map_or(&package.graph, |file| &file.path);
    problems.into_iter().map(|problem| LoadError::Contract { path: path.clone(), problem }).collect()
}

/// Checks profile.json against the contract.
pub(super) fn profile_errors(package: &Package, contract: &Contract) -> Vec<LoadError> {
    let Some((path, profile)) = &package.profile else { return Vec::new() };
    let faults = contract.profile_mismatches(profile).into_iter();
    faults.map(|detail| LoadError::Content { path: path.clone(), detail }).collect()
}

/// Returns the contract's document, from its file or derived, and notes about it.
pub(super) fn contract_json(
    package: &Package,
    model: &ModelName,
    executor: &mut OrtExecutor,
) -> (JsonValue, Vec<String>) {
    if let Some(file) = &package.contract {
        return (file.document.clone(), Vec::new());
    }
    let derived = inferred_contract::derive(model.as_str(), package.snapshot.model(), executor);
    let mut notes = vec!["there is no contract.json: the contract was derived from the graph".to_owned()];
    notes.extend(derived.notes);
    (derived.document, notes)
}

/// Compiles the full validation, if the contract needs it.
pub(super) fn full_validation_keywords(
    contract: &Contract,
    document: &JsonValue,
    notes: &mut Vec<String>,
) -> Result<Option<SchemaValidator>, Vec<ContractProblem>> {
    if contract.full_validation_keywords.is_empty() {
        return Ok(None);
    }
    notes.push(format!(
        "the contract uses {}: each request also gets full validation",
        contract.full_validation_keywords.join(", ")
    ));
    SchemaValidator::compile(document).map(Some)
}
