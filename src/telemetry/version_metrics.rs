//! The series of one version, resolved once when the version is loaded.
//!
//! A successful request is recorded through these handles without a label lookup. `request_metrics` decides what is
//! recorded.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use super::{
    buckets,
    event::{REQUEST_OUTCOMES, RequestOutcome, STAGE_NAMES},
    family::Family,
    instrument::{Counter, Gauge, Histogram, UpDownCounter},
    metrics::Metrics,
};
use crate::domain::contract::Task;

/// The labels of a version, and its task.
#[derive(Debug, Clone, Copy)]
pub struct VersionLabels<'a> {
    /// The model's name.
    pub model: &'a str,
    /// The version's name.
    pub version: &'a str,
    /// The task.
    pub task: Task,
    /// The classes of the contract, in the order of the output; empty unless the task is classification.
    pub classes: &'a [String],
    /// The features of the contract; only these names become labels.
    pub features: &'a [String],
    /// Bucket bounds for the uncertainty of a regression, in the unit of the target, from the calibration. Without them
    /// the uncertainty is not counted.
    pub uncertainty_buckets: Option<&'a [f64]>,
    /// Bucket bounds for the predicted value of a regression, in the unit of the target, from the profile. The default
    /// is one bucket per decade.
    pub value_buckets: Option<&'a [f64]>,
}

/// What closed a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BatchCloseReason {
    /// A session was free.
    Idle,
    /// It reached the maximum number of rows.
    Full,
    /// Its first row had waited for the maximum delay.
    Delay,
    /// One of its rows would have missed its deadline.
    Deadline,
}

/// How far an abandoned row had come: the label `stage` of `candor_abandoned_rows_total`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AbandonStage {
    /// It was waiting.
    Queue,
    /// It was running.
    Infer,
}

impl AbandonStage {
    /// Returns the stage as a label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queue => "queue",
            Self::Infer => "infer",
        }
    }
}

const BATCH_CLOSE_REASONS: [&str; 4] = ["idle", "full", "delay", "deadline"];

/// The number of cached pairs of protocol and route. The server has fewer; any further pair would be looked up each
/// time, and still be counted.
const MAX_CACHED_ROUTES: usize = 16;

/// The series of one version.
#[derive(Debug)]
pub struct VersionMetrics {
    model: String,
    version: String,
    /// Rows currently waiting in the queue.
    pub queue_depth: Arc<UpDownCounter>,
    /// Prediction requests currently being processed.
    pub in_flight: Arc<UpDownCounter>,
    pub(super) stages: [Arc<Histogram>; STAGE_NAMES.len()],
    pub(super) uncertainty: Option<Arc<Histogram>>,
    pub(super) classes: Vec<Arc<Counter>>,
    pub(super) value: Option<Arc<Histogram>>,
    features: HashMap<String, OnceLock<Arc<Counter>>>,
    roads: [OnceLock<RouteSeries>; MAX_CACHED_ROUTES],
    batch_rows: Arc<Histogram>,
    pub(super) explain_rows: Arc<Counter>,
    batch_close: [Arc<Counter>; BATCH_CLOSE_REASONS.len()],
    abandoned_rows: Family<Counter>,
    load_seconds: Family<Gauge>,
    cost_seconds: Family<Gauge>,
    /// Set when the version is removed: its series must not come back.
    retired: Arc<AtomicBool>,
}

/// The series of one protocol and route.
#[derive(Debug)]
pub(super) struct RouteSeries {
    protocol: &'static str,
    route: &'static str,
    pub(super) answered: Arc<Counter>,
    /// Durations by outcome; each series is resolved by the first request with that outcome.
    seconds: [OnceLock<Arc<Histogram>>; REQUEST_OUTCOMES],
}

impl RouteSeries {
    /// The durations of the requests with this outcome.
    pub(super) fn seconds(&self, metrics: &Metrics, of: &VersionMetrics, ending: RequestOutcome) -> &Histogram {
        self.seconds[ending as usize].get_or_init(|| {
            let make = || Histogram::new(&buckets::REQUEST_SECONDS);
            if of.is_retired() {
                // A request that ends late must not recreate a series of a version that was removed.
                return Arc::new(make());
            }
            let labels = [self.protocol, self.route, &of.model, &of.version, ending.as_str()];
            metrics.request_seconds.series(&labels, make)
        })
    }
}

impl Metrics {
    /// Creates the metrics of one version, with every series resolved. Keep them as long as the version is served. A
    /// second call for the same version continues the same series.
    pub fn version(&self, labels: &VersionLabels<'_>) -> Arc<VersionMetrics> {
        let made = Arc::new(VersionMetrics::new(self, labels));
        let key = (labels.model.to_owned(), labels.version.to_owned());
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.insert(key, Arc::clone(&made.retired));
        made
    }
}

