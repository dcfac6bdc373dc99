//! Turns the outputs of a run into a prediction.

use std::sync::Arc;

use super::ServeError;
use crate::{
    domain::{
        error_code::ErrorCode,
        prediction::{InterpretError, Prediction},
        uncertainty::AssessContext,
    },
    repository::ModelVersion,
    runtime::{Completed, RunError, run_detached},
};

/// The minimum size of an element in a response, in bytes: a digit and a separator.
pub const MIN_BYTES_PER_ELEMENT: usize = 2;

/// Interprets one row with large outputs off the server threads.
pub(super) async fn interpret_detached(
    version: Arc<ModelVersion>,
    completed: Completed,
    group: Option<usize>,
    features_hash: String,
) -> Result<Prediction, ServeError> {
    let interpreted =
        run_detached(move || interpret(&version, completed, AssessContext { group, features_hash: &features_hash }));
    interpreted.await.map_err(|error| ServeError::internal().with_cause(error))?
}

/// Interprets one completed row.
pub(super) fn interpret(
    version: &ModelVersion,
    completed: Completed,
    of: AssessContext<'_>,
) -> Result<Prediction, ServeError> {
    let (outputs, row) = completed.result.map_err(|error| match error {
        RunError::Panicked => ServeError::internal().with_cause(error),
        RunError::TooLarge { elements, max_elements } => {
            ServeError::answer_too_large(&version.model, elements, max_elements * MIN_BYTES_PER_ELEMENT)
        }
        RunError::Failed(_) | RunError::TimedOut { .. } => {
            let detail = format!("{} failed on this input; the cause is in the log", version.model);
            ServeError::new(ErrorCode::InferenceFailed, detail).with_cause(error)
        }
    })?;
    version.interpret(&outputs, row, of).map_err(|error| match error {
        InterpretError::NonFinite { .. } => {
            let detail = format!(
                "{} returned a value that is not a finite number; a common cause is a feature far outside its usual \
                     range",
                version.model
            );
            ServeError::new(ErrorCode::NonFiniteOutput, detail).with_cause(error)
        }
        InterpretError::NotProbabilities { .. } => {
            let detail = format!(
                "{} returned class probabilities outside the range 0 to 1 or with a sum other than 1",
                version.model
            );
            ServeError::new(ErrorCode::InvalidProbabilities, detail).with_cause(error)
        }
        InterpretError::Shape { .. } => {
            let detail = format!("{} returned an output whose shape does not match the contract", version.model);
            ServeError::new(ErrorCode::InferenceFailed, detail).with_cause(error)
        }
    })
}
