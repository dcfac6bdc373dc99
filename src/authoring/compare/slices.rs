//! The features that rows are sliced by: those asked for, else those that the calibrations are grouped by.

use crate::{
    authoring::error::AuthoringError,
    domain::{
        comparison::SliceFeature,
        contract::{Contract, Feature},
        text::did_you_mean,
    },
    repository::VerifiedVersion,
};

/// Returns the slices by each feature. A number without listed values is sliced at the quartiles of the training data.
pub(super) fn slice_features(
    old: &VerifiedVersion,
    new: &VerifiedVersion,
    asked: &[String],
) -> Result<Vec<SliceFeature>, AuthoringError> {
    let mut names: Vec<String> = asked.to_vec();
    if names.is_empty() {
        let groups = [new, old].into_iter().filter_map(|version| version.calibrated.as_ref()?.calibration.groups());
        names.extend(groups.map(|groups| groups.feature.clone()));
    }
    let mut slices: Vec<SliceFeature> = Vec::new();
    let mut problems = Vec::new();
    for name in &names {
        if slices.iter().any(|slice| slice.name == *name) {
            continue;
        }
        let owner = [new, old].into_iter().find_map(|version| Some((version, find(&version.contract, name)?)));
        match owner {
            None => {
                let known = [&new.contract, &old.contract].into_iter().flat_map(|contract| &contract.features);
                let near = did_you_mean(name, known.map(|feature| feature.name.as_str()));
                problems.push(format!("--slice: {name:?} is not a feature of either version{near}"));
            }
            Some((_, feature)) if feature.accepts_array() => {
                problems
                    .push(format!("--slice: {name:?} is an array; slices are by a category, a boolean or a number"));
            }
            Some((version, feature)) if feature.accepts_number() && feature.admitted_values().choices.is_none() => {
                slices.push(SliceFeature::by_quartile(name, version.profile()));
            }
            Some(_) => slices.push(SliceFeature::by_value(name)),
        }
    }
    if problems.is_empty() { Ok(slices) } else { Err(AuthoringError::NeedsDecision(problems.join("\n"))) }
}

fn find<'a>(contract: &'a Contract, name: &str) -> Option<&'a Feature> {
    contract.features.iter().find(|feature| feature.name == name)
}
