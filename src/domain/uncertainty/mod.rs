//! What `uncertainty` means for each task, and the statistics behind it: calibrated probabilities, prediction sets and
//! intervals with their coverage. Pure, and only what serving applies; fitting them is `domain::calibration`.

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
mod venn_abers;

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
pub(in crate::domain) use quantiles::quantile_of_sorted;
pub use quantiles::{QuantileAt, Quantiles};
pub use report::{Bin, Candidate, GroupReport, LevelReport, PointError, ProbabilityMetrics, Report};
pub use scores::{MIN_PROBABILITY, ScoreKind, Scores, softmax};
pub use temperature::Temperature;
pub use venn_abers::{StepFunction, VennAbers};

use super::float::Float;

/// How sure a prediction is, and how that is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// Classification: the probability that the prediction is wrong, in [0, 1]. Regression: the half-width of the
    /// interval, in the target's unit. `None` where nothing is known.
    pub uncertainty: Option<Float>,
    /// One of the names that [`method`] makes.
    pub method: &'static str,
    /// The probability with which the set or interval holds the truth; `None` where nothing is claimed.
    pub coverage: Option<f64>,
    /// The classes that hold the truth with that probability, as indices in rising order.
    pub prediction_set: Option<Vec<usize>>,
    /// The interval that holds the truth with that probability; `None` where it has no bound.
    pub interval: Option<(Float, Float)>,
    /// Venn-Abers only: the least and the greatest probability of the predicted class.
    pub probability_interval: Option<(Float, Float)>,
    /// What must be said beside it.
    pub notices: Vec<AssessmentNotice>,
}

impl Assessment {
    /// A classifier without a calibration: one minus its own probability of the predicted class, and no claim of coverage.
    /// Kernels may round a probability to a little above 1; the uncertainty is then 0.
    pub fn uncalibrated(predicted: Float) -> Self {
        Self { uncertainty: Some(predicted.complement().at_least_zero()), method: method::UNCALIBRATED, ..Self::none() }
    }

    /// Nothing is known.
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
