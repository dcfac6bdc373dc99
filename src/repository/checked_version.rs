//! Findings about a version besides its load errors: about its calibration, its profile and missing files.

use super::{error::LoadError, served_calibration, verified_version::VerifiedVersion};
use crate::domain::{
    findings::{Finding, check_calibration},
    json::JsonValue,
    profile::Profile,
};

/// A version that was checked.
pub struct CheckedVersion {
    /// The version, or every error that rejects it.
    pub outcome: Result<VerifiedVersion, Vec<LoadError>>,
    /// The findings, most severe first. If the version is rejected, those that could still be determined.
    pub findings: Vec<Finding>,
}

/// Returns the findings about a version that was built, most severe first.
pub(super) fn findings(prepared: &VerifiedVersion) -> Vec<Finding> {
    let package = &prepared.package;
    let mut findings: Vec<Finding> = prepared.notes.iter().map(Finding::note).collect();
    findings.extend(prepared.warnings.iter().map(Finding::warning));
    findings.extend(of_calibration(prepared));
    if let Some((path, profile)) = &package.profile {
        let place = path.display();
        findings.extend(background(prepared, profile).map(|found| Finding::warning(format!("{place}: {found}"))));
        let narrower = prepared.contract.narrower_than(profile).into_iter();
        findings.extend(narrower.map(|found| Finding::note(format!("{place}: {found}"))));
    } else if let Some(file) = package.contract.as_ref().filter(|_| !package.broken.contains(&"profile.json")) {
        let directory = file.path.parent().unwrap_or(&file.path).display();
        findings.push(Finding::note(format!(
            "there is no profile.json: requests are not explained, and not compared with the training data; to create \
             it: `candor profile --data <training table> {directory}`"
        )));
    }
    findings.sort_by_key(|finding| finding.severity);
    findings
}

/// Returns the findings about the calibration at the served coverage, or a note that there is none.
fn of_calibration(prepared: &VerifiedVersion) -> Vec<Finding> {
    let package = &prepared.package;
    let Some((calibrated, file)) = prepared.calibrated.as_ref().zip(package.calibration.as_ref()) else {
        let there = package.calibration.is_some() || package.broken.contains(&"calibration.json");
        let directory = package.contract.as_ref().and_then(|file| file.path.parent());
        let without =
            served_calibration::missing_calibration_note(&prepared.contract.output, directory).filter(|_| !there);
        return without.map(Finding::note).into_iter().collect();
    };
    let listed = package.provenance.training_data.as_ref().and_then(|data| data.sha256.as_deref());
    let profiled = package.profile.as_ref().map(|(_, profile)| profile.source.sha256.as_str());
    let trained: Vec<&str> = listed.into_iter().chain(profiled).collect();
    let found = check_calibration(&calibrated.calibration, calibrated.calibrator.coverage(), &trained);
    let place = file.path.display();
    found.into_iter().map(|found| Finding { detail: format!("{place}: {}", found.detail), ..found }).collect()
}

/// Describes the background rows of a profile that the contract does not admit, in one sentence.
fn background(prepared: &VerifiedVersion, profile: &Profile) -> Option<String> {
    // A profile of other features is already rejected for that.
    if !prepared.contract.profile_mismatches(profile).is_empty() {
        return None;
    }
    let refused = |(index, row): (usize, &Vec<JsonValue>)| {
        let refusal = prepared.admit(&prepared.contract.instance(row)).err()?;
        Some(format!("row {}: {refusal}", index + 1))
    };
    let refused: Vec<String> = profile.background.iter().enumerate().filter_map(refused).collect();
    let (count, all, first) = (refused.len(), profile.background.len(), refused.first()?);
    Some(format!(
        "{count} of {all} background rows violate the contract; first: {first}; create the file again with `candor \
         profile`, or widen the contract"
    ))
}
