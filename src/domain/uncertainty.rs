//! What `uncertainty` means for each task. Without a calibration only the two honest methods: `uncalibrated` and `none`.

use super::float::Float;

/// The names of the methods, as they stand in answers and metrics.
pub mod method {
    /// A classifier's own probabilities, taken as they are.
    pub const UNCALIBRATED: &str = "uncalibrated";
    /// Nothing is known.
    pub const NONE: &str = "none";
}

/// How sure a prediction is, and how that is known.
#[derive(Debug, Clone, PartialEq)]
pub struct Assessment {
    /// Classification: the probability that the prediction is wrong, in [0, 1]. Regression: the half-width of the
    /// interval, in the target's unit. `None` where nothing is known.
    pub uncertainty: Option<Float>,
    /// One of the names in [`method`].
    pub method: &'static str,
    /// The probability with which the set or interval holds the truth; `None` where nothing is claimed.
    pub coverage: Option<f64>,
    /// The classes that hold the truth with that probability, as indices.
    pub prediction_set: Option<Vec<usize>>,
    /// The interval that holds the truth with that probability.
    pub interval: Option<(Float, Float)>,
}

impl Assessment {
    /// A classifier without a calibration: one minus its own probability of the predicted class, and no claim of coverage.
    /// Kernels may round a probability to a little above 1; the uncertainty is then 0.
    pub fn uncalibrated(predicted: Float) -> Self {
        Self { uncertainty: Some(predicted.complement().at_least_zero()), method: method::UNCALIBRATED, ..Self::none() }
    }

    /// Nothing is known.
    pub fn none() -> Self {
        Self { uncertainty: None, method: method::NONE, coverage: None, prediction_set: None, interval: None }
    }
}
