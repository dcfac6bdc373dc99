//! From a version's files to a version that is proven and serves: read, build, compare, warm up, judge, probe.

use std::{
    ops::RangeInclusive,
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    bare,
    calibrated::Calibrated,
    catalog::ModelVersion,
    error::LoadError,
    judged::{self, Judged},
    listing::VersionDirectory,
    model_settings::ModelSettings,
    package::{self, Package},
    prepared::Prepared,
    schema::SchemaPass,
};
use crate::{
    domain::{
        contract::{self, Contract, Fingerprint, Literal, Problem},
        name::ModelName,
        uncertainty::{Calibrator, Coverage},
    },
    runtime::{
        self, Demand, Engine, EngineOptions, Executor, Library, OpenError, OrtExecutor, Placement, Plan, Policy, Probe,
        SessionOptions,
    },
    telemetry::{Metrics, ModelInfo, Task, VersionLabels},
};

/// Loads versions.
#[derive(Clone)]
pub struct Loader {
    library: Library,
    settings: runtime::Settings,
    /// The coverage where nothing nearer to the model says one.
    coverage: Coverage,
    /// A file of packages that is taken as not there.
    passed_over: Option<&'static str>,
}

impl Loader {
    /// A loader over a loaded library, that serves calibrations at the default coverage.
    pub fn new(library: Library, settings: runtime::Settings) -> Self {
        Self { library, settings, coverage: Coverage::DEFAULT, passed_over: None }
    }

    /// The same with another coverage.
    #[must_use]
    pub fn with_coverage(self, coverage: Coverage) -> Self {
        Self { coverage, ..self }
    }

    /// The same, taking calibrations as not there: for the one that makes them anew.
    #[must_use]
    pub fn without_calibrations(self) -> Self {
        Self { passed_over: Some(package::CALIBRATION), ..self }
    }

    /// Opens a graph alone, without a package.
    ///
    /// # Errors
    /// [`OpenError`] when it cannot be run.
    pub fn open(&self, graph: &Path) -> Result<OrtExecutor, OpenError> {
        OrtExecutor::open(&self.library, graph, &SessionOptions::new(&self.library, 1, &self.settings.providers))
    }

    /// Reads, builds and proves a version.
    ///
    /// # Errors
    /// Everything that refuses the version: of each stage all problems are told, and of the stages after it those that
    /// can still be looked at.
    pub fn prepare(
        &self,
        model: &ModelName,
        version: &VersionDirectory,
        settings: &ModelSettings,
    ) -> Result<Prepared, Vec<LoadError>> {
        self.judge(model, version, settings).outcome
    }

    /// The same, with what there is to know about the version beside.
    pub fn judge(&self, model: &ModelName, version: &VersionDirectory, settings: &ModelSettings) -> Judged {
        let mut errors = Vec::new();
        let prepared = self.stages(model, version, settings, &mut errors);
        let findings = prepared.as_ref().map(judged::findings).unwrap_or_default();
        let outcome = match prepared.filter(|_| errors.is_empty()) {
            Some(mut prepared) => {
                prepared.notes = findings.iter().map(|finding| finding.detail.clone()).collect();
                Ok(prepared)
            }
            None => Err(errors),
        };
        Judged { outcome, findings }
    }