impl VersionMetrics {
    pub(super) fn new(metrics: &Metrics, of: &VersionLabels<'_>) -> Self {
        let both = [of.model, of.version];
        let stage = |name| {
            let make = || Histogram::new(&buckets::STAGE_SECONDS);
            metrics.stage_seconds.series(&[of.model, of.version, name], make)
        };
        let class = |name: &String| metrics.predictions.series(&[of.model, of.version, name], Counter::default);
        let close = |name| metrics.batch_close.series(&[of.model, of.version, name], Counter::default);
        let (uncertainty, value) = bounds(of);
        let classes = match of.task {
            Task::Classification => of.classes,
            Task::Regression | Task::Tensors => &[],
        };
        Self {
            model: of.model.to_owned(),
            version: of.version.to_owned(),
            queue_depth: metrics.queue_depth.series(&both, UpDownCounter::default),
            in_flight: metrics.in_flight.series(&both, UpDownCounter::default),
            stages: STAGE_NAMES.map(stage),
            uncertainty: uncertainty.map(|b| histogram(&metrics.uncertainty, both, &b)),
            classes: classes.iter().map(class).collect(),
            value: value.map(|b| histogram(&metrics.prediction_value, both, &b)),
            features: of.features.iter().map(|f| (f.clone(), OnceLock::new())).collect(),
            roads: std::array::from_fn(|_| OnceLock::new()),
            batch_rows: metrics.batch_rows.series(&both, || Histogram::new(&buckets::BATCH_ROWS)),
            explain_rows: metrics.explain_rows.series(&both, Counter::default),
            batch_close: BATCH_CLOSE_REASONS.map(close),
            abandoned_rows: metrics.abandoned_rows.clone(),
            load_seconds: metrics.model_load_seconds.clone(),
            cost_seconds: metrics.model_cost_seconds.clone(),
            retired: Arc::default(),
        }
    }

    /// The model's name.
    pub fn model(&self) -> &str {
        &self.model
    }

    /// The version's name.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Counts a row that was abandoned, by the stage that it had reached. The outcome of its request is counted when
    /// the request is recorded.
    pub fn count_abandoned_row(&self, stage: AbandonStage) {
        if !self.is_retired() {
            self.abandoned_rows.series(&[&self.model, &self.version, stage.as_str()], Counter::default).inc();
        }
    }

    /// Counts a batch of this many rows that a session ran.
    pub fn observe_batch(&self, rows: usize, reason: BatchCloseReason) {
        self.batch_rows.observe(f64::from(u32::try_from(rows).unwrap_or(u32::MAX)));
        self.batch_close[reason as usize].inc();
    }

    /// Sets how long the load took.
    pub fn set_load(&self, took: Duration) {
        let labels = [self.model.as_str(), &self.version];
        let series = self.load_seconds.series(&labels, Gauge::default);
        series.set(took.as_secs_f64());
    }

    /// Sets how long a session needs for a batch of this many rows.
    pub fn set_cost(&self, rows: usize, took: Duration) {
        let labels = [self.model.as_str(), &self.version, &rows.to_string()];
        let series = self.cost_seconds.series(&labels, Gauge::default);
        series.set(took.as_secs_f64());
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Relaxed)
    }

    /// The value of the label `feature`: a name of the contract, or `_unknown`.
    pub(super) fn feature<'a>(&self, name: &'a str) -> &'a str {
        if self.features.contains_key(name) { name } else { "_unknown" }
    }

    /// The warning counter of a feature; `None` if the contract lacks the feature. The series is created with the first
    /// warning, because a wide contract would otherwise add one series per feature to each scrape.
    pub(super) fn warning(&self, metrics: &Metrics, feature: &str) -> Option<&Counter> {
        let slot = self.features.get(feature)?;
        let labels = [self.model.as_str(), &self.version, feature];
        Some(slot.get_or_init(|| metrics.warnings.series(&labels, Counter::default)))
    }

    /// The series of a protocol and route; `None` if they are not cached and cannot be.
    pub(super) fn route_series(
        &self,
        metrics: &Metrics,
        protocol: &'static str,
        route: &'static str,
    ) -> Option<&RouteSeries> {
        for slot in &self.roads {
            // Two threads may fill two slots with the same route; both hold the same series.
            let road = match slot.get() {
                Some(road) => road,
                None if self.is_retired() => return None,
                None => slot.get_or_init(|| self.new_route_series(metrics, protocol, route)),
            };
            if road.route == route && road.protocol == protocol {
                return Some(road);
            }
        }
        None
    }

    fn new_route_series(&self, metrics: &Metrics, protocol: &'static str, route: &'static str) -> RouteSeries {
        let labels = [protocol, route, &self.model, &self.version, "200", "ok"];
        RouteSeries {
            protocol,
            route,
            answered: metrics.requests.series(&labels, Counter::default),
            seconds: std::array::from_fn(|_| OnceLock::new()),
        }
    }
}

/// The bucket bounds for uncertainty and value, if the task has them.
fn bounds(of: &VersionLabels<'_>) -> (Option<Vec<f64>>, Option<Vec<f64>>) {
    match of.task {
        Task::Classification => (Some(buckets::PROBABILITY.to_vec()), None),
        Task::Regression => {
            let value = of.value_buckets.and_then(buckets::sanitize_buckets);
            let value = value.unwrap_or_else(|| buckets::DEFAULT_VALUE_BUCKETS.to_vec());
            (of.uncertainty_buckets.and_then(buckets::sanitize_buckets), Some(value))
        }
        Task::Tensors => (None, None),
    }
}

/// A histogram with custom bounds. If the version was loaded before with other bounds, the histogram starts from zero:
/// counts cannot move between buckets.
fn histogram(family: &Family<Histogram>, labels: [&str; 2], bounds: &[f64]) -> Arc<Histogram> {
    let fits = |there: &Histogram| there.bounds() == bounds;
    family.series_matching(&labels, fits, || Histogram::new(bounds))
}
