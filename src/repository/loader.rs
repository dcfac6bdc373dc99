//! Loads a version: reads its files, opens the graph, compiles the contract, verifies the version and starts its
//! workers.

use std::{
    ops::RangeInclusive,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    LOAD_TIMEOUT_MS,
    baseline::BaselineState,
    catalog::ModelVersion,
    checked_version::{self, CheckedVersion},
    contract_document::{contract_errors, contract_json, full_validation_keywords, problem, profile_errors},
    error::LoadError,
    files,
    load_supervisor::LoadSupervisor,
    model_settings::ModelSettings,
    package,
    scan::VersionDirectory,
    served_calibration::ServedCalibration,
    verified_version::VerifiedVersion,
};
use crate::{
    domain::{
        contract::{self, InputHasher},
        name::ModelName,
        uncertainty::{Calibrator, Coverage},
    },
    runtime::{
        self, Cancellation, Engine, EngineOptions, ExecutionPlan, Executor, OrtExecutor, OrtLibrary, Placement,
        PlanInputs, Policy, Probe, SessionOptions, Watchdog,
    },
    telemetry::{Metrics, ModelInfo, Task, VersionLabels},
};

/// Names of the load stages, for messages. [`VerifiedVersion::verify`] has the others.
pub(super) const READING: &str = "reading its files";
pub(super) const OPENING: &str = "opening the graph";
const OBSERVING: &str = "running instances to see what the graph answers";
const COMPARING: &str = "comparing the contract with the graph";
const STARTING: &str = "starting its sessions";

/// Loads versions. Clones share the timeout and the loads in progress.
#[derive(Clone)]
pub struct Loader {
    pub(super) library: OrtLibrary,
    pub(super) settings: runtime::Settings,
    /// The coverage if neither model.toml nor the contract sets one.
    coverage: Coverage,
    /// Maximum number of elements that a graph may return for one row.
    max_elements: usize,
    /// A package file to ignore, as if it did not exist.
    passed_over: Option<&'static str>,
    pub(super) loads: LoadSupervisor,
    /// Enforces the deadlines of the versions that this loader starts.
    pub(super) watchdog: Watchdog,
}

impl Loader {
    /// Creates a loader over a loaded ONNX Runtime library, with the default coverage and timeout.
    pub fn new(library: OrtLibrary, settings: runtime::Settings) -> Self {
        let (loads, watchdog) =
            (LoadSupervisor::new(Duration::from_millis(LOAD_TIMEOUT_MS.get())), Watchdog::default());
        let (coverage, max_elements) = (Coverage::DEFAULT, usize::MAX);
        Self { library, settings, coverage, max_elements, passed_over: None, loads, watchdog }
    }

    /// Sets the coverage.
    #[must_use]
    pub fn with_coverage(self, coverage: Coverage) -> Self {
        Self { coverage, ..self }
    }

    /// Rejects outputs with more elements per row than this.
    #[must_use]
    pub fn with_max_elements(self, max_elements: usize) -> Self {
        Self { max_elements, ..self }
    }

    /// Sets the timeout of one load. It also limits each run of a command.
    #[must_use]
    pub fn with_time_limit(self, limit: Duration) -> Self {
        Self { loads: LoadSupervisor::new(limit), ..self }
    }

    /// Ignores existing calibrations. Used to make new ones.
    #[must_use]
    pub fn without_calibrations(self) -> Self {
        Self { passed_over: Some(package::CALIBRATION), ..self }
    }

    /// Reads, builds and verifies a version.
    ///
    /// # Errors
    /// Returns every error that rejects the version: all errors of a stage, and those of later stages that can still be
    /// checked.
    pub fn verify_package(
        &self,
        model: &ModelName,
        version: &VersionDirectory,
        settings: &ModelSettings,
    ) -> Result<VerifiedVersion, Vec<LoadError>> {
        self.check(model, version, settings).outcome
    }

