//! Copies answered requests to another version and compares its answer: to the shadow of a model, and while a canary
//! runs, the canary's requests to the stable version.
//!
//! Callers never wait for it: a copy is made after the answer, into a bounded queue, and dropped if that is full. Copies
//! for a shadow run at the lowest priority, so that they use idle processors only.

use std::{
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::sync::mpsc;

use super::{Assigned, PredictResponse, RequestProgress};
use crate::{
    domain::{
        comparison::{OutcomeScheme, PairDifference},
        float::Float,
        prediction::Prediction,
        random::hash64,
    },
    repository::{CanaryArm, CanaryWatch, ModelVersion},
    runtime::lowest_thread_priority,
    telemetry::{Metrics, ShadowOutcome, ShadowRow},
};

/// The most copies that wait.
const MAX_WAITING: usize = 256;

/// The most bytes of bodies that wait.
const MAX_WAITING_BYTES: usize = 8 << 20;

/// The most copies that run at once.
const MAX_RUNNING: usize = 32;

/// A copy of an answered request.
struct ShadowCopy {
    /// The version that is to answer it too.
    target: Arc<ModelVersion>,
    body: Box<[u8]>,
    /// The answer that the caller got.
    answer: Prediction,
    /// How long the version that gave it computed.
    took: Option<Duration>,
    /// How the outcomes of both versions compare, the answer's version first unless `for_canary`.
    scheme: Arc<OutcomeScheme>,
    /// The watch of the canary that gave the answer; `None` for the copy of a shadow.
    for_canary: Option<Arc<CanaryWatch>>,
}

/// Copies requests to other versions.
pub struct Shadows {
    metrics: Arc<Metrics>,
    /// For shadows, at the lowest priority.
    low_priority: OnceLock<Option<CopyWorker>>,
    /// For canaries, whose comparisons must not hold a session of the stable version for long.
    normal_priority: OnceLock<Option<CopyWorker>>,
}

/// A queue of copies and the thread that runs them.
struct CopyWorker {
    sender: mpsc::Sender<ShadowCopy>,
    bytes: Arc<AtomicUsize>,
}

impl Shadows {
    /// Creates it without threads; they start with the first copy.
    pub fn new(metrics: Arc<Metrics>) -> Self {
        Self { metrics, low_priority: OnceLock::new(), normal_priority: OnceLock::new() }
    }

    /// Copies an answered request to the versions that are to answer it too.
    pub fn copy(
        &self,
        assigned: &Assigned,
        request_id: &str,
        body: &[u8],
        answered: (&PredictResponse, RequestProgress),
    ) {
        let Some(split) = &assigned.split else { return };
        let (response, progress) = answered;
        let copy = |target: &Arc<ModelVersion>, scheme: &Arc<OutcomeScheme>, for_canary| ShadowCopy {
            target: Arc::clone(target),
            body: body.into(),
            answer: response.prediction.clone(),
            took: progress.stages.infer,
            scheme: Arc::clone(scheme),
            for_canary,
        };
        if let (Some((watch, CanaryArm::Canary)), Some(canary)) = (&assigned.counted, &split.canary) {
            if let Some(scheme) = &canary.scheme {
                let worker = self.normal_priority.get_or_init(|| CopyWorker::start(false, &self.metrics));
                let compare = || copy(&canary.stable, scheme, Some(Arc::clone(watch)));
                // A row that is not compared is not counted.
                let _ = worker.as_ref().is_some_and(|worker| worker.try_send(body.len(), compare));
            }
            return;
        }
        // The answers of experiments are those of several versions; a shadow is compared with the stable one.
        let Some(shadow) = split.shadow.as_ref().filter(|_| assigned.variant.is_none()) else { return };
        if !is_sampled(request_id, shadow.share) {
            return;
        }
        let worker = self.low_priority.get_or_init(|| CopyWorker::start(true, &self.metrics));
        let sent = worker
            .as_ref()
            .is_some_and(|worker| worker.try_send(body.len(), || copy(&shadow.version, &shadow.scheme, None)));
        if !sent {
            self.metrics.record_shadow(&shadow.version.metrics, ShadowRow::without_answer(ShadowOutcome::Dropped));
        }
    }
}

/// Whether a share of all requests includes this one.
fn is_sampled(request_id: &str, share: f64) -> bool {
    let mixed = request_id.bytes().fold(0, |mixed, byte| hash64(mixed ^ u64::from(byte)));
    share >= 1.0 || (mixed as f64) < share * u64::MAX as f64
}

impl CopyWorker {
    /// Starts the thread; `None` if that fails.
    fn start(lowest: bool, metrics: &Arc<Metrics>) -> Option<Self> {
        let (sender, copies) = mpsc::channel(MAX_WAITING);
        let bytes = Arc::new(AtomicUsize::new(0));
        let (held, metrics) = (Arc::clone(&bytes), Arc::clone(metrics));
        let work = move || {
            if lowest {
                lowest_thread_priority();
            }
            match tokio::runtime::Builder::new_current_thread().enable_all().build() {
                Ok(runtime) => runtime.block_on(run(copies, &held, &metrics)),
                Err(error) => tracing::error!(%error, "requests cannot be copied to a shadow"),
            }
        };
        match std::thread::Builder::new().name("shadow".to_owned()).spawn(work) {
            Ok(_) => Some(Self { sender, bytes }),
            Err(error) => {
                tracing::error!(%error, "requests cannot be copied to a shadow");
                None
            }
        }
    }

    /// Queues a copy if there is room; makes it only then.
    fn try_send(&self, bytes: usize, copy: impl FnOnce() -> ShadowCopy) -> bool {
        let Ok(permit) = self.sender.try_reserve() else { return false };
        if self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes > MAX_WAITING_BYTES {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return false;
        }
        permit.send(copy());
        true
    }
}

/// Runs copies until the server ends.
async fn run(mut copies: mpsc::Receiver<ShadowCopy>, held: &AtomicUsize, metrics: &Metrics) {
    let mut running = FuturesUnordered::new();
    loop {
        tokio::select! {
            copy = copies.recv(), if running.len() < MAX_RUNNING => match copy {
                Some(copy) => {
                    held.fetch_sub(copy.body.len(), Ordering::Relaxed);
                    running.push(answer(copy, metrics));
                }
                None => return,
            },
            Some(()) = running.next() => {}
        }
    }
}

/// Has the other version answer a copy, and records the comparison.
async fn answer(copy: ShadowCopy, metrics: &Metrics) {
    let Some((other, took)) = predict(&copy.target, &copy.body).await else {
        if copy.for_canary.is_none() {
            metrics.record_shadow(&copy.target.metrics, ShadowRow::without_answer(ShadowOutcome::Error));
        }
        return;
    };
    if let Some(watch) = copy.for_canary {
        // The stable version comes first in the scheme of a canary.
        if let Some(agrees) = copy.scheme.difference(&other, &copy.answer).and_then(|difference| difference.agree) {
            watch.compare(agrees);
        }
        return;
    }
    let difference = copy.scheme.difference(&copy.answer, &other);
    let uncertainty = |prediction: &Prediction| prediction.assessment.uncertainty.map(Float::as_f64);
    metrics.record_shadow(
        &copy.target.metrics,
        ShadowRow {
            outcome: match difference.as_ref().and_then(|difference| difference.agree) {
                Some(true) => ShadowOutcome::Agree,
                Some(false) => ShadowOutcome::Disagree,
                None => ShadowOutcome::Undecided,
            },
            difference: difference.as_ref().map(PairDifference::size),
            latency_ratio: copy
                .took
                .filter(|took| !took.is_zero())
                .map(|before| took.as_secs_f64() / before.as_secs_f64()),
            uncertainty_difference: uncertainty(&other).zip(uncertainty(&copy.answer)).map(|(new, old)| new - old),
        },
    );
}

/// The prediction of a version for a body, and how long it computed; `None` if there is none.
async fn predict(version: &ModelVersion, body: &[u8]) -> Option<(Prediction, Duration)> {
    let inputs = version.admit(body).ok()?.inputs;
    version.predict_in_background(inputs, Instant::now() + version.limits.deadline()).await
}
