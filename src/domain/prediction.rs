//! What an answer says: the prediction in the words of the task, and what must be said beside it.

use super::{float::Float, tensor::Tensor, uncertainty::Assessment};

/// The prediction for one instance.
#[derive(Debug, Clone, PartialEq)]
pub struct Prediction {
    /// The answer itself.
    pub outcome: Outcome,
    /// How sure it is.
    pub assessment: Assessment,
}

/// The answer, by task.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// A class and the probability of every class.
    Classification {
        /// The index of the predicted class in the contract's `classes`.
        class: usize,
        /// One probability a class, in the contract's order.
        probabilities: Vec<Float>,
    },
    /// A value in the contract's unit.
    Regression {
        /// The predicted value.
        value: Float,
    },
    /// The graph's outputs as they are, one tensor for each named output.
    Tensors {
        /// The tensors of this one instance, without the batch axis.
        outputs: Vec<Tensor>,
    },
}

/// Something the caller should know although the request was answered.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Warning {
    /// Where it comes from: a JSON Pointer into the body.
    pub pointer: String,
    /// What kind: `outside_expected`, `ignored_member`, what an assessment's notices say, or why an explanation is not there
    /// or not complete.
    pub code: &'static str,
    /// In words.
    pub detail: String,
    /// The contract's feature, for the metrics.
    #[serde(skip)]
    pub feature: Option<String>,
}

/// The model's output cannot be made into an answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum InterpretError {
    /// A value is NaN or infinite.
    #[error("output {tensor:?} holds {value} at element {index}")]
    NonFinite {
        /// The output's name.
        tensor: String,
        /// The index of the element within the instance.
        index: usize,
        /// The value: `NaN`, `inf` or `-inf`.
        value: f64,
    },
    /// The output that the contract calls probabilities holds other values.
    #[error("output {tensor:?} holds {found}; probabilities lie in 0 to 1, and those of all classes sum to 1")]
    NotProbabilities {
        /// The output's name.
        tensor: String,
        /// The values of the row and their sum, in words.
        found: String,
    },
    /// The output has another shape or type than the contract says.
    #[error("output {tensor:?} has shape {found:?} and type {element}; the contract needs {expected}")]
    Shape {
        /// The output's name.
        tensor: String,
        /// The shape that the run gave.
        found: Vec<usize>,
        /// The element type that the run gave.
        element: super::tensor::ElementType,
        /// What the contract needs, in words.
        expected: String,
    },
}
