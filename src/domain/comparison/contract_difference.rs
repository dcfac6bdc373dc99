//! The changes between the contracts of two versions, each breaking for callers or not.
//!
//! A change is breaking if a request that the old version answers may be refused or misread by the new one, or if a
//! response may hold what a caller of the old one does not expect. A change of the numbers in a response is not: the
//! comparison of the predictions shows it.

use super::{
    contract_change::{ChangeKind, ContractChange},
    feature_difference::feature_changes,
    output_difference::output_changes,
};
use crate::domain::{
    contract::{Contract, Feature},
    json::JsonValue,
    json_difference::{Difference, differences},
};

/// The subject of a change that concerns no single feature.
const CONTRACT: &str = "contract";

/// A compiled contract and the document that it was compiled from.
#[derive(Debug, Clone, Copy)]
pub struct ContractSource<'a> {
    /// The contract.
    pub contract: &'a Contract,
    /// contract.json, or what was derived for a bare graph.
    pub document: &'a JsonValue,
}

/// Lists the changes: those of features in the order of the old contract, then added features, then the rest.
pub fn contract_changes(old: ContractSource<'_>, new: ContractSource<'_>) -> Vec<ContractChange> {
    let (before, after) = (old.contract, new.contract);
    let mut changes = Vec::new();
    for feature in &before.features {
        match find(after, &feature.name) {
            Some(newer) => changes.extend(feature_changes(feature, newer)),
            None => changes.push(removed(feature, after)),
        }
    }
    let added = after.features.iter().filter(|feature| find(before, &feature.name).is_none());
    changes.extend(added.map(added_feature));
    changes.extend(order(before, after));
    changes.extend(unknown_features(before, after));
    changes.extend(keywords(old, new));
    changes.extend(output_changes(&before.output, &after.output));
    if before.coverage != after.coverage {
        let level = |contract: &Contract| {
            contract.coverage.map_or_else(|| "that of the server".to_owned(), |level| level.as_f64().to_string())
        };
        let detail = format!("coverage {}, was {}", level(after), level(before));
        changes.push(ContractChange::compatible(CONTRACT, ChangeKind::Coverage, detail));
    }
    changes
}

fn find<'a>(contract: &'a Contract, name: &str) -> Option<&'a Feature> {
    contract.features.iter().find(|feature| feature.name == name)
}

fn removed(feature: &Feature, new: &Contract) -> ContractChange {
    if new.refuses_unknown_features() {
        ContractChange::breaking(&feature.name, ChangeKind::Removed, "removed: a request that has it is refused")
    } else {
        ContractChange::compatible(&feature.name, ChangeKind::Removed, "removed: it is ignored, with a warning")
    }
}

fn added_feature(feature: &Feature) -> ContractChange {
    let types = feature.types();
    if feature.required {
        let detail = format!("added, required, {types}: a request without it is refused");
        ContractChange::breaking(&feature.name, ChangeKind::Added, detail)
    } else {
        let detail = format!("added, optional, {types}; callers that send features by position must add it");
        ContractChange::compatible(&feature.name, ChangeKind::Added, detail)
    }
}

/// Reports features that changed places: a request by position would feed one for the other.
fn order(old: &Contract, new: &Contract) -> Option<ContractChange> {
    let kept = |of: &Contract, within: &Contract| -> Vec<String> {
        let kept = of.features.iter().filter(|feature| find(within, &feature.name).is_some());
        kept.map(|feature| feature.name.clone()).collect()
    };
    let (before, after) = (kept(old, new), kept(new, old));
    let moved: Vec<&str> =
        before.iter().zip(&after).filter(|(before, after)| before != after).map(|(_, after)| after.as_str()).collect();
    (!moved.is_empty()).then(|| {
        let detail = format!(
            "the order by position changed from {} on: a request by position feeds the wrong features",
            moved[0]
        );
        ContractChange::breaking(CONTRACT, ChangeKind::Order, detail)
    })
}

fn unknown_features(old: &Contract, new: &Contract) -> Option<ContractChange> {
    match (old.refuses_unknown_features(), new.refuses_unknown_features()) {
        (false, true) => Some(ContractChange::breaking(
            CONTRACT,
            ChangeKind::UnknownFeatures,
            "features that it does not have are refused; they were ignored",
        )),
        (true, false) => Some(ContractChange::compatible(
            CONTRACT,
            ChangeKind::UnknownFeatures,
            "features that it does not have are ignored; they were refused",
        )),
        _ => None,
    }
}

/// Reports changes of keywords that the compiled plan does not check. What they admit cannot be compared, so each change
/// counts as breaking, unless the keyword was only removed.
fn keywords(old: ContractSource<'_>, new: ContractSource<'_>) -> Vec<ContractChange> {
    let all = old.contract.full_validation_keywords.iter().chain(&new.contract.full_validation_keywords);
    let names: Vec<&String> = all.collect();
    if names.is_empty() {
        return Vec::new();
    }
    let of_keyword = |difference: &&Difference<'_>| {
        // Annotations are not part of the schema.
        let annotation = difference.pointer.split('/').any(|step| step.starts_with("x-") || step == "description");
        !annotation && difference.pointer.split('/').any(|step| names.iter().any(|name| *name == step))
    };
    let found = differences(old.document, new.document);
    let change = |difference: &Difference<'_>| {
        let (verb, breaking) = match (difference.old, difference.new) {
            (Some(_), None) => ("removed", false),
            (None, _) => ("added: what it refuses cannot be compared", true),
            _ => ("changed: what it refuses cannot be compared", true),
        };
        let detail = format!("{} {verb}", difference.pointer);
        ContractChange::new(breaking, CONTRACT, ChangeKind::Keyword, detail)
    };
    found.iter().filter(of_keyword).map(change).collect()
}
