//! The meaning of `uncertainty` for each task and the statistics behind it: calibrated probabilities, prediction sets
//! and intervals with coverage. Pure; contains only what serving applies. `domain::calibration` does the fitting.

mod beta;
mod calibration;
mod calibrator;
mod coverage;
mod interval;
mod isotonic;
pub mod method;
mod prediction_set;
mod quantiles;
mod report;
mod scores;
mod temperature;
mod top_label;
mod vector_scaling;
mod venn_abers;

pub use beta::Beta;
pub(in crate::domain) use calibration::positive_probability;
pub use calibration::{
    CalibrationDocument, CalibrationRule, CalibrationSource, FORMAT, Group, Groups, Intervals, ProbabilityMap, Scale,
    SetMethod, Sets,
};
pub use calibrator::{
    AssessContext, AssessmentNotice, CalibratedClassification, Calibrator, Interval, RegressionOutputs,
};
pub use coverage::Coverage;
pub use interval::{cqr, cqr_score, normalized, normalized_score, split, split_score};
pub use isotonic::Isotonic;
pub use prediction_set::{ApsRandomizer, aps_score, aps_set, lac_score, lac_set};
pub use quantiles::InvalidCalibrationError;
pub(in crate::domain) use quantiles::quantile_of_sorted;
pub use quantiles::{QuantileAt, Quantiles};
pub use report::{
    Bin, Candidate, CandidateScores, EceByChance, GroupReport, LaterRows, LevelReport, PointError, ProbabilityMetrics,
    Report,
};
pub use scores::{MIN_PROBABILITY, ScoreKind, Scores, softmax};
pub use temperature::Temperature;
pub use top_label::ConfidenceMap;
pub(in crate::domain) use vector_scaling::MAX_CLASSES;
pub use vector_scaling::VectorScaling;
pub use venn_abers::{StepFunction, VennAbers};

use super::float::Float;

/// The uncertainty of a prediction and how it was determined.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// Classification: the probability that the prediction is wrong, in [0, 1]. Regression: the half-width of the
    /// interval, in the target's unit. `None` if unknown.
    pub uncertainty: Option<Float>,
    /// A method name from [`method`].
    pub method: &'static str,
    /// The probability with which the set or interval contains the truth; `None` if no coverage is claimed.
    pub coverage: Option<f64>,
    /// The prediction set with that coverage, as class indices in ascending order.
    pub prediction_set: Option<Vec<usize>>,
    /// The interval with that coverage; `None` if it has no bound.
    pub interval: Option<(Float, Float)>,
    /// Venn-Abers only: the lower and upper bound of the probability that the prediction is right.
    pub probability_interval: Option<(Float, Float)>,
    /// Notices for the caller.
    pub notices: Vec<AssessmentNotice>,
}

impl Assessment {
    /// The assessment of a classifier without a calibration: one minus its own probability of the predicted class, and
    /// no coverage claim. Kernels may round a probability slightly above 1; the uncertainty is then 0.
    pub fn uncalibrated(predicted: Float) -> Self {
        Self { uncertainty: Some(predicted.complement().at_least_zero()), method: method::UNCALIBRATED, ..Self::none() }
    }

    /// The assessment of a prediction whose uncertainty is unknown.
    pub fn none() -> Self {
        Self {
            uncertainty: None,
            method: method::NONE,
            coverage: None,
            prediction_set: None,
            interval: None,
            probability_interval: None,
            notices: Vec::new(),
        }
    }
}
