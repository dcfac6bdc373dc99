//! Explains a prediction: runs the rows of the sampling plan at low priority and within the deadline of the request. If
//! this fails, the prediction is still returned, with a warning.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use futures_util::future::join_all;
use serde::Deserialize;

use super::interpret::interpret;
use crate::{
    domain::{
        explanation::{DisplayedFeature, Explanation, SamplingPlan, ShapleyProblem, ValueRange},
        float::Float,
        json::JsonValue,
        prediction::{Outcome, Prediction, Warning, WarningCode},
        tensor::Inputs,
        uncertainty::AssessContext,
    },
    repository::{Baseline, BaselineState, ModelVersion},
    runtime::{Priority, SubmitError},
};

/// Time reserved before the deadline for writing and sending the response; at most a quarter of the time left.
const RESPONSE_MARGIN: Duration = Duration::from_millis(20);

/// One explanation has at most one `MAX_QUEUE_SHARE`th of the queue's rows in flight, so that several can run
/// concurrently.
const MAX_QUEUE_SHARE: usize = 8;

/// The prediction to explain.
pub(super) struct ExplainRequest<'a> {
    pub(super) version: &'a ModelVersion,
    /// The body of the request, already validated.
    pub(super) body: &'a [u8],
    /// The instance, as tensors.
    pub(super) instance: Inputs,
    pub(super) prediction: &'a Prediction,
    pub(super) features_hash: &'a str,
    /// The deadline of the request.
    pub(super) due: Instant,
}

/// The result of an explanation.
#[derive(Debug, Default)]
pub(super) struct ExplainOutcome {
    pub(super) explanation: Option<Explanation>,
    /// Why the explanation is missing or incomplete.
    pub(super) warning: Option<Warning>,
    /// How many rows the model answered for it.
    pub(super) rows: usize,
}

/// The number of a prediction that is explained.
#[derive(Debug, Clone, Copy)]
enum ExplainedOutput {
    /// The probability of this class, which is the predicted one.
    Class(usize),
    /// The value of a regression.
    Value,
}

impl ExplainedOutput {
    fn of(prediction: &Prediction) -> Option<Self> {
        match &prediction.outcome {
            Outcome::Classification { class, .. } => Some(Self::Class(*class)),
            Outcome::Regression { .. } => Some(Self::Value),
            Outcome::Tensors { .. } => None,
        }
    }

    fn read(self, prediction: &Prediction) -> Option<Float> {
        match (self, &prediction.outcome) {
            (Self::Class(class), Outcome::Classification { probabilities, .. }) => probabilities.get(class).copied(),
            (Self::Value, Outcome::Regression { value }) => Some(*value),
            _ => None,
        }
    }

    fn range(self) -> ValueRange {
        match self {
            Self::Class(_) => ValueRange::Fixed(1.0),
            Self::Value => ValueRange::Observed,
        }
    }
}

/// Why no further rows are run.
#[derive(Debug, Clone)]
enum StopReason {
    Deadline,
    Capacity,
    Failed(String),
}

/// The inputs of the Shapley computation.
struct ExplanationSetup<'a> {
    baseline: &'a Baseline,
    target: ExplainedOutput,
    /// The predicted number.
    worth: Float,
    /// The features that differ from the baseline, by their index in the contract.
    players: Vec<usize>,
    due: Instant,
}

/// Explains a prediction within the limits on rows, queue and time.
pub(super) async fn explain_prediction(request: ExplainRequest<'_>) -> ExplainOutcome {
    request.run_plan().await
}

