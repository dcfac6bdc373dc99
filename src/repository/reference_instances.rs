//! The instances that a package holds: its golden cases and the background rows of its profile. Two versions are
//! compared on them where there is no table.

use std::{collections::HashSet, fmt};

use super::{golden::Case, package::Package};
use crate::domain::{contract::Contract, json::JsonValue, profile::Profile};

/// The maximum number of golden cases that are kept.
const MAX_GOLDEN: usize = 1000;

/// Where a reference instance comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReferenceOrigin {
    /// A line of golden.jsonl, from 1.
    Golden(usize),
    /// A background row of profile.json, from 1.
    Background(usize),
}

impl fmt::Display for ReferenceOrigin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Golden(line) => write!(formatter, "golden case {line}"),
            Self::Background(row) => write!(formatter, "background row {row}"),
        }
    }
}

/// An instance of a package.
#[derive(Debug, Clone, PartialEq)]
pub struct ReferenceInstance {
    /// Where it comes from.
    pub origin: ReferenceOrigin,
    /// Its features by name, as in a request.
    pub features: JsonValue,
}

/// Returns the instances of a package: the golden cases, then the background rows.
pub(super) fn reference_instances(package: &Package, contract: &Contract) -> Vec<ReferenceInstance> {
    let golden = package.golden.iter().flat_map(|(_, cases)| cases).take(MAX_GOLDEN);
    let golden = golden.filter_map(|case| {
        let features = contract.name_features(features(case)?);
        Some(ReferenceInstance { origin: ReferenceOrigin::Golden(case.line), features })
    });
    let profile = package.profile.as_ref().map(|(_, profile)| profile);
    golden.chain(profile.into_iter().flat_map(|profile| background(profile, contract))).collect()
}

/// Returns the instances of two versions, given with their names: where each comes from, and its features. The same
/// instance counts once.
pub fn distinct_instances(
    old: (&str, &[ReferenceInstance]),
    new: (&str, &[ReferenceInstance]),
) -> Vec<(String, JsonValue)> {
    let mut known = HashSet::new();
    let mut distinct = Vec::new();
    for (version, instances) in [old, new] {
        for instance in instances {
            if known.insert(serde_json::to_string(&instance.features).unwrap_or_default()) {
                distinct.push((format!("{} of version {version}", instance.origin), instance.features.clone()));
            }
        }
    }
    distinct
}

/// The features of a golden case. They were parsed when the package was read.
fn features(case: &Case) -> Option<JsonValue> {
    serde_json::from_str(case.features.get()).ok()
}

fn background(profile: &Profile, contract: &Contract) -> impl Iterator<Item = ReferenceInstance> {
    profile.background.iter().enumerate().map(|(index, row)| ReferenceInstance {
        origin: ReferenceOrigin::Background(index + 1),
        features: contract.instance(row),
    })
}
