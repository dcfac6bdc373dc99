//! The gate of a promotion: runs the version that is to become stable and the one that it replaces on the instances of
//! both packages, by their own engines, and judges the result by `[gate]` of model.toml.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use super::{model_version::ModelVersion, reference_instances::distinct_instances};
use crate::{
    domain::{
        comparison::{GateLimits, PairTally, PredictionPair, gate, refusal_reason},
        json::JsonValue,
        prediction::Prediction,
        tensor::Inputs,
    },
    runtime::lower_thread_priority,
};

/// How long one row may take.
const ROW_TIMEOUT: Duration = Duration::from_secs(30);

/// The reason of a row for which a version gives no prediction.
const FAILS: &str = "the model fails on it";

/// Returns each limit that the new version does not keep, in words; empty if it passes.
pub async fn gate_failures(old: &ModelVersion, new: &ModelVersion, limits: &GateLimits) -> Vec<String> {
    let mut tally = match PairTally::new(old.contract_source(), new.contract_source(), Vec::new()) {
        Ok(tally) => tally,
        Err(error) if limits.allow_breaking_contract => {
            tracing::warn!(model = %new.model, "the gate compares no predictions: {error}");
            return Vec::new();
        }
        Err(error) => return vec![error.to_string()],
    };
    // There are no true outcomes here, so this is the only limit that predictions are needed for.
    if limits.max_disagreement.is_some() {
        let of = |version: &ModelVersion| version.version.to_string();
        let instances = distinct_instances((&of(old), &old.reference_instances), (&of(new), &new.reference_instances));
        for (place, features) in &instances {
            compare(&mut tally, (old, new), place, features).await;
        }
    }
    let failures = gate(&tally.finish(), limits).into_iter();
    failures.map(|failure| format!("gate.{}: {}", failure.limit, failure.detail)).collect()
}

/// The prediction for an instance; `None` if there is none.
async fn predict(version: &ModelVersion, inputs: Inputs) -> Option<Prediction> {
    version.predict_in_background(inputs, Instant::now() + ROW_TIMEOUT).await.map(|(prediction, _)| prediction)
}

/// Has both versions answer an instance, and adds their answers to the tally.
async fn compare(tally: &mut PairTally, (old, new): (&ModelVersion, &ModelVersion), place: &str, features: &JsonValue) {
    let (before, after) = (old.contract.project(features), new.contract.project(features));
    match (old.admit_instance(&before), new.admit_instance(&after)) {
        (Ok(old_inputs), Ok(new_inputs)) => match (predict(old, old_inputs).await, predict(new, new_inputs).await) {
            (Some(old), Some(new)) => tally.add(&PredictionPair {
                row: &place,
                // The gate shows no rows.
                features: &JsonValue::Null,
                slices: &[],
                old: &old,
                new: &new,
                truth: None,
            }),
            (old, new) => tally.refuse(&place, old.is_none().then_some(FAILS), new.is_none().then_some(FAILS)),
        },
        (old, new) => {
            let reason = |refused: Option<_>| refused.as_ref().map(refusal_reason);
            tally.refuse(&place, reason(old.err()).as_deref(), reason(new.err()).as_deref());
        }
    }
}

/// What a gate judges: the two versions and the limits.
#[derive(Clone)]
pub(super) struct GateInputs {
    old: Weak<ModelVersion>,
    new: Weak<ModelVersion>,
    limits: GateLimits,
}

impl GateInputs {
    pub(super) fn new(old: &Arc<ModelVersion>, new: &Arc<ModelVersion>, limits: GateLimits) -> Self {
        Self { old: Arc::downgrade(old), new: Arc::downgrade(new), limits }
    }

    /// Whether both are of the same versions and limits.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.old.ptr_eq(&other.old) && self.new.ptr_eq(&other.new) && self.limits == other.limits
    }

    /// The old and the new version, if both are still loaded.
    pub(super) fn versions(&self) -> Option<(Arc<ModelVersion>, Arc<ModelVersion>)> {
        self.old.upgrade().zip(self.new.upgrade())
    }
}

/// What is known of the gate of an automatic promotion.
pub(super) enum GateState {
    /// It is being run.
    Running(GateInputs),
    /// It was run, with these failures.
    Judged(GateInputs, Vec<String>),
}

/// Runs the gate on a thread of low priority, and passes the failures on.
///
/// # Errors
/// Returns the OS error if the thread cannot be started.
pub(super) fn run_gate(
    (old, new): (Arc<ModelVersion>, Arc<ModelVersion>),
    limits: GateLimits,
    judged: impl FnOnce(GateInputs, Vec<String>) + Send + 'static,
) -> std::io::Result<()> {
    let inputs = GateInputs::new(&old, &new, limits);
    let work = move || {
        lower_thread_priority();
        let failures = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
            Ok(runtime) => runtime.block_on(gate_failures(&old, &new, &limits)),
            Err(error) => vec![format!("the gate could not be run: {error}")],
        };
        drop((old, new));
        judged(inputs, failures);
    };
    std::thread::Builder::new().name("gate".to_owned()).spawn(work).map(drop)
}
