//! The method names used in responses and metrics. They are static strings, so that naming a method on the request path
//! allocates nothing.

use super::{Intervals, ProbabilityMap, SetMethod};

/// A classifier's own probabilities, unchanged.
pub const UNCALIBRATED: &str = "uncalibrated";
/// The spread of the ensemble members, without a coverage claim.
pub const ENSEMBLE: &str = "ensemble";
/// The uncertainty is unknown.
pub const NONE: &str = "none";

/// The name of a classification method; `grouped` if the quantile is that of the instance's own group.
pub fn classification(map: &ProbabilityMap, sets: Option<SetMethod>, grouped: bool) -> &'static str {
    let names = match map {
        ProbabilityMap::Uncalibrated => {
            ["uncalibrated", "uncalibrated+lac", "uncalibrated+aps", "uncalibrated+mondrian-lac"]
        }
        ProbabilityMap::Temperature(_) => {
            ["temperature", "temperature+lac", "temperature+aps", "temperature+mondrian-lac"]
        }
        ProbabilityMap::Isotonic(_) => ["isotonic", "isotonic+lac", "isotonic+aps", "isotonic+mondrian-lac"],
        ProbabilityMap::VennAbers(_) => ["venn-abers", "venn-abers+lac", "venn-abers+aps", "venn-abers+mondrian-lac"],
    };
    match (sets, grouped) {
        (None, _) => names[0],
        (Some(SetMethod::Lac), false) => names[1],
        (Some(SetMethod::Aps), _) => names[2],
        (Some(SetMethod::Lac), true) => names[3],
    }
}

/// The name of a regression method; `grouped` if the quantile is that of the instance's own group.
pub fn regression(intervals: &Intervals, grouped: bool) -> &'static str {
    match (intervals, grouped) {
        (Intervals::SplitConformal, false) => "split-conformal",
        (Intervals::SplitConformal, true) => "mondrian-split-conformal",
        (Intervals::NormalizedConformal { .. }, false) => "normalized-conformal",
        (Intervals::NormalizedConformal { .. }, true) => "mondrian-normalized-conformal",
        (Intervals::Cqr { .. }, false) => "cqr",
        (Intervals::Cqr { .. }, true) => "mondrian-cqr",
    }
}