impl ExplainRequest<'_> {
    async fn run_plan(&self) -> ExplainOutcome {
        let setup = match self.prepare() {
            Ok(setup) => setup,
            Err((code, detail)) => {
                return ExplainOutcome { warning: Some(warning(code, detail)), ..ExplainOutcome::default() };
            }
        };
        let seed = format!("{} {}", self.version.graph_sha256, self.features_hash);
        let mut plan = SamplingPlan::new(&ShapleyProblem {
            players: setup.players.len(),
            worth: setup.worth.as_f64(),
            range: setup.target.range(),
            rows: self.version.limits.max_explain_rows,
            seed: seed.as_bytes(),
        });
        let mut rows = 0;
        let stop = loop {
            let coalitions = plan.next(self.max_concurrent_rows());
            if coalitions.is_empty() {
                break None;
            }
            let mixed = coalitions.iter().map(|coalition| {
                let taken = setup.players.iter().enumerate().filter(|(player, _)| coalition.contains(*player));
                let taken = taken.map(|(_, feature)| *feature);
                self.version.contract.with_features_from(&setup.baseline.inputs, &self.instance, taken)
            });
            let answers = join_all(mixed.map(|inputs| self.run(inputs, &setup))).await;
            let mut stop = None;
            for (coalition, answer) in coalitions.into_iter().zip(answers) {
                match answer {
                    Ok(worth) => {
                        rows += 1;
                        plan.record(coalition, worth);
                    }
                    Err(reason) => stop = stop.or(Some(reason)),
                }
            }
            if stop.is_some() {
                break stop;
            }
            // Rows may run inline on this thread, so let its other tasks proceed.
            tokio::task::yield_now().await;
        };
        self.report(&mut plan, &setup, stop.as_ref(), rows)
    }

    /// Returns the inputs of the computation, or the code and detail of a warning if there is nothing to explain.
    fn prepare(&self) -> Result<ExplanationSetup<'_>, (WarningCode, String)> {
        let Self { version, .. } = self;
        let model = &version.model;
        let explained =
            ExplainedOutput::of(self.prediction).and_then(|target| Some((target, target.read(self.prediction)?)));
        let Some((target, worth)) = explained else {
            let detail =
                format!("{model} returns tensors; only class probabilities and regression values can be explained");
            return Err((WarningCode::ExplanationUnavailable, detail));
        };
        if version.limits.max_explain_rows == 0 {
            return Err((WarningCode::ExplanationUnavailable, format!("explanations of {model} are disabled")));
        }
        let baseline = match &version.baseline {
            BaselineState::Ready(baseline) => baseline,
            BaselineState::Unavailable(reason) => return Err((WarningCode::ExplanationUnavailable, reason.clone())),
            BaselineState::NoProfile => {
                let detail = format!(
                    "{model} has no profile.json, which provides the baseline; create it with `candor init model.onnx \
                     --data train.csv`"
                );
                return Err((WarningCode::NoProfile, detail));
            }
        };
        let players = version.contract.differing_features(&baseline.inputs, &self.instance);
        let left = self.due.saturating_duration_since(Instant::now());
        let due = self.due.checked_sub(RESPONSE_MARGIN.min(left / 4)).unwrap_or(self.due);
        Ok(ExplanationSetup { baseline, target, worth, players, due })
    }

    /// Returns how many rows may be in flight: a full batch for every session, within the share of the queue.
    fn max_concurrent_rows(&self) -> usize {
        let Self { version, .. } = self;
        let run = if version.contract.batched { version.limits.max_batch_rows } else { 1 };
        (run * version.plan.workers).min(version.limits.max_queue_rows / MAX_QUEUE_SHARE).max(1)
    }

    async fn run(&self, inputs: Inputs, setup: &ExplanationSetup<'_>) -> Result<f64, StopReason> {
        let completed = self.version.engine.execute(inputs, setup.due, Priority::Explain).await;
        let completed = completed.map_err(|error| match error {
            SubmitError::WouldMissDeadline { .. }
            | SubmitError::DeadlineTooShort { .. }
            | SubmitError::DeadlineExceeded => StopReason::Deadline,
            SubmitError::QueueFull { .. } | SubmitError::ShuttingDown => StopReason::Capacity,
            SubmitError::WorkerLost => StopReason::Failed(error.to_string()),
        })?;
        let failed = |failure: super::ServeError| StopReason::Failed(failure.cause.unwrap_or(failure.detail));
        // The group affects only prediction sets and intervals; here only the probability or the value is read.
        let of = AssessContext { group: None, features_hash: self.features_hash };
        let prediction = interpret(self.version, completed, of).map_err(failed)?;
        let worth = setup.target.read(&prediction).map(Float::as_f64);
        worth.ok_or_else(|| StopReason::Failed("the prediction has a different task".to_owned()))
    }

    /// Returns the explanation so far, with a warning if it is missing or incomplete.
    fn report(
        &self,
        plan: &mut SamplingPlan,
        setup: &ExplanationSetup<'_>,
        stop: Option<&StopReason>,
        rows: usize,
    ) -> ExplainOutcome {
        let failed = |cause: &str| {
            let Self { version, .. } = self;
            tracing::warn!(model = %version.model, version = %version.version, "an explanation failed: {cause}");
            let detail = "the model failed on a row between the baseline and the instance; the cause is in the log";
            ExplainOutcome {
                warning: Some(warning(WarningCode::ExplanationFailed, detail.to_owned())),
                rows,
                ..ExplainOutcome::default()
            }
        };
        if let Some(StopReason::Failed(cause)) = stop {
            return failed(cause);
        }
        let (explanation, complete) = match plan.estimate() {
            None => (None, false),
            Some(estimate) => {
                let made = Explanation::new(&estimate, &setup.players, self.features(setup), setup.worth.element());
                let Some(made) = made else {
                    return failed("a contribution exceeds the range of the model's output type");
                };
                (Some(made), estimate.complete)
            }
        };
        let least = plan.min_rows();
        let limit = self.version.limits.max_explain_rows;
        let reason = match stop {
            _ if complete => return ExplainOutcome { explanation, warning: None, rows },
            Some(StopReason::Deadline) => "the deadline was near",
            Some(_) => "the model could not accept more rows",
            None if !plan.is_possible() && least <= limit => "too many features differ from the baseline",
            None => "the row limit was reached",
        };
        let detail = if explanation.is_some() {
            format!("{reason} after {rows} rows (of at most {limit}); the standard errors show the accuracy")
        } else {
            format!("{reason} after {rows} rows (of at most {limit}); an explanation needs at least {least} rows")
        };
        ExplainOutcome { explanation, warning: Some(warning(WarningCode::ExplanationIncomplete, detail)), rows }
    }

    /// Returns the features with their values in the request and in the baseline.
    fn features(&self, setup: &ExplanationSetup<'_>) -> Vec<DisplayedFeature> {
        #[derive(Deserialize)]
        struct Given {
            features: JsonValue,
        }
        // The body was validated, so parsing succeeds; only the displayed values depend on it.
        let given = serde_json::from_slice::<Given>(self.body).map_or(JsonValue::Null, |given| given.features);
        let by_name: HashMap<&str, &JsonValue> = match &given {
            JsonValue::Object(members) => members.iter().map(|(name, value)| (name.as_str(), value)).collect(),
            _ => HashMap::new(),
        };
        let features = self.version.contract.features.iter().zip(&setup.baseline.shown).enumerate();
        let shown = features.map(|(index, (feature, baseline))| {
            let given = match &given {
                JsonValue::List(values) => values.get(index),
                _ => by_name.get(feature.name.as_str()).copied(),
            };
            DisplayedFeature {
                name: feature.name.clone(),
                value: feature.display_value(given),
                baseline: baseline.clone(),
            }
        });
        shown.collect()
    }
}

fn warning(code: WarningCode, detail: String) -> Warning {
    Warning { pointer: "/explain".to_owned(), code, detail, feature: None }
}
