//! The stages of one request once its version is pinned: admit, execute, interpret. Everything that serves joins it.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    ServeError,
    admit::admit,
    explain::{ExplainRequest, explain_prediction},
    interpret::{interpret, interpret_detached},
};
use crate::{
    domain::{
        contract::{Admitted, EntityId},
        error_code::ErrorCode,
        explanation::Explanation,
        prediction::{Prediction, Warning},
        uncertainty::AssessContext,
    },
    lifecycle::request_deadline,
    repository::ModelVersion,
    runtime::{Priority, SubmitError},
    telemetry::{ShedReason, Stages},
};

/// What is asked.
#[derive(Debug, Clone, Copy)]
pub struct PredictRequest<'a> {
    /// The body, as JSON.
    pub body: &'a [u8],
    /// When the request came in.
    pub arrived: Instant,
    /// How long the caller will wait.
    pub patience: Option<Duration>,
}

/// How far a request came, for its record, whether it is answered or not.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestProgress {
    /// How long each stage took.
    pub stages: Stages,
    /// The rows that shared the run.
    pub batch_rows: Option<usize>,
    /// The rows that were run to explain the answer.
    pub explain_rows: Option<usize>,
    /// The size of the body, decompressed.
    pub body_bytes: Option<usize>,
}

/// The answer to a request.
pub struct PredictResponse {
    /// The version that answered.
    pub version: Arc<ModelVersion>,
    /// The prediction and how sure it is.
    pub prediction: Prediction,
    /// Why it came out so, where that was asked and can be said.
    pub explanation: Option<Explanation>,
    /// What the caller should know.
    pub warnings: Vec<Warning>,
    /// Whom the instance is about.
    pub entity_id: Option<EntityId>,
    /// The fingerprint of the validated inputs.
    pub features_hash: String,
    /// How many numbers or texts the graph answered.
    pub elements: usize,
    /// When the answer must be there.
    pub due: Instant,
}

/// Outputs with more elements than this are read beside the threads that serve.
const LARGE_ELEMENTS: usize = 65_536;

/// Answers one request from a pinned version. `progress` is filled in stage by stage.
///
/// # Errors
/// [`ServeError`] when a stage refuses it or fails.
pub async fn predict(
    version: &Arc<ModelVersion>,
    call: PredictRequest<'_>,
    progress: &mut RequestProgress,
) -> Result<PredictResponse, ServeError> {
    let _in_flight = version.metrics.in_flight.guard();
    let started = Instant::now();
    let due = request_deadline(call.arrived, call.patience, started, version.limits.deadline());
    let Admitted { inputs, mut warnings, entity_id, explain } = admit(version, call.body)?;
    let features_hash = version.fingerprint.of(&inputs);
    let group = version.group(&inputs);
    progress.stages.admit = Some(started.elapsed());
    let instance = explain.then(|| inputs.clone());

    let executed = version.engine.execute(inputs, due, Priority::Predict).await;
    let completed = executed.map_err(|error| unanswered(version, error, TimeBudget { call, started, due }))?;
    progress.stages.queue = Some(completed.queue);
    progress.stages.infer = Some(completed.infer);
    progress.batch_rows = Some(completed.batch_rows);

    let started = Instant::now();
    let elements = completed.row_elements();
    let prediction = if elements <= LARGE_ELEMENTS {
        interpret(version, completed, AssessContext { group, features_hash: &features_hash })?
    } else {
        interpret_detached(Arc::clone(version), completed, group, features_hash.clone()).await?
    };
    warnings.extend(version.calibrated.iter().flat_map(|calibrated| calibrated.warnings(&prediction.assessment)));
    progress.stages.interpret = Some(started.elapsed());
    let mut explanation = None;
    if let Some(instance) = instance {
        let started = Instant::now();
        let request = ExplainRequest {
            version,
            body: call.body,
            instance,
            prediction: &prediction,
            features_hash: &features_hash,
            due,
        };
        // Boxed, because its size would otherwise be that of every request's future.
        let explained = Box::pin(explain_prediction(request)).await;
        progress.stages.explain = Some(started.elapsed());
        progress.explain_rows = Some(explained.rows);
        warnings.extend(explained.warning);
        explanation = explained.explanation;
    }
    let version = Arc::clone(version);
    Ok(PredictResponse { version, prediction, explanation, warnings, entity_id, features_hash, elements, due })
}

/// The time of a request.
#[derive(Clone, Copy)]
struct TimeBudget<'a> {
    call: PredictRequest<'a>,
    /// When its body was there.
    started: Instant,
    due: Instant,
}

impl TimeBudget<'_> {
    /// Who set the deadline, and how much time it gave.
    fn given(self, limit: Duration) -> String {
        let asked = self.call.patience.filter(|asked| self.call.arrived + *asked <= self.due);
        match asked {
            Some(asked) => format!("x-deadline-ms gave {} ms", asked.as_millis()),
            None => format!("the model's own limit (limits.deadline_ms) gives {} ms", limit.as_millis()),
        }
    }
}

/// Why a row has no answer, for its caller.
fn unanswered(version: &ModelVersion, error: SubmitError, time: TimeBudget<'_>) -> ServeError {
    let model = &version.model;
    match error {
        SubmitError::QueueFull { wait } => {
            let detail = format!("{model} has {} rows waiting and takes no more", version.limits.max_queue_rows);
            ServeError::overloaded(detail, ShedReason::QueueFull, wait)
        }
        SubmitError::WouldMissDeadline { wait } => {
            let detail = format!("{model} would have needed {} ms, more than the request has", wait.as_millis().max(1));
            ServeError::overloaded(detail, ShedReason::Deadline, wait)
        }
        SubmitError::DeadlineTooShort { row } => {
            let given = time.given(version.limits.deadline());
            let detail = if time.due <= time.started {
                format!("{given}, and the request took longer than that to arrive")
            } else if time.due <= Instant::now() {
                format!("{given}, and they had passed when the features were read")
            } else {
                format!("{given}; a row of {model} takes about {}", in_ms(row))
            };
            ServeError::new(ErrorCode::DeadlineExceeded, detail)
        }
        SubmitError::DeadlineExceeded => {
            ServeError::new(ErrorCode::DeadlineExceeded, format!("{model} had no answer within the deadline"))
        }
        SubmitError::ShuttingDown => {
            let detail = format!("{model} version {} is being stopped", version.version);
            ServeError::new(ErrorCode::Draining, detail).retry_after(Duration::from_secs(1))
        }
        SubmitError::WorkerLost => ServeError::internal().with_cause(error),
    }
}

/// A time in milliseconds, with a fraction where it is short.
fn in_ms(time: Duration) -> String {
    if time >= Duration::from_millis(10) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.2} ms", time.as_secs_f64() * 1e3)
    }
}
