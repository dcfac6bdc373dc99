//! The names of the methods, as they stand in answers and metrics. All of them are written out, so that naming one costs
//! nothing on the road of a request.

use super::{Intervals, ProbabilityMap, SetMethod};

/// A classifier's own probabilities, taken as they are.
pub const UNCALIBRATED: &str = "uncalibrated";
/// The spread of an ensemble's members, with no coverage claimed.
pub const ENSEMBLE: &str = "ensemble";
/// Nothing is known.
pub const NONE: &str = "none";

/// The name of a classification's method; `grouped` where the quantile is that of the instance's own group.
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

/// The name of a regression's method; `grouped` where the quantile is that of the instance's own group.
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
