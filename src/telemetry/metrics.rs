//! Every metric of the server, as a documented field of one struct.
//!
//! The doc comment of a field is its help text in the scrape and in
//! docs/metrics.md, so the three cannot differ. Requests are recorded in
//! `record`; what belongs to one version is in `version_metrics`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use prometheus::proto::MetricType;
use prometheus::{Registry, TextEncoder};

use super::error::TelemetryError;
use super::family::{AnyFamily, Family};
use super::instrument::{Counter, Gauge, Histogram, Instrument, UpDownCounter};
use super::logging::LogHandle;
use super::openmetrics::{self, Exemplars};
use super::version_metrics::{VersionLabels, VersionMetrics};

/// What one metric is, for the registry and for the documents.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricDescription {
    /// The name, with its unit.
    pub name: &'static str,
    /// Its type.
    pub kind: MetricKind,
    /// The names of its labels, in order.
    pub labels: &'static [&'static str],
    /// What it says, in plain words.
    pub help: &'static str,
}

/// The type of a metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// A count that only grows.
    Counter,
    /// A number that goes up and down.
    Gauge,
    /// Counts of values by bucket.
    Histogram,
}

impl MetricKind {
    fn of<I: Instrument>() -> Self {
        match I::TYPE {
            MetricType::COUNTER => Self::Counter,
            MetricType::HISTOGRAM => Self::Histogram,
            _ => Self::Gauge,
        }
    }
}

