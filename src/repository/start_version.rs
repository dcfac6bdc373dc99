//! Starts a verified version: its sessions, its engine and its metrics.

use std::{ops::RangeInclusive, sync::Arc, time::Duration};

use super::{
    baseline::BaselineState, catalog::ModelVersion, error::LoadError, loader::Loader, verified_version::VerifiedVersion,
};
use crate::{
    domain::{contract::InputHasher, uncertainty::Calibrator},
    runtime::{
        self, Cancellation, Engine, EngineOptions, ExecutionPlan, Executor, OrtExecutor, Placement, PlanInputs, Policy,
        Probe,
    },
    telemetry::{Metrics, ModelInfo, VersionLabels, VersionMetrics},
};

/// Name of this load stage, for messages.
const STARTING: &str = "starting its sessions";

impl Loader {
    /// Starts the workers of a verified version.
    ///
    /// # Errors
    /// Returns [`LoadError`] if another session cannot be opened or a thread cannot be started.
    pub(super) fn start(
        &self,
        prepared: VerifiedVersion,
        metrics: &Metrics,
        load: &Cancellation,
    ) -> Result<ModelVersion, LoadError> {
        let demand = self.demand(&prepared);
        let plan = runtime::plan(runtime::available_cpus(), &demand);
        let providers = prepared.executor.providers().to_vec();
        load.enter(STARTING).map_err(|_| LoadError::Stopped)?;
        let executors = self.executors(&prepared, plan, load)?;
        let recorded = version_metrics(&prepared, metrics);
        let options = engine_options(&prepared, plan, &demand);
        let engine = Engine::start(executors, options, Arc::clone(&recorded), &self.watchdog)
            .map_err(|source| LoadError::Workers { source })?;
        let reference_instances = prepared.reference_instances();
        let profile = prepared.package.profile.map(|(_, profile)| profile);
        let baseline = BaselineState::new(&prepared.contract, prepared.schema.as_ref(), profile.as_ref());
        let version = ModelVersion {
            reference_instances,
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

    /// What the plan of a version depends on.
    fn demand(&self, prepared: &VerifiedVersion) -> PlanInputs {
        PlanInputs {
            cost: prepared.probe.cost,
            max_rows: prepared.max_rows(),
            max_delay: prepared.limits.max_delay(),
            workers: prepared.limits.workers.unwrap_or(self.settings.workers),
            intra_threads: self.settings.intra_threads,
        }
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

fn version_metrics(prepared: &VerifiedVersion, metrics: &Metrics) -> Arc<VersionMetrics> {
    let contract = &prepared.contract;
    let features: Vec<String> = contract.features.iter().map(|feature| feature.name.clone()).collect();
    let calibrator = prepared.calibrated.as_ref().map(|calibrated| &calibrated.calibrator);
    let uncertainty_buckets = calibrator.and_then(Calibrator::uncertainty_buckets);
    let value_buckets = calibrator.and_then(Calibrator::value_buckets);
    metrics.version(&VersionLabels {
        model: prepared.model.as_str(),
        version: prepared.version.as_str(),
        task: contract.output.task(),
        classes: contract.output.classes(),
        features: &features,
        uncertainty_buckets: uncertainty_buckets.as_deref(),
        value_buckets: value_buckets.as_deref(),
    })
}

fn engine_options(prepared: &VerifiedVersion, plan: ExecutionPlan, demand: &PlanInputs) -> EngineOptions {
    let rows = batch_row_range(&plan, demand, &prepared.probe);
    EngineOptions {
        placement: plan.placement,
        policy: Policy {
            preferred_rows: *rows.start(),
            max_rows: *rows.end(),
            max_delay: demand.max_delay,
            high_water: prepared.limits.max_queue_rows / 2,
            cost: demand.cost,
        },
        capacity: prepared.limits.max_queue_rows,
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
