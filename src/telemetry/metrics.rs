//! Every metric of the server, as a documented field of one struct.
//!
//! The doc comment of a field is also its help text in the scrape and in docs/metrics.md, so the three cannot differ.
//! Requests are recorded in `request_metrics`; the series of one version are in `version_metrics`.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use prometheus::{Registry, TextEncoder};

use super::{
    description::{MetricDescription, MetricKind},
    error::TelemetryError,
    family::{AnyFamily, Family},
    instrument::{Counter, Gauge, Histogram, Instrument, UpDownCounter},
    logging::LogHandle,
    openmetrics::{self, Exemplars},
};

// The list generates the struct, its constructor and the descriptions.
macro_rules! metrics {
    ($( $(#[doc = $help:literal])+ $field:ident: $kind:ident = $name:literal [$($label:literal),*]; )+) => {
        /// Every metric of the server.
        #[derive(Debug)]
        pub struct Metrics {
            registry: Registry,
            /// For each version that is served, the flag that retires its metrics.
            pub(super) live: Mutex<BTreeMap<(String, String), Arc<AtomicBool>>>,
            $( $(#[doc = $help])+ pub(super) $field: Family<$kind>, )+
        }

        impl Metrics {
            /// The descriptions of all metrics, in the order of the struct. The `process_*` metrics come from the
            /// `prometheus` crate and are not included.
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
    // The constructor takes exactly one description per field, so there is always a next one.
    let description = described.next().expect("one description a field");
    Family::register(registry, description)
}

metrics! {
    /// Requests completed, including rejected, failed and cancelled ones.
    requests: Counter = "candor_requests_total" ["protocol", "route", "model", "version", "status", "code"];
    /// Time in seconds from the arrival of the request head until the response is ready to be sent, by outcome: `ok`,
    /// `refused` (4xx and 503), `failed` (500 and 504) or `cancelled` (the client disconnected).
    request_seconds: Histogram = "candor_request_duration_seconds" ["protocol", "route", "model", "version", "outcome"];
    /// Time in seconds that a request spent in one stage: `admit` (parsing and validation), `queue`, `infer` (the run
    /// of its batch), `interpret`, `explain` (all rows of the explanation) or `encode`.
    stage_seconds: Histogram = "candor_stage_duration_seconds" ["model", "version", "stage"];
    /// Number of rows in each batch that a session ran.
    batch_rows: Histogram = "candor_batch_rows" ["model", "version"];
    /// Rows run to explain predictions, not counting the predicted rows themselves.
    explain_rows: Counter = "candor_explain_rows_total" ["model", "version"];
    /// Batches run, by what closed them: `idle` (a session was free), `full` (the batch limit), `delay` (the maximum
    /// delay) or `deadline` (the deadline of a row).
    batch_close: Counter = "candor_batches_total" ["model", "version", "close_reason"];
    /// Current connections, by state: `open`, or `waiting` for an open connection to close.
    connections: UpDownCounter = "candor_connections" ["listener", "state"];
    /// Connections refused, by the limit that was reached: `address` (connections per address), `full` (connections of
    /// the listener) or `memory` (`http.max_buffered_bytes`).
    connections_refused: Counter = "candor_connections_refused_total" ["listener", "reason"];
    /// Connections closed because their client was too slow, by reason: `idle` (no request in progress) or
    /// `slow_reader` (a response was not read in time).
    connections_timed_out: Counter = "candor_connections_timed_out_total" ["listener", "reason"];
    /// Bytes of `http.max_buffered_bytes` currently reserved for connections, request bodies and responses.
    buffered_bytes: UpDownCounter = "candor_buffered_bytes" [];
    /// Rows currently waiting in the queue, including rows of explanations.
    queue_depth: UpDownCounter = "candor_queue_depth" ["model", "version"];
    /// Prediction requests currently being processed, from the complete body until the prediction, or its explanation,
    /// is ready.
    in_flight: UpDownCounter = "candor_requests_in_flight" ["model", "version"];
    /// Requests rejected or timed out because of load or limits, by reason: `queue_full`, `deadline` (the deadline
    /// would be or was missed), `rate_limit`, `draining` (the server is shutting down) or `memory`
    /// (`http.max_buffered_bytes` is exhausted).
    shed: Counter = "candor_requests_shed_total" ["model", "version", "reason"];
    /// Requests whose client disconnected before the response, by stage: `body` (while the body was being received) or
    /// `request` (otherwise).
    cancelled: Counter = "candor_cancelled_total" ["model", "version", "stage"];
    /// Rows abandoned because their deadline passed or their client disconnected, by the stage that they had reached:
    /// `queue` or `infer`. A request with an explanation has several rows.
    abandoned_rows: Counter = "candor_abandoned_rows_total" ["model", "version", "stage"];
    /// Violations of the data contract, by feature and violation code; at most 32 are counted per request.
    violations: Counter = "candor_contract_violations_total" ["model", "version", "feature", "code"];
    /// Warnings about values that satisfy the data contract but violate one of its soft rules, by feature.
    warnings: Counter = "candor_contract_warnings_total" ["model", "version", "feature"];
    /// Uncertainty of each prediction: from 0 to 1 for classification, in the unit of the target for regression.
    uncertainty: Histogram = "candor_uncertainty" ["model", "version"];
    /// Predictions by predicted class; classification only.
    predictions: Counter = "candor_predictions_total" ["model", "version", "class"];
    /// Predicted values, in the unit of the target; regression only.
    prediction_value: Histogram = "candor_prediction_value" ["model", "version"];
    /// Provenance and configuration of a loaded version; the value is always 1.
    model_info: Gauge = "candor_model_info"
        ["model", "version", "contract", "training_data", "model_sha256", "provider", "uncertainty_method"];
    /// State of a version: 1 for the current state (`loading`, `ready`, `unloading` or `unavailable`), 0 for the
    /// others.
    model_state: Gauge = "candor_model_state" ["model", "version", "state"];
    /// Time in seconds that the last load of a version took, including its golden cases.
    model_load_seconds: Gauge = "candor_model_load_seconds" ["model", "version"];
    /// Time in seconds that a session needs for a batch of `rows` rows, as measured at load.
    model_cost_seconds: Gauge = "candor_model_batch_seconds" ["model", "version", "rows"];
    /// Copies of requests for a shadow, by what became of them: `agree`, `disagree`, `undecided` (values without an
    /// interval), `error` (the shadow gave no answer) or `dropped` (no processor was idle, or the shadow is too slow).
    shadow_rows: Counter = "candor_shadow_rows_total" ["model", "version", "outcome"];
    /// Difference between the answers of a shadow and those that callers got: the largest difference of a probability,
    /// or that of the values in units of half the interval.
    shadow_difference: Histogram = "candor_shadow_difference" ["model", "version"];
    /// The time that a shadow computed for a row, divided by that of the answer that the caller got.
    shadow_latency_ratio: Histogram = "candor_shadow_latency_ratio" ["model", "version"];
    /// The uncertainty of a shadow's answer minus that of the answer that the caller got.
    shadow_uncertainty: Histogram = "candor_shadow_uncertainty_difference" ["model", "version"];
    /// Requests that are part of an A/B experiment, by arm (`variant`) and outcome.
    variant_requests: Counter = "candor_variant_requests_total" ["model", "version", "variant", "outcome"];
    /// Moves of rollouts that the server made itself: a step of a canary, its promotion, or its rollback by the guard.
    automatic_moves: Counter = "candor_automatic_moves_total" ["model", "move"];
    /// Log lines dropped because the log is read too slowly or cannot be written.
    log_dropped: Counter = "candor_log_lines_dropped_total" [];
    /// Loads that exceeded their time limit and could not be stopped; the thread of each keeps running.
    abandoned_loads: Counter = "candor_abandoned_loads_total" [];
    /// Build information of the server; the value is always 1.
    build_info: Gauge = "candor_build_info"
        ["version", "revision", "onnxruntime", "onnxruntime_built_for", "features"];
}

/// The running build, for `candor_build_info`.
#[derive(Debug, Clone, Copy)]
pub struct BuildInfo<'a> {
    /// The server version.
    pub version: &'a str,
    /// The source revision of the build.
    pub revision: &'a str,
    /// The ONNX Runtime version that the server was built for.
    pub onnxruntime_built_for: &'a str,
    /// The optional crate features that were enabled, separated by commas.
    pub features: &'a str,
    /// The version of the loaded ONNX Runtime library.
    pub onnxruntime: &'a str,
}

/// Provenance and configuration of a version, for `candor_model_info`. Unknown values are empty.
#[derive(Debug, Clone, Copy)]
pub struct ModelInfo<'a> {
    /// The model's name.
    pub model: &'a str,
    /// The version's name.
    pub version: &'a str,
    /// The contract id.
    pub contract: &'a str,
    /// The name of the training data.
    pub training_data: &'a str,
    /// The SHA-256 of the model file, in hex.
    pub model_sha256: &'a str,
    /// The execution providers in use, separated by commas.
    pub provider: &'a str,
    /// The method that estimates the uncertainty.
    pub uncertainty_method: &'a str,
}

/// The state of a version, for `candor_model_state`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelState {
    /// It is being read and verified.
    Loading,
    /// It is serving requests.
    Ready,
    /// It finishes the requests that it accepted and accepts no new ones.
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
    /// Creates all metrics, at zero, and the metrics of this process (on Linux).
    ///
    /// # Errors
    ///
    /// Returns [`TelemetryError`] if two metrics share a name, which a test rules out.
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
        // Create the series, so that it is exposed at zero.
        metrics.abandoned_loads.series(&[], Counter::default);
        Ok(metrics)
    }

    /// Removes all series of an unloaded version except `candor_requests_total`, because a sum over versions must not
    /// decrease when a version is unloaded.
    pub fn remove_version(&self, model: &str, version: &str) {
        let key = (model.to_owned(), version.to_owned());
        let mut live = self.live.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(gone) = live.remove(&key) {
            gone.store(true, Ordering::Relaxed);
        }
        let kept = AnyFamily::name(&self.requests);
        for family in self.families() {
            if family.name() != kept {
                family.remove(model, version);
            }
        }
    }

    /// Sets the state of a version.
    pub fn set_state(&self, model: &str, version: &str, state: ModelState) {
        for (each, name) in STATES {
            let series = self.model_state.series(&[model, version, name], Gauge::default);
            series.set(if each == state { 1.0 } else { 0.0 });
        }
    }

    /// Counts a move that the server made itself.
    pub fn count_automatic_move(&self, model: &str, name: &str) {
        self.automatic_moves.series(&[model, name], Counter::default).inc();
    }

    /// Counts a load that could not be stopped.
    pub fn count_abandoned_load(&self) {
        self.abandoned_loads.series(&[], Counter::default).inc();
    }

    /// Sets the provenance and configuration of a version, replacing the previous values.
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

    /// Exposes the counter of dropped lines of this log.
    pub fn watch_log(&self, log: &LogHandle) {
        self.log_dropped.adopt(&[], log.dropped());
    }

    /// Renders the text format 0.0.4, without exemplars.
    pub fn text(&self) -> String {
        let mut text = String::new();
        // The encoder rejects only empty families, which `gather` leaves out.
        if let Err(error) = TextEncoder::new().encode_utf8(&self.registry.gather(), &mut text) {
            tracing::error!(%error, "the metrics were written only in part");
        }
        text
    }

    /// Renders `OpenMetrics` 1.0, with exemplars.
    pub fn openmetrics(&self) -> String {
        // Collect the exemplars before the counts, so that each exemplar is in a bucket that already counts it.
        let mut exemplars = Exemplars::default();
        for family in self.families() {
            family.collect_exemplars(&mut exemplars);
        }
        openmetrics::render(&self.registry.gather(), &exemplars)
    }
}