    /// Like [`Loader::verify_package`], but also returns the findings about the version.
    pub fn check(&self, model: &ModelName, version: &VersionDirectory, settings: &ModelSettings) -> CheckedVersion {
        let (loader, model, version, settings) = (self.clone(), model.clone(), version.clone(), settings.clone());
        let judged = self.loads.supervise(move |load| {
            let mut judged = loader.check_here(&model, &version, &settings, load);
            // No further session is opened, so the model bytes can be released.
            judged.outcome.iter_mut().for_each(|prepared| prepared.package.snapshot.release());
            judged
        });
        judged.unwrap_or_else(|error| CheckedVersion { outcome: Err(vec![error]), findings: Vec::new() })
    }

    /// Loads a version for serving: reads, builds and verifies it, then starts its workers.
    ///
    /// # Errors
    /// As for [`Loader::verify_package`]; also if another session cannot be opened or a thread cannot be started.
    pub(super) fn load(
        &self,
        model: &ModelName,
        version: &VersionDirectory,
        settings: &ModelSettings,
        metrics: &Arc<Metrics>,
    ) -> Result<ModelVersion, Vec<LoadError>> {
        let (loader, metrics) = (self.clone(), Arc::clone(metrics));
        let (model, version, settings) = (model.clone(), version.clone(), settings.clone());
        let outcome = self.loads.supervise(move |load| {
            runtime::lower_thread_priority();
            let _computing = runtime::ComputeGuard::begin();
            let prepared = loader.check_here(&model, &version, &settings, load).outcome?;
            loader.start(prepared, &metrics, load).map_err(|error| vec![error])
        });
        outcome.unwrap_or_else(|error| Err(vec![error]))
    }

    /// Checks a version on the current thread.
    fn check_here(
        &self,
        model: &ModelName,
        version: &VersionDirectory,
        settings: &ModelSettings,
        load: &Cancellation,
    ) -> CheckedVersion {
        let mut errors = Vec::new();
        let prepared = self.stages((model, version), settings, load, &mut errors);
        let findings = prepared.as_ref().map(checked_version::findings).unwrap_or_default();
        let outcome = match prepared.filter(|_| errors.is_empty()) {
            Some(mut prepared) => {
                prepared.notes = findings.iter().map(|finding| finding.detail.clone()).collect();
                prepared.executor.limit_runs(&self.watchdog, self.loads.limit);
                Ok(prepared)
            }
            None => Err(errors),
        };
        CheckedVersion { outcome, findings }
    }

