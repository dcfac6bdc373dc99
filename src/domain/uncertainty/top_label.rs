//! Top-label calibration (Gupta and Ramdas 2022): maps the confidence of the predicted class to the probability that the
//! prediction is right, for any number of classes. It calibrates `uncertainty` and leaves the probabilities as they are.

use serde::{Deserialize, Serialize};

use super::{Beta, Isotonic, VennAbers, quantiles::InvalidCalibrationError};

/// The map from the confidence of the predicted class to the probability that it is the true one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "method", rename_all = "kebab-case")]
pub enum ConfidenceMap {
    /// A beta curve: three parameters.
    TopLabelBeta(Beta),
    /// Two isotonic curves, which bound the probability.
    TopLabelVennAbers(VennAbers),
    /// One isotonic curve.
    TopLabelIsotonic(Isotonic),
}

impl ConfidenceMap {
    /// The probability that a prediction of this confidence is right, and for Venn-Abers its bounds.
    pub fn apply(&self, confidence: f64) -> (f64, Option<(f64, f64)>) {
        match self {
            Self::TopLabelBeta(curve) => (curve.apply(confidence), None),
            Self::TopLabelVennAbers(tables) => {
                let bounds = tables.bounds(confidence);
                (VennAbers::merge(bounds), Some(bounds))
            }
            Self::TopLabelIsotonic(curve) => (curve.apply(confidence), None),
        }
    }

    /// The name of the method.
    pub fn name(&self) -> &'static str {
        match self {
            Self::TopLabelBeta(_) => "top-label-beta",
            Self::TopLabelVennAbers(_) => "top-label-venn-abers",
            Self::TopLabelIsotonic(_) => "top-label-isotonic",
        }
    }

    pub(super) fn check(&self) -> Result<(), InvalidCalibrationError> {
        match self {
            Self::TopLabelBeta(curve) => curve.check(),
            Self::TopLabelVennAbers(tables) => tables.check(),
            Self::TopLabelIsotonic(curve) => curve.check(),
        }
    }
}
