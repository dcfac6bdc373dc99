//! The prediction in terms of the contract's task, and the warnings and errors that go with it.

use super::{float::Float, tensor::Tensor, uncertainty::Assessment};

/// The prediction for one instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The predicted outcome.
    pub outcome: Outcome,
    /// Its uncertainty.
    pub assessment: Assessment,
}

/// The outcome, by task.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A class and the probability of every class.
    Classification {
        /// The index of the predicted class in the contract's `classes`.
        class: usize,
        /// One probability per class, in contract order.
        probabilities: Vec<Float>,
    },
    /// A value in the target's unit.
    Regression {
        /// The predicted value.
        value: Float,
    },
    /// The raw graph outputs, one tensor per named output.
    Tensors {
        /// The tensors of this instance, without the batch axis.
        outputs: Vec<Tensor>,
    },
}

/// The kind of a warning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum WarningCode {
    /// The value is valid, but outside the usual range of its feature.
    OutsideExpected,
    /// The member is not used.
    IgnoredMember,
    /// The prediction set is empty.
    EmptySet,
    /// The interval has no bound.
    UnboundedInterval,
    /// The instance's group is unknown or has too few rows, so the quantile of all rows was used.
    PooledGroup,
    /// The uncertainty of this version differs from the observed errors by more than chance.
    Miscalibrated,
    /// The version has no profile, whose medians and modes an explanation starts from.
    NoProfile,
    /// The model gives no explanations.
    ExplanationUnavailable,
    /// The model failed while the prediction was explained.
    ExplanationFailed,
    /// The explanation is missing or inexact, because a limit was reached.
    ExplanationIncomplete,
}

/// A warning in a successful response.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Warning {
    /// Location: a JSON Pointer into the body.
    pub pointer: String,
    /// The kind.
    pub code: WarningCode,
    /// The message.
    pub detail: String,
    /// The contract's feature, for the metrics.
    #[serde(skip)]
    pub feature: Option<String>,
}

/// The model output cannot be interpreted as a prediction.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InterpretError {
    /// A value is NaN or infinite.
    #[error("output {tensor:?} holds {value} at element {index}")]
    NonFinite {
        /// The name of the output.
        tensor: String,
        /// The index of the element within the instance.
        index: usize,
        /// The value: `NaN`, `inf` or `-inf`.
        value: f64,
    },
    /// The output declared as probabilities holds other values.
    #[error(
        "output {tensor:?} holds {found}; probabilities must be between 0 and 1, and those of all classes must sum to 1"
    )]
    NotProbabilities {
        /// The name of the output.
        tensor: String,
        /// The values of the row and their sum, as text.
        found: String,
    },
    /// The shape or type of the output differs from the contract.
    #[error("output {tensor:?} has shape {found:?} and type {element}; the contract needs {expected}")]
    Shape {
        /// The name of the output.
        tensor: String,
        /// The actual shape.
        found: Vec<usize>,
        /// The actual element type.
        element: super::tensor::ElementType,
        /// What the contract requires, as text.
        expected: String,
    },
}