    /// Runs the stages in order. Returns `None` if a stage fails and the next one is impossible without it.
    fn stages(
        &self,
        (model, version): (&ModelName, &VersionDirectory),
        settings: &ModelSettings,
        load: &Cancellation,
        errors: &mut Vec<LoadError>,
    ) -> Option<VerifiedVersion> {
        let started = Instant::now();
        load.enter(READING).ok()?;
        let package = package::read(version, self.passed_over, errors)?;
        load.enter(OPENING).ok()?;
        let graph_error = |source| LoadError::Graph { path: package.graph.clone(), source };
        let options = SessionOptions::new(&self.library, 1, &self.settings.providers);
        let opened = OrtExecutor::open(&self.library, package.snapshot.model(), &options.silence_ort(), load);
        let mut executor = opened.map_err(|source| errors.push(graph_error(source))).ok()?;
        if package.broken.contains(&"contract.json") {
            return None;
        }
        load.enter(OBSERVING).ok()?;
        let signature = executor.signature().clone();
        let (document, mut notes) = contract_json(&package, model, &mut executor);
        load.enter(COMPARING).ok()?;
        let mut refuse = |found| errors.extend(contract_errors(&package, found));
        let contract = contract::compile(&document, &signature).map_err(&mut refuse).ok()?;
        let schema =
            full_validation_keywords(&contract, &document, &mut notes).map_err(&mut refuse).unwrap_or_default();
        let canonical = serde_json_canonicalizer::to_vec(&document)
            .map_err(|error| refuse(vec![problem(error.to_string())]))
            .unwrap_or_default();
        errors.extend(profile_errors(&package, &contract));
        let (coverage, coverage_of) = match (settings.coverage, contract.coverage) {
            (Some(coverage), _) => (coverage, Some("model.toml")),
            (None, Some(coverage)) => (coverage, Some("contract.json")),
            (None, None) => (self.coverage, None),
        };
        let calibrated = package.calibration.as_ref().map(|file| ServedCalibration::new(file, &contract, coverage));
        let calibrated = calibrated.and_then(|made| made.map_err(|found| errors.extend(found)).ok());
        executor.set_outputs(contract.output.requested());
        executor.limit_elements(self.max_elements);
        executor.fix_rows(contract.fixed_rows);
        let unread = executor.unreadable_outputs().iter();
        notes.extend(
            unread.map(|output| format!("the output {output} is of a type that cannot be read: it is left out")),
        );
        let mut limits = settings.limits.clone();
        limits.max_batch_rows =
            contract.fixed_rows.map_or(limits.max_batch_rows, |rows| limits.max_batch_rows.min(rows));
        let mut prepared = VerifiedVersion {
            model: model.clone(),
            version: version.name.clone(),
            probe: Probe {
                sizes: Vec::new(),
                seconds: Vec::new(),
                cost: runtime::Cost { per_run: 0.0, per_row: 0.0 },
                largest_difference: 0.0,
            },
            notes,
            warnings: Vec::new(),
            example: contract.example(),
            contract_id: format!("sha256:{}", files::digest(&canonical)),
            contract,
            coverage,
            coverage_of,
            calibrated,
            package,
            document,
            schema,
            signature,
            executor,
            rows: Vec::new(),
            options,
            limits,
            started,
        };
        prepared.verify(load, errors);
        Some(prepared)
    }

    /// Starts the workers of a verified version.
    ///
    /// # Errors
    /// Returns [`LoadError`] if another session cannot be opened or a thread cannot be started.
    fn start(
        &self,
        prepared: VerifiedVersion,
        metrics: &Metrics,
        load: &Cancellation,
    ) -> Result<ModelVersion, LoadError> {
        let demand = PlanInputs {
            cost: prepared.probe.cost,
            max_rows: prepared.max_rows(),
            max_delay: prepared.limits.max_delay(),
            workers: prepared.limits.workers.unwrap_or(self.settings.workers),
            intra_threads: self.settings.intra_threads,
        };
        let plan = runtime::plan(runtime::available_cpus(), &demand);
        let providers = prepared.executor.providers().to_vec();
        load.enter(STARTING).map_err(|_| LoadError::Stopped)?;
        let executors = self.executors(&prepared, plan, load)?;
        let features: Vec<String> = prepared.contract.features.iter().map(|feature| feature.name.clone()).collect();
        let calibrator = prepared.calibrated.as_ref().map(|calibrated| &calibrated.calibrator);
        let uncertainty_buckets = calibrator.and_then(Calibrator::uncertainty_buckets);
        let value_buckets = calibrator.and_then(Calibrator::value_buckets);
        let recorded = metrics.version(&VersionLabels {
            model: prepared.model.as_str(),
            version: prepared.version.as_str(),
            task: task(prepared.contract.output.task()),
            classes: prepared.contract.output.classes(),
            features: &features,
            uncertainty_buckets: uncertainty_buckets.as_deref(),
            value_buckets: value_buckets.as_deref(),
        });
        let rows = batch_row_range(&plan, &demand, &prepared.probe);
        let options = EngineOptions {
            placement: plan.placement,
            policy: Policy {
                preferred_rows: *rows.start(),
                max_rows: *rows.end(),
                max_delay: demand.max_delay,
                high_water: prepared.limits.max_queue_rows / 2,
                cost: demand.cost,
            },
            capacity: prepared.limits.max_queue_rows,
        };
        let engine = Engine::start(executors, options, Arc::clone(&recorded), &self.watchdog)
            .map_err(|source| LoadError::Workers { source })?;
        let profile = prepared.package.profile.map(|(_, profile)| profile);
        let baseline = BaselineState::new(&prepared.contract, prepared.schema.as_ref(), profile.as_ref());
        let version = ModelVersion {
            example: prepared.example,
            model: prepared.model,
            version: prepared.version,
            fingerprint: InputHasher::new(&prepared.contract, &prepared.contract_id),
            contract: prepared.contract,
            contract_id: prepared.contract_id,
            calibrated: prepared.calibrated,
            document: prepared.document,
            schema: prepared.schema,
            provenance: prepared.package.provenance,
            profile,
            baseline,
            graph_sha256: prepared.package.graph_digest,
            signature: prepared.signature,
            limits: prepared.limits,
            notes: prepared.notes,
            plan,
            probe: prepared.probe,
            providers,
            load: prepared.started.elapsed(),
            metrics: recorded,
            engine,
        };
        export_metrics(&version, metrics);
        Ok(version)
    }

