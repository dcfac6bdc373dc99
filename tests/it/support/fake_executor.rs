//! Model versions with a fake executor in place of ONNX Runtime.

use std::{
    sync::{Arc, mpsc},
    time::Duration,
};

use candor::{
    app::{App, metrics},
    domain::{
        contract::{InputHasher, Task, compile},
        json::JsonValue,
        name::{ModelName, VersionName},
        profile::Profile,
        signature::{OutputSpec, Signature, TensorSpec},
        tensor::{Buffer, ElementType, Inputs, Tensor},
    },
    repository::{BaselineState, Limits, ModelVersion, Repository},
    runtime::{
        Cost, Engine, EngineOptions, ExecutionPlan, Executor, Interrupt, OrtLibrary, Placement, Policy, Probe,
        RunError, Watchdog,
    },
    telemetry::{Metrics, VersionLabels, VersionMetrics},
};

use crate::support::{
    server::{Server, config, log},
    wait::TEST_TIMEOUT,
};

/// A contract of these numeric features, which feed one tensor.
fn contract(features: &[&str]) -> serde_json::Value {
    let properties: serde_json::Map<String, serde_json::Value> =
        features.iter().map(|name| ((*name).to_owned(), serde_json::json!({ "type": "number" }))).collect();
    serde_json::json!({
        "type": "object",
        "properties": properties,
        "required": features,
        "additionalProperties": false,
        "x-inputs": [{ "tensor": "x", "features": features }],
        "x-output": { "task": "regression", "value": { "tensor": "y" } }
    })
}

/// Runs a closure in place of a graph, once for each number.
pub(crate) struct Fake<F>(pub F);

impl<F: FnMut(f64) -> f64 + Send + 'static> Executor for Fake<F> {
    fn run(&mut self, inputs: &Inputs) -> Result<Vec<Tensor>, RunError> {
        let Buffer::F64(values) = &inputs.tensors[0].buffer else { panic!("a tensor of doubles") };
        let answers = values.iter().map(|value| (self.0)(*value)).collect();
        Ok(vec![Tensor { shape: inputs.tensors[0].shape.clone(), buffer: Buffer::F64(answers) }])
    }
}

/// Blocks each run until the test opens the gate, then returns twice each number. If the gate is dropped, it no longer
/// blocks.
pub(crate) struct BlockingExecutor {
    begun: mpsc::Sender<Vec<f64>>,
    go: mpsc::Receiver<()>,
    stop: Interrupt,
}

/// The test's side of [`BlockingExecutor`].
pub(crate) struct ExecutorGate {
    begun: mpsc::Receiver<Vec<f64>>,
    go: mpsc::Sender<()>,
}

impl ExecutorGate {
    /// Waits for the next run to begin and returns its numbers; the run then blocks until [`ExecutorGate::open`].
    pub(crate) fn begun(&self) -> Vec<f64> {
        self.begun.recv_timeout(TEST_TIMEOUT).expect("a run begins")
    }

    /// Whether no run has begun since the last [`ExecutorGate::begun`].
    pub(crate) fn is_quiet(&self) -> bool {
        self.begun.try_recv().is_err()
    }

    /// Lets one run finish.
    pub(crate) fn open(&self) {
        self.go.send(()).expect("the executor is there");
    }
}

pub(crate) fn blocking_executor() -> (Box<dyn Executor>, ExecutorGate) {
    let (told, begun) = mpsc::channel();
    let (open, go) = mpsc::channel();
    // Like a session it can be asked to stop; only the gate ends its runs.
    (Box::new(BlockingExecutor { begun: told, go, stop: Arc::new(|_| ()) }), ExecutorGate { begun, go: open })
}

/// As [`blocking_executor`], but an interrupt ends the run too.
pub(crate) fn interruptible_executor() -> (Box<dyn Executor>, ExecutorGate) {
    let (told, begun) = mpsc::channel();
    let (open, go) = mpsc::channel();
    let stop = open.clone();
    let stop = move |stopped: bool| {
        if stopped {
            // The test may have ended already.
            let _ = stop.send(());
        }
    };
    (Box::new(BlockingExecutor { begun: told, go, stop: Arc::new(stop) }), ExecutorGate { begun, go: open })
}

impl Executor for BlockingExecutor {
    fn run(&mut self, inputs: &Inputs) -> Result<Vec<Tensor>, RunError> {
        let Buffer::F64(values) = &inputs.tensors[0].buffer else { panic!("a tensor of doubles") };
        // The test may have ended already, and with it both ends of the gate.
        let _ = self.begun.send(values.clone());
        let _ = self.go.recv();
        // If a row has several numbers, the first one decides the prediction.
        let answers = values.iter().map(|value| value * 2.0).collect();
        Ok(vec![Tensor { shape: inputs.tensors[0].shape.clone(), buffer: Buffer::F64(answers) }])
    }

