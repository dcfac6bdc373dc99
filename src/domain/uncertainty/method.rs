//! The method names used in responses and metrics. They are static strings, so that naming a method on the request path
//! allocates nothing.

use super::{CalibrationDocument, CalibrationRule, ConfidenceMap, Intervals, ProbabilityMap, SetMethod};

/// A classifier's own probabilities, unchanged.
pub const UNCALIBRATED: &str = "uncalibrated";
/// The spread of the ensemble members, without a coverage claim.
pub const ENSEMBLE: &str = "ensemble";
/// The uncertainty is unknown.
pub const NONE: &str = "none";

/// The name of a classification method: what made `uncertainty`, then the sets; `grouped` if the quantile is that of the
/// instance's own group.
pub fn classification(
    map: &ProbabilityMap,
    confidence: Option<&ConfidenceMap>,
    sets: Option<SetMethod>,
    grouped: bool,
) -> &'static str {
    /// The name alone, and with each kind of sets.
    macro_rules! names {
        ($name:literal) => {
            [$name, concat!($name, "+lac"), concat!($name, "+aps"), concat!($name, "+mondrian-lac")]
        };
    }
    let names = match (confidence, map) {
        (Some(ConfidenceMap::TopLabelBeta(_)), _) => names!("top-label-beta"),
        (Some(ConfidenceMap::TopLabelVennAbers(_)), _) => names!("top-label-venn-abers"),
        (Some(ConfidenceMap::TopLabelIsotonic(_)), _) => names!("top-label-isotonic"),
        (None, ProbabilityMap::Uncalibrated) => names!("uncalibrated"),
        (None, ProbabilityMap::Temperature(_)) => names!("temperature"),
        (None, ProbabilityMap::VectorScaling(_)) => names!("vector-scaling"),
        (None, ProbabilityMap::Beta(_)) => names!("beta"),
        (None, ProbabilityMap::Isotonic(_)) => names!("isotonic"),
        (None, ProbabilityMap::VennAbers(_)) => names!("venn-abers"),
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

/// The name of the method of a calibration, marked as grouped if it has groups.
pub fn of(calibration: &CalibrationDocument) -> &'static str {
    let grouped = calibration.groups().is_some();
    match &calibration.rule {
        CalibrationRule::Classification { probabilities, confidence, sets, .. } => {
            classification(probabilities, confidence.as_deref(), sets.as_ref().map(|sets| sets.method), grouped)
        }
        CalibrationRule::Regression { intervals, .. } => regression(intervals, grouped),
    }
}