// One list makes the struct, its constructor and the descriptions.
macro_rules! metrics {
    ($( $(#[doc = $help:literal])+ $field:ident: $kind:ident = $name:literal [$($label:literal),*]; )+) => {
        /// Every metric of the server.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            pub(super) live: Mutex<BTreeMap<(String, String), Arc<VersionMetrics>>>,
            $( $(#[doc = $help])+ pub(super) $field: Family<$kind>, )+
        }

        impl Metrics {
            /// What every metric is, in the order of the struct. The `process_*`
            /// metrics come from the `prometheus` crate and are not among them.
            pub fn descriptions() -> Vec<MetricDescription> {
                vec![$( MetricDescription {
                    name: $name,
                    kind: MetricKind::of::<$kind>(),
                    labels: &[$($label),*],
                    help: concat!($($help),+).trim_ascii(),
                } ),+]
            }

            fn registered(registry: Registry) -> Result<Self, TelemetryError> {
                let described = Self::descriptions();
                let mut described = described.iter();
                $( let $field = next_family(&registry, &mut described)?; )+
                Ok(Self { registry, live: Mutex::default(), $($field),+ })
            }

            fn families(&self) -> Vec<&dyn AnyFamily> {
                vec![$( &self.$field ),+]
            }
        }
    };
}

fn next_family<'a, I: Instrument>(
    registry: &Registry,
    described: &mut impl Iterator<Item = &'a MetricDescription>,
) -> Result<Family<I>, TelemetryError> {
    // The constructor asks once for each description, so there is always a next one.
    let description = described.next().expect("one description a field");
    Family::register(registry, description)
}

metrics! {
    /// Requests that were answered, refused ones too.
    requests: Counter = "candor_requests_total" ["protocol", "route", "model", "version", "status", "code"];
    /// Time from the head of a request to its whole answer, by outcome: ok, refused (4xx and 503), failed (500 and 504)
    /// or cancelled (the client went away).
    request_seconds: Histogram = "candor_request_duration_seconds" ["protocol", "route", "model", "version", "outcome"];
    /// Time that a request spent in one stage: admit, queue, infer, interpret, explain or encode.
    stage_seconds: Histogram = "candor_stage_duration_seconds" ["model", "version", "stage"];
    /// Rows in a batch when it was given to a session.
    batch_rows: Histogram = "candor_batch_rows" ["model", "version"];
    /// Rows that were run to explain answers, beside those of the answers themselves.
    explain_rows: Counter = "candor_explain_rows_total" ["model", "version"];
    /// Batches by what closed them: idle, full, delay or deadline.
    batch_close: Counter = "candor_batches_total" ["model", "version", "close_reason"];
    /// Connections by state: open, or waiting until there is room for them.
    connections: UpDownCounter = "candor_connections" ["listener", "state"];
    /// Connections that were refused, by what had no room for them: the limit of an address, the limit of the server, or its memory.
    connections_refused: Counter = "candor_connections_refused_total" ["listener", "reason"];
    /// Connections that were closed because their client was too slow: idle, or slow to take an answer.
    connections_timed_out: Counter = "candor_connections_timed_out_total" ["listener", "reason"];
    /// Bytes that are reserved for connections, their request bodies and their answers, of `http.max_buffered_bytes`.
    buffered_bytes: UpDownCounter = "candor_buffered_bytes" [];
    /// Rows that wait for a worker now.
    queue_depth: UpDownCounter = "candor_queue_depth" ["model", "version"];
    /// Requests that were accepted and are not answered yet.
    in_flight: UpDownCounter = "candor_requests_in_flight" ["model", "version"];
    /// Requests that were refused to protect the others, by reason: `queue_full`, `deadline`, `rate_limit`, `draining`, or `memory` (no bytes left for bodies and answers).
    shed: Counter = "candor_requests_shed_total" ["model", "version", "reason"];
    /// Requests whose client went away before the answer, by the stage: `body` while it sent, `request` after that.
    cancelled: Counter = "candor_cancelled_total" ["model", "version", "stage"];
    /// Rows that were given up because their deadline passed or their client went away, by the stage they had reached: `queue` or `infer`. An explained request has several rows.
    abandoned_rows: Counter = "candor_abandoned_rows_total" ["model", "version", "stage"];
    /// Violations of the data contract, by the feature at fault and the code of the violation.
    violations: Counter = "candor_contract_violations_total" ["model", "version", "feature", "code"];
    /// Values that keep the data contract but break one of its soft rules, by feature.
    warnings: Counter = "candor_contract_warnings_total" ["model", "version", "feature"];
    /// Uncertainty of the answers: from 0 to 1 for classification, in the unit of the target for regression.
    uncertainty: Histogram = "candor_uncertainty" ["model", "version"];
    /// Answers by predicted class, for classification.
    predictions: Counter = "candor_predictions_total" ["model", "version", "class"];
    /// Predicted values in the unit of the target, for regression.
    prediction_value: Histogram = "candor_prediction_value" ["model", "version"];
    /// Where a loaded version comes from and how it runs; the value is always 1.
    model_info: Gauge = "candor_model_info"
        ["model", "version", "contract", "training_data", "model_sha256", "provider", "uncertainty_method"];
    /// 1 for the state that a version is in: loading, ready, unloading or unavailable; 0 for the others.
    model_state: Gauge = "candor_model_state" ["model", "version", "state"];
    /// Time that the last load of a version took, its golden cases included.
    model_load_seconds: Gauge = "candor_model_load_seconds" ["model", "version"];
    /// Time that a session needs for a batch of this many rows, as measured at load.
    model_cost_seconds: Gauge = "candor_model_batch_seconds" ["model", "version", "rows"];
    /// Log lines that were lost, because the log is read too slowly or cannot be written.
    log_dropped: Counter = "candor_log_lines_dropped_total" [];
    /// Loads that took too long and could not be stopped: a thread of each goes on.
    abandoned_loads: Counter = "candor_abandoned_loads_total" [];
    /// Which build of the server this is; the value is always 1.
    build_info: Gauge = "candor_build_info"
        ["version", "revision", "onnxruntime", "onnxruntime_built_for", "features"];
}

/// The build that runs, for `candor_build_info`.
#[derive(Debug, Clone, Copy)]
pub struct BuildInfo<'a> {
    /// The server's version.
    pub version: &'a str,
    /// The revision it was built from.
    pub revision: &'a str,
    /// The version of ONNX Runtime that it was built for.
    pub onnxruntime_built_for: &'a str,
    /// The optional features it was built with, with commas between.
    pub features: &'a str,
    /// The version of the ONNX Runtime library that was loaded.
    pub onnxruntime: &'a str,
}

/// Where a version comes from and how it runs, for `candor_model_info`. A value
/// that is not known is empty.
#[derive(Debug, Clone, Copy)]
pub struct ModelInfo<'a> {
    /// The model's name.
    pub model: &'a str,
    /// The version's name.
    pub version: &'a str,
    /// The contract's id.
    pub contract: &'a str,
    /// The name of the training data.
    pub training_data: &'a str,
    /// The SHA-256 of the model file, in hex.
    pub model_sha256: &'a str,
    /// The execution provider.
    pub provider: &'a str,
    /// How its uncertainty is found.
    pub uncertainty_method: &'a str,
}