    /// One stage after the other; `None` where one makes the next impossible.
    fn stages(
        &self,
        model: &ModelName,
        version: &VersionDirectory,
        settings: &ModelSettings,
        errors: &mut Vec<LoadError>,
    ) -> Option<Prepared> {
        let started = Instant::now();
        let package = package::read(version, self.passed_over, errors)?;
        let graph_error = |source| LoadError::Graph { path: package.graph.clone(), source };
        let options = SessionOptions::new(&self.library, 1, &self.settings.providers);
        let opened = OrtExecutor::open(&self.library, &package.graph, &options);
        let mut executor = opened.map_err(|source| errors.push(graph_error(source))).ok()?;
        executor.quiet();
        if package.broken.contains(&"contract.json") {
            return None;
        }
        let signature = executor.signature().clone();
        let (document, mut notes) = document(&package, model, &mut executor);
        let mut refuse = |found| errors.extend(contract_errors(&package, found));
        let contract = contract::compile(&document, &signature).map_err(&mut refuse).ok()?;
        let schema = second_pass(&contract, &document, &mut notes).map_err(&mut refuse).unwrap_or_default();
        let canonical = serde_json_canonicalizer::to_vec(&document)
            .map_err(|error| refuse(vec![problem(error.to_string())]))
            .unwrap_or_default();
        errors.extend(profile_errors(&package, &contract));
        let (coverage, coverage_of) = match (settings.coverage, contract.coverage) {
            (Some(coverage), _) => (coverage, Some("model.toml")),
            (None, Some(coverage)) => (coverage, Some("contract.json")),
            (None, None) => (self.coverage, None),
        };
        let calibrated = package.calibration.as_ref().map(|file| Calibrated::new(file, &contract, coverage));
        let calibrated = calibrated.and_then(|made| made.map_err(|found| errors.extend(found)).ok());
        executor.request(contract.output.requested());
        executor.fix_rows(contract.fixed_rows);
        let unread = executor.unread().iter();
        notes.extend(
            unread.map(|output| format!("the output {output} is of a type that cannot be read: it is left out")),
        );
        let mut limits = settings.limits.clone();
        limits.max_batch_rows =
            contract.fixed_rows.map_or(limits.max_batch_rows, |rows| limits.max_batch_rows.min(rows));
        let mut prepared = Prepared {
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
            contract_id: format!("sha256:{}", package::digest(&canonical)),
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
        prepared.prove(errors);
        Some(prepared)
    }

    /// Gives a prepared version its workers, so that it can serve.
    ///
    /// # Errors
    /// [`LoadError`] when a further session or a thread cannot be made.
    pub fn start(&self, prepared: Prepared, metrics: &Metrics) -> Result<ModelVersion, LoadError> {
        let demand = Demand {
            cost: prepared.probe.cost,
            max_rows: prepared.max_rows(),
            max_delay: prepared.limits.max_delay(),
            workers: prepared.limits.workers.unwrap_or(self.settings.workers),
            intra_threads: self.settings.intra_threads,
        };
        let plan = runtime::plan(runtime::processors(), &demand);
        let providers = prepared.executor.providers().to_vec();
        let executors = self.executors(&prepared, plan)?;
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
        let rows = rows_in_a_run(&plan, &demand, &prepared.probe);
        let options = EngineOptions {
            placement: plan.placement,
            policy: Policy {
                worth_rows: *rows.start(),
                max_rows: *rows.end(),
                max_delay: demand.max_delay,
                high_water: prepared.limits.max_queue_rows / 2,
                cost: demand.cost,
            },
            capacity: prepared.limits.max_queue_rows,
        };
        let engine =
            Engine::start(executors, options, Arc::clone(&recorded)).map_err(|source| LoadError::Workers { source })?;
        let version = ModelVersion {
            example: prepared.example,
            model: prepared.model,
            version: prepared.version,
            fingerprint: Fingerprint::new(&prepared.contract, &prepared.contract_id),
            contract: prepared.contract,
            contract_id: prepared.contract_id,
            calibrated: prepared.calibrated,
            document: prepared.document,
            schema: prepared.schema,
            provenance: prepared.package.provenance,
            profile: prepared.package.profile.map(|(_, profile)| profile),
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
        publish(&version, metrics);
        Ok(version)
    }

    /// The sessions of a plan. The one that proved the version is let go: it has grown with the sizes that were tried.
    fn executors(&self, prepared: &Prepared, plan: Plan) -> Result<Vec<Box<dyn Executor>>, LoadError> {
        let options = prepared.options.with_intra_threads(plan.intra_threads);
        let graph = &prepared.package.graph;
        let open = |_| {
            let mut executor = OrtExecutor::open(&self.library, graph, &options)
                .map_err(|source| LoadError::Graph { path: graph.clone(), source })?;
            executor.request(prepared.contract.output.requested());
            executor.fix_rows(prepared.contract.fixed_rows);
            // The first run of a session is slower than all that follow.
            if let Some(row) = prepared.rows.first() {
                executor.run(row).map_err(|source| LoadError::Run { path: graph.clone(), source })?;
            }
            Ok(Box::new(executor) as Box<dyn Executor>)
        };
        (0..plan.workers).map(open).collect()
    }
}

/// The rows in one run, those that are worth it whenever they are there and the most: on the callers' threads whatever fits,
/// since runs are short there; on workers what pays, unless the operator wants rows to be waited for.
fn rows_in_a_run(plan: &Plan, demand: &Demand, probe: &Probe) -> RangeInclusive<usize> {
    if plan.placement == Placement::Workers && demand.max_delay.is_zero() {
        let worth = probe.worthwhile_rows();
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

/// Tells the metrics what was loaded.
fn publish(version: &ModelVersion, metrics: &Metrics) {
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

fn problem(detail: String) -> Problem {
    Problem { pointer: String::new(), detail }
}

fn contract_errors(package: &Package, problems: Vec<Problem>) -> Vec<LoadError> {
    let path = package.contract.as_ref().map_or(&package.graph, |file| &file.path);
    problems.into_iter().map(|problem| LoadError::Contract { path: path.clone(), problem }).collect()
}

/// Holds profile.json against the contract.
fn profile_errors(package: &Package, contract: &Contract) -> Vec<LoadError> {
    let Some((path, profile)) = &package.profile else { return Vec::new() };
    let faults = contract.faults_of(profile).into_iter();
    faults.map(|detail| LoadError::Content { path: path.clone(), detail }).collect()
}

/// The contract's document, its own or a derived one, and what to say about it.
fn document(package: &Package, model: &ModelName, executor: &mut OrtExecutor) -> (Literal, Vec<String>) {
    if let Some(file) = &package.contract {
        return (file.document.clone(), Vec::new());
    }
    let derived = bare::derive(model.as_str(), &package.graph, executor);
    let mut notes = vec!["there is no contract.json: the contract was derived from the graph".to_owned()];
    notes.extend(derived.notes);
    (derived.document, notes)
}

fn second_pass(
    contract: &Contract,
    document: &Literal,
    notes: &mut Vec<String>,
) -> Result<Option<SchemaPass>, Vec<Problem>> {
    if contract.second_pass.is_empty() {
        return Ok(None);
    }
    notes.push(format!(
        "the contract uses {}: each request is read a second time to check it",
        contract.second_pass.join(", ")
    ));
    SchemaPass::compile(document).map(Some)
}