    /// Opens the sessions of a plan. The session that verified the version is not reused: it has grown with the batch
    /// sizes that were tried.
    fn executors(
        &self,
        prepared: &VerifiedVersion,
        plan: ExecutionPlan,
        load: &Cancellation,
    ) -> Result<Vec<Box<dyn Executor>>, LoadError> {
        let options = prepared.options.with_intra_threads(plan.intra_threads);
        let graph = &prepared.package.graph;
        let open = |_| {
            let mut executor = OrtExecutor::open(&self.library, prepared.package.snapshot.model(), &options, load)
                .map_err(|source| LoadError::Graph { path: graph.clone(), source })?;
            executor.set_outputs(prepared.contract.output.requested());
            executor.limit_elements(self.max_elements);
            executor.fix_rows(prepared.contract.fixed_rows);
            // Warm up: the first run of a session is slower than all later ones.
            if let Some(row) = prepared.rows.first() {
                executor.run(row).map_err(|source| LoadError::Run { path: graph.clone(), source })?;
            }
            Ok(Box::new(executor) as Box<dyn Executor>)
        };
        (0..plan.workers).map(open).collect()
    }
}

/// Returns the preferred and the maximum batch size. On the callers' threads both are the limit, since runs are short
/// there. On workers both come from the measured efficient sizes, unless the operator sets a delay to collect more
/// rows.
fn batch_row_range(plan: &ExecutionPlan, demand: &PlanInputs, probe: &Probe) -> RangeInclusive<usize> {
    if plan.placement == Placement::Workers && demand.max_delay.is_zero() {
        let worth = probe.efficient_batch_sizes();
        demand.max_rows.min(*worth.start())..=demand.max_rows.min(*worth.end())
    } else {
        demand.max_rows..=demand.max_rows
    }
}

fn task(task: contract::Task) -> Task {
    match task {
        contract::Task::Classification => Task::Classification,
        contract::Task::Regression => Task::Regression,
        contract::Task::Tensors => Task::Tensors,
    }
}

/// Exports the results of a load as metrics.
fn export_metrics(version: &ModelVersion, metrics: &Metrics) {
    version.metrics.set_load(version.load);
    for (rows, seconds) in version.probe.sizes.iter().zip(&version.probe.seconds) {
        version.metrics.set_cost(*rows, Duration::try_from_secs_f64(*seconds).unwrap_or_default());
    }
    metrics.set_model_info(&ModelInfo {
        model: version.model.as_str(),
        version: version.version.as_str(),
        contract: &version.contract_id,
        training_data: version.training_data().unwrap_or_default(),
        model_sha256: &version.graph_sha256,
        provider: &version.providers.join(","),
        uncertainty_method: version.uncertainty_method(),
    });
}