/// The state of a version, for `candor_model_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelState {
    /// It is being read and checked.
    Loading,
    /// It answers.
    Ready,
    /// It answers what it accepted, and takes nothing new.
    Unloading,
    /// It could not be loaded.
    Unavailable,
}

const STATES: [(ModelState, &str); 4] = [
    (ModelState::Loading, "loading"),
    (ModelState::Ready, "ready"),
    (ModelState::Unloading, "unloading"),
    (ModelState::Unavailable, "unavailable"),
];

impl Metrics {
    /// Every metric, at zero, and the metrics of this process (on Linux).
    ///
    /// # Errors
    ///
    /// When two metrics share a name, which a test rules out.
    pub fn new(build: &BuildInfo<'_>) -> Result<Self, TelemetryError> {
        let registry = Registry::new();
        #[cfg(target_os = "linux")]
        {
            let added = registry.register(Box::new(super::process::Process::default()));
            added.map_err(|source| TelemetryError::Register { name: "process_*", source: source.into() })?;
        }
        let metrics = Self::registered(registry)?;
        let labels = [build.version, build.revision, build.onnxruntime, build.onnxruntime_built_for, build.features];
        metrics.build_info.series(&labels, Gauge::default).set(1.0);
        // It is there, at zero, before there is one.
        metrics.abandoned_loads.series(&[], Counter::default);
        Ok(metrics)
    }

    /// The metrics of one version, with every series resolved, to be kept as
    /// long as the version is served. Asked again for the same version it counts
    /// on in the same series.
    pub fn version(&self, labels: &VersionLabels<'_>) -> Arc<VersionMetrics> {
        let made = Arc::new(VersionMetrics::new(self, labels));
        let key = (labels.model.to_owned(), labels.version.to_owned());
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        live.insert(key, Arc::clone(&made));
        made
    }

    /// Forgets an unloaded version: all its series but `candor_requests_total`.
    /// Those stay, because a sum over versions must not fall when one leaves.
    pub fn remove_version(&self, model: &str, version: &str) {
        let key = (model.to_owned(), version.to_owned());
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gone) = live.remove(&key) {
            gone.retire();
        }
        let kept = AnyFamily::name(&self.requests);
        for family in self.families() {
            if family.name() != kept {
                family.remove(model, version);
            }
        }
    }

    /// Says which state a version is in.
    pub fn set_state(&self, model: &str, version: &str, state: ModelState) {
        for (each, name) in STATES {
            let series = self.model_state.series(&[model, version, name], Gauge::default);
            series.set(if each == state { 1.0 } else { 0.0 });
        }
    }

    /// Counts a load that could not be stopped.
    pub fn count_abandoned_load(&self) {
        self.abandoned_loads.series(&[], Counter::default).inc();
    }

    /// Says where a version comes from, in place of what was said before.
    pub fn set_model_info(&self, info: &ModelInfo<'_>) {
        let labels = [
            info.model,
            info.version,
            info.contract,
            info.training_data,
            info.model_sha256,
            info.provider,
            info.uncertainty_method,
        ];
        self.model_info.remove(info.model, info.version);
        self.model_info.series(&labels, Gauge::default).set(1.0);
    }

    /// Shows the lines that this log drops.
    pub fn watch_log(&self, log: &LogHandle) {
        self.log_dropped.adopt(&[], log.dropped());
    }

    /// The text format 0.0.4, without exemplars.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // The encoder refuses only empty families, and `gather` leaves those out.
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "the metrics were written only in part");
        }
        text
    }

    /// `OpenMetrics` 1.0, with exemplars.
    pub fn openmetrics(&self) -> String {
        // The exemplars come first, so that each is in a bucket that already counts it.
        let mut exemplars = Exemplars::default();
        for family in self.families() {
            family.collect_exemplars(&mut exemplars);
        }
        openmetrics::render(&self.registry.gather(), &exemplars)
    }
}
