//! Serves one request from a pinned version: admit, execute, interpret, and explain on request. Shared by all
//! protocols.

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

/// A request for a prediction.
#[derive(Debug, Clone, Copy)]
pub struct PredictRequest<'a> {
    /// The body, as JSON.
    pub body: &'a [u8],
    /// When the request arrived.
    pub arrived: Instant,
    /// The client's timeout, if it set one.
    pub client_timeout: Option<Duration>,
}

/// The progress of a request, for its record. It is kept for failed requests too.
#[derive(Debug, Clone, Copy, Default)]
pub struct RequestProgress {
    /// How long each stage took.
    pub stages: Stages,
    /// The rows in the batch that the request ran in.
    pub batch_rows: Option<usize>,
    /// The rows that were run for the explanation.
    pub explain_rows: Option<usize>,
    /// The size of the decompressed body, in bytes.
    pub body_bytes: Option<usize>,
}

/// The response to a request.
pub struct PredictResponse {
    /// The version that answered.
    pub version: Arc<ModelVersion>,
    /// The prediction with its uncertainty.
    pub prediction: Prediction,
    /// The explanation, if it was requested and is available.
    pub explanation: Option<Explanation>,
    /// Warnings for the client.
    pub warnings: Vec<Warning>,
    /// The id of the entity that the instance describes.
    pub entity_id: Option<EntityId>,
    /// The fingerprint of the validated inputs.
    pub features_hash: String,
    /// How many elements (numbers or strings) the graph returned.
    pub elements: usize,
    /// The deadline of the request.
    pub due: Instant,
}

/// Outputs with more elements than this are interpreted off the server threads.
const LARGE_ELEMENTS: usize = 65_536;

/// Answers one request from a pinned version, and fills in `progress` stage by stage.
///
/// # Errors
/// Returns a [`ServeError`] if a stage rejects the request or fails.
pub async fn predict(
    version: &Arc<ModelVersion>,
    call: PredictRequest<'_>,
    progress: &mut RequestProgress,
) -> Result<PredictResponse, ServeError> {
    let _in_flight = version.metrics.in_flight.guard();
    let started = Instant::now();
    let due = request_deadline(call.arrived, call.client_timeout, started, version.limits.deadline());
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
        // Boxed to keep the future of a request without an explanation small.
        let explained = Box::pin(explain_prediction(request)).await;
        progress.stages.explain = Some(started.elapsed());
        progress.explain_rows = Some(explained.rows);
        warnings.extend(explained.warning);
        explanation = explained.explanation;
    }
    let version = Arc::clone(version);
    Ok(PredictResponse { version, prediction, explanation, warnings, entity_id, features_hash, elements, due })
}

/// The deadline of a request and what it was derived from.
#[derive(Clone, Copy)]
struct TimeBudget<'a> {
    call: PredictRequest<'a>,
    /// When the body was complete.
    started: Instant,
    due: Instant,
}

impl TimeBudget<'_> {
    /// Describes which limit set the deadline, and how long it is.
    fn given(self, limit: Duration) -> String {
        let asked = self.call.client_timeout.filter(|asked| self.call.arrived + *asked <= self.due);
        match asked {
            Some(asked) => format!("x-deadline-ms is {} ms", asked.as_millis()),
            None => format!("the model's limits.deadline_ms is {} ms", limit.as_millis()),
        }
    }
}

/// Maps a failed submission to the error of the request.
fn unanswered(version: &ModelVersion, error: SubmitError, time: TimeBudget<'_>) -> ServeError {
    let model = &version.model;
    match error {
        SubmitError::QueueFull { wait } => {
            let max_rows = version.limits.max_queue_rows;
            let detail = format!("the queue of {model} is full (limits.max_queue_rows = {max_rows})");
            ServeError::overloaded(detail, ShedReason::QueueFull, wait)
        }
        SubmitError::WouldMissDeadline { wait } => {
            let wait_ms = wait.as_millis().max(1);
            let detail = format!("{model} would need about {wait_ms} ms, which exceeds the deadline of the request");
            ServeError::overloaded(detail, ShedReason::Deadline, wait)
        }
        SubmitError::DeadlineTooShort { row } => {
            let given = time.given(version.limits.deadline());
            let detail = if time.due <= time.started {
                format!("{given}, but the request took longer to arrive")
            } else if time.due <= Instant::now() {
                format!("{given}, which had passed when the features were read")
            } else {
                format!("{given}; a row of {model} takes about {}", in_ms(row))
            };
            ServeError::new(ErrorCode::DeadlineExceeded, detail)
        }
        SubmitError::DeadlineExceeded => {
            ServeError::new(ErrorCode::DeadlineExceeded, format!("{model} did not answer within the deadline"))
        }
        SubmitError::ShuttingDown => {
            let detail = format!("{model} version {} is being stopped", version.version);
            ServeError::new(ErrorCode::Draining, detail).retry_after(Duration::from_secs(1))
        }
        SubmitError::WorkerLost => ServeError::internal().with_cause(error),
    }
}

/// Formats a time in milliseconds, with two decimals below 10 ms.
fn in_ms(time: Duration) -> String {
    if time >= Duration::from_millis(10) {
        format!("{} ms", time.as_millis())
    } else {
        format!("{:.2} ms", time.as_secs_f64() * 1e3)
    }
}
