//! Loads a version: reads its files, opens the graph, compiles the contract, verifies the version and starts its
//! workers.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    LOAD_TIMEOUT_MS,
    checked_version::{self, CheckedVersion},
    contract_document::{contract_errors, contract_json, full_validation_keywords, problem, profile_errors},
    error::LoadError,
    file_names::{CALIBRATION, GOLDEN, PACKAGE, PROFILE},
    files,
    load_supervisor::LoadSupervisor,
    model_settings::ModelSettings,
    model_version::ModelVersion,
    package::{self, Package, PassedOver},
    scan::VersionDirectory,
    schema_validator::SchemaValidator,
    served_calibration::ServedCalibration,
    verified_version::VerifiedVersion,
};
use crate::{
    domain::{
        contract::{self, Contract},
        json::JsonValue,
        name::ModelName,
        signature::Signature,
        uncertainty::Coverage,
    },
    runtime::{self, Cancellation, OrtExecutor, OrtLibrary, Probe, SessionOptions, Watchdog},
    telemetry::Metrics,
};

/// Names of the load stages, for messages. [`VerifiedVersion::verify`] has the others.
pub(super) const READING: &str = "reading its files";
pub(super) const OPENING: &str = "opening the graph";
const OBSERVING: &str = "running instances to see what the graph answers";
const COMPARING: &str = "comparing the contract with the graph";

/// Loads versions. Clones share the timeout and the loads in progress.
#[derive(Clone)]
pub struct Loader {
    pub(super) library: OrtLibrary,
    pub(super) settings: runtime::Settings,
    /// The coverage if neither model.toml nor the contract sets one.
    coverage: Coverage,
    /// Maximum number of elements that a graph may return for one row.
    pub(super) max_elements: usize,
    /// What to ignore of a package.
    passed_over: PassedOver,
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
        Self { library, settings, coverage, max_elements, passed_over: PassedOver::default(), loads, watchdog }
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
    pub fn without_calibrations(mut self) -> Self {
        self.passed_over.files.push(CALIBRATION);
        self
    }

    /// Ignores existing profiles. Used to make new ones.
    #[must_use]
    pub fn without_profiles(mut self) -> Self {
        self.passed_over.files.push(PROFILE);
        self
    }

    /// Ignores existing golden cases. Used to record them again.
    #[must_use]
    pub fn without_golden_cases(mut self) -> Self {
        self.passed_over.files.push(GOLDEN);
        self
    }

    /// Accepts text files that were edited since their digests were made. Used to renew the digests.
    #[must_use]
    pub fn without_text_digests(mut self) -> Self {
        self.passed_over.text_digests = true;
        self
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
        // What is wrong with the content comes before the digest that differs because of it.
        let of_text =
            |error: &LoadError| error.path().is_some_and(|path| PACKAGE.iter().any(|name| path.ends_with(name)));
        errors.sort_by_key(|error| matches!(error, LoadError::Digest { .. }) && of_text(error));
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
        let package = package::read(version, &self.passed_over, errors)?;
        load.enter(OPENING).ok()?;
        let log_id = format!("{}/{}", model.as_str(), version.name.as_str());
        let options = SessionOptions::new(&self.library, 1, &self.settings.providers).with_log_id(&log_id);
        let opened = OrtExecutor::open(&self.library, package.snapshot.model(), &options.silence_ort(), load);
        let graph_error = |source| LoadError::Graph { path: package.graph.clone(), source };
        let mut executor = opened.map_err(|source| errors.push(graph_error(source))).ok()?;
        if package.broken.contains(&"contract.json") {
            return None;
        }
        load.enter(OBSERVING).ok()?;
        let (document, mut notes) = contract_json(&package, model, &mut executor);
        load.enter(COMPARING).ok()?;
        let compiled = compile(&package, &document, executor.signature(), errors)?;
        notes.extend(compiled.notes);
        let (coverage, coverage_of) = match (settings.coverage, compiled.contract.coverage) {
            (Some(coverage), _) => (coverage, Some("model.toml")),
            (None, Some(coverage)) => (coverage, Some("contract.json")),
            (None, None) => (self.coverage, None),
        };
        let calibration = package.calibration.as_ref();
        let calibrated = calibration.map(|file| ServedCalibration::new(file, &compiled.contract, coverage));
        let calibrated = calibrated.and_then(|made| made.map_err(|found| errors.extend(found)).ok());
        prepare_executor(&mut executor, &compiled.contract, self.max_elements, &mut notes);
        let mut limits = settings.limits.clone();
        limits.max_batch_rows =
            compiled.contract.fixed_rows.map_or(limits.max_batch_rows, |rows| limits.max_batch_rows.min(rows));
        let mut verified = VerifiedVersion {
            model: model.clone(),
            version: version.name.clone(),
            probe: Probe::unmeasured(),
            notes,
            warnings: Vec::new(),
            example: compiled.contract.example(),
            contract_id: compiled.id,
            contract: compiled.contract,
            coverage,
            coverage_of,
            calibrated,
            package,
            document,
            schema: compiled.schema,
            signature: executor.signature().clone(),
            executor,
            rows: Vec::new(),
            options,
            limits,
            started,
        };
        verified.verify(load, errors);
        Some(verified)
    }
}

/// A compiled contract.
struct CompiledContract {
    contract: Contract,
    schema: Option<SchemaValidator>,
    id: String,
    notes: Vec<String>,
}

/// Compiles the contract and its full validation, and compares it with the profile. `None` if there is no contract.
fn compile(
    package: &Package,
    document: &JsonValue,
    signature: &Signature,
    errors: &mut Vec<LoadError>,
) -> Option<CompiledContract> {
    let mut notes = Vec::new();
    let mut refuse = |found| errors.extend(contract_errors(package, found));
    let contract = contract::compile(document, signature).map_err(&mut refuse).ok()?;
    let schema = full_validation_keywords(&contract, document, &mut notes).map_err(&mut refuse).unwrap_or_default();
    let canonical = serde_json_canonicalizer::to_vec(document)
        .map_err(|error| refuse(vec![problem(error.to_string())]))
        .unwrap_or_default();
    errors.extend(profile_errors(package, &contract));
    Some(CompiledContract { contract, schema, id: format!("sha256:{}", files::digest(&canonical)), notes })
}

/// Sets up the session for the runs that the contract asks for.
fn prepare_executor(executor: &mut OrtExecutor, contract: &Contract, max_elements: usize, notes: &mut Vec<String>) {
    executor.set_outputs(contract.output.requested());
    executor.limit_elements(max_elements);
    executor.fix_rows(contract.fixed_rows);
    let unread = executor.unreadable_outputs().iter();
    notes.extend(unread.map(|output| format!("the output {output} has an unsupported type and is left out")));
}