    fn interrupt(&self) -> Option<Interrupt> {
        Some(Arc::clone(&self.stop))
    }
}

/// One row per run, on a worker, with cost zero.
pub(crate) fn options(capacity: usize) -> EngineOptions {
    let cost = Cost { per_run: 0.0, per_row: 0.0 };
    let policy = Policy { preferred_rows: 1, max_rows: 1, max_delay: Duration::ZERO, high_water: capacity, cost };
    EngineOptions { placement: Placement::Workers, policy, capacity }
}

/// The metrics of version 1 of the model `fake`.
pub(crate) fn recorded(metrics: &Metrics) -> Arc<VersionMetrics> {
    metrics.version(&VersionLabels {
        model: "fake",
        version: "1",
        task: Task::Regression,
        classes: &[],
        features: &["x".to_owned()],
        uncertainty_buckets: None,
        value_buckets: None,
    })
}

/// The model `fake` with one executor and these features. With a profile, predictions can be explained.
fn version(
    executor: Box<dyn Executor>,
    options: EngineOptions,
    metrics: &Metrics,
    (features, profile): (&[&str], Option<Profile>),
) -> ModelVersion {
    let width = Some(features.len());
    let spec = |name: &str| TensorSpec { name: name.into(), element: ElementType::F64, shape: vec![None, width] };
    let signature = Signature { inputs: vec![spec("x")], outputs: vec![OutputSpec::Tensor(spec("y"))] };
    let document: JsonValue = serde_json::from_value(contract(features)).expect("a literal");
    let contract = compile(&document, &signature).expect("a good contract");
    let recorded = recorded(metrics);
    let engine = Engine::start(vec![executor], options, Arc::clone(&recorded), &Watchdog::default()).expect("a worker");
    let baseline = BaselineState::new(&contract, None, profile.as_ref());
    ModelVersion {
        model: ModelName::new("fake").expect("a name"),
        version: VersionName::new("1").expect("a name"),
        example: contract.example(),
        fingerprint: InputHasher::new(&contract, "sha256:fake"),
        contract,
        calibrated: None,
        contract_id: "sha256:fake".into(),
        document,
        schema: None,
        provenance: candor::repository::Provenance::default(),
        profile,
        baseline,
        graph_sha256: String::new(),
        signature,
        limits: Limits { max_queue_rows: options.capacity, deadline_ms: 60_000, ..Limits::default() },
        notes: Vec::new(),
        plan: ExecutionPlan { placement: options.placement, workers: 1, intra_threads: 1 },
        probe: Probe { sizes: Vec::new(), seconds: Vec::new(), cost: options.policy.cost, largest_difference: 0.0 },
        providers: vec!["fake".into()],
        load: Duration::ZERO,
        reference_instances: Vec::new(),
        metrics: recorded,
        engine,
    }
}

/// A repository with the one model `fake`, and its metrics.
pub(crate) fn repository(
    run: impl FnMut(f64) -> f64 + Send + 'static,
    capacity: usize,
) -> (Arc<Repository>, Arc<Metrics>) {
    repository_of(Box::new(Fake(run)), options(capacity), (&["x"], None))
}

fn repository_of(
    executor: Box<dyn Executor>,
    options: EngineOptions,
    model: (&[&str], Option<Profile>),
) -> (Arc<Repository>, Arc<Metrics>) {
    let library = OrtLibrary::load(std::path::Path::new("")).expect("the library");
    let metrics = Arc::new(metrics(&library).expect("metrics"));
    (Repository::from_versions(vec![version(executor, options, &metrics, model)]), metrics)
}

/// A server of the one model `fake`.
pub(crate) fn server(run: impl FnMut(f64) -> f64 + Send + 'static, capacity: usize) -> Server {
    server_of(Box::new(Fake(run)), options(capacity))
}

/// The same with another executor and other options.
pub(crate) fn server_of(executor: Box<dyn Executor>, options: EngineOptions) -> Server {
    serve(repository_of(executor, options, (&["x"], None)))
}

/// The same with these features and a profile, so that predictions can be explained; also returns the repository.
pub(crate) fn explained(
    executor: Box<dyn Executor>,
    options: EngineOptions,
    features: &[&str],
    profile: Profile,
) -> (Server, Arc<Repository>) {
    let (repository, metrics) = repository_of(executor, options, (features, Some(profile)));
    (serve((Arc::clone(&repository), metrics)), repository)
}

fn serve((repository, metrics): (Arc<Repository>, Arc<Metrics>)) -> Server {
    let mut config = config();
    config.repository.default_model = String::new();
    Server::around(async move { App::with_repository(&config, repository, &metrics, log()).expect("a server") })
}
