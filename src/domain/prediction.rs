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

/// A warning in a successful response.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Warning {
    /// Location: a JSON Pointer into the body.
    pub pointer: String,
    /// The kind: `outside_expected`, `ignored_member`, the code of an assessment notice, or the reason why an
    /// explanation is missing or incomplete.
    pub code: &'static str,
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
