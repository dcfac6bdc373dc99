//! From the run's outputs to the bytes of the answer, stage by stage; then whole predictions in this process, beside
//! the bare run of the graph. No sockets: `benches/load` has those.

mod support;

use std::{hint::black_box, path::Path, sync::Arc, time::Instant};

use axum::body::Body;
use candor::{
    api::{
        http::{self, AccessControl, AccessSummary, AppState, HttpService, Scrapes},
        transport::Connection,
    },
    config::Config,
    domain::tensor::{Inputs, Tensor},
    lifecycle::Shutdown,
    repository::{ModelVersion, Repository},
    runtime::{Cancellation, Executor as _, ModelBytes, OrtExecutor, OrtLibrary, SessionOptions},
    serving::{
        PredictRequest, PredictResponse, Recorder, RequestMeta, RequestProgress, RequestRecord, Sent, Shadows, predict,
    },
    telemetry::{self, LogFormat, LogHandle, Metrics, Settings},
};
use criterion::{BatchSize, BenchmarkGroup, Criterion, criterion_group, criterion_main, measurement::WallTime};
use http_body_util::BodyExt as _;
use serde_json::Deserializer;
use support::body;
use tokio::runtime::Runtime;

/// The models of the load bench.
const MODELS: [&str; 2] = ["churn", "breast-cancer"];

/// As long as the ids that the server makes.
const REQUEST_ID: &str = "0199a1c2-7d3e-7c41-9b6a-52f1d0c4e8a7";

/// The log as the server has it: JSON lines to standard error. Send them to /dev/null.
fn log() -> LogHandle {
    let settings = Settings { log_format: LogFormat::Json, ..support::config().telemetry };
    telemetry::init(&settings, false).expect("the only log of the process")
}

/// What all models share.
struct Bench {
    config: Config,
    repository: Arc<Repository>,
    metrics: Arc<Metrics>,
    runtime: Runtime,
    log: LogHandle,
}

impl Bench {
    fn new() -> Self {
        let config = support::config();
        let (repository, metrics) = support::repository(&config);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { config, repository, metrics, runtime, log: log() }
    }

    fn front(&self) -> HttpService {
        let shutdown = Shutdown::default();
        let state = AppState {
            repository: Arc::clone(&self.repository),
            shadows: Shadows::new(Arc::clone(&self.metrics)),
            scrapes: Arc::new(Scrapes::new(Arc::clone(&self.metrics))),
            shutdown: shutdown.clone(),
            log: self.log.clone(),
            access: AccessSummary::default(),
            settings: self.config.http.server.clone(),
        };
        let recorder = Recorder::new(Arc::clone(&self.metrics));
        http::data_service(&Arc::new(state), AccessControl::open(shutdown), recorder)
    }

    /// A session of its own for the version, as the workers have them.
    fn executor(&self, version: &ModelVersion) -> OrtExecutor {
        let library = OrtLibrary::load(&self.config.runtime.library).expect("it is loaded already");
        let graph = format!("models/{}/{}/model.onnx", version.model, version.version);
        let graph = Path::new(env!("CARGO_MANIFEST_DIR")).join(graph);
        let options = SessionOptions::new(&library, 1, &self.config.runtime.providers);
        let model = ModelBytes::new(std::fs::read(&graph).expect("a model"));
        let mut executor = OrtExecutor::open(&library, &model, &options, &Cancellation::default()).expect("a session");
        executor.set_outputs(version.contract.output.requested());
        executor
    }
}

/// One model, and one request for it at every stage.
struct Subject<'a> {
    bench: &'a Bench,
    version: Arc<ModelVersion>,
    body: Vec<u8>,
    inputs: Inputs,
    outputs: Vec<Tensor>,
    executor: OrtExecutor,
    connection: Arc<Connection>,
}

impl<'a> Subject<'a> {
    fn new(bench: &'a Bench, model: &str) -> Self {
        let version = support::stable(&bench.repository, model);
        let mut executor = bench.executor(&version);
        let body = body(&version);
        let admitted = version.contract.admit(&mut Deserializer::from_slice(&body)).expect("the example is admitted");
        let outputs = executor.run(&admitted.inputs).expect("the example runs");
        let connection = Connection::detached();
        Self { bench, version, body, inputs: admitted.inputs, outputs, executor, connection }
    }

    /// The use case alone: bytes to answer, through the queue and a worker.
    fn predict(&self, progress: &mut RequestProgress) -> PredictResponse {
        let call = PredictRequest { body: &self.body, arrived: Instant::now(), client_timeout: None };
        let answer = predict(&self.version, call, progress);
        self.bench.runtime.block_on(answer).unwrap_or_else(|failure| panic!("{}", failure.detail))
    }

    fn stages(&self, group: &mut BenchmarkGroup<'_, WallTime>) {
        let contract = &self.version.contract;
        group.bench_function("features_hash", |bencher| {
            bencher.iter(|| self.version.fingerprint.of(black_box(&self.inputs)));
        });
        group.bench_function("interpret", |bencher| {
            bencher.iter(|| contract.interpret(black_box(&self.outputs), 0).expect("a prediction"));
        });
        let mut progress = RequestProgress::default();
        let answer = self.predict(&mut progress);
        group.bench_function("encode", |bencher| {
            bencher.iter(|| http::envelope(black_box(&answer), REQUEST_ID, usize::MAX).expect("an envelope"));
        });
        let recorder = Recorder::new(Arc::clone(&self.bench.metrics));
        let meta = RequestMeta {
            request_id: Arc::from(REQUEST_ID),
            trace: None,
            protocol: "native",
            method: "POST",
            client: std::net::Ipv4Addr::LOCALHOST.into(),
            route: "/models/{model}/predict",
            arrived: Instant::now(),
        };
        group.bench_function("record", |bencher| {
            bencher.iter_batched(
                || RequestRecord::new(meta.clone()),
                |record| {
                    let active = recorder.start(&record);
                    record.pin(&self.version);
                    record.answered(&answer, progress);
                    active.finish(Sent { status: 200, bytes: Some(640) });
                },
                BatchSize::SmallInput,
            );
        });
    }

    fn whole(&mut self, group: &mut BenchmarkGroup<'_, WallTime>, front: &HttpService) {
        group.bench_function("onnxruntime alone", |bencher| {
            bencher.iter(|| self.executor.run(black_box(&self.inputs)).expect("a run"));
        });
        group.bench_function("predict", |bencher| {
            bencher.iter(|| self.predict(&mut RequestProgress::default()));
        });
        group.bench_function("predict over http", |bencher| {
            bencher.iter_batched(|| self.request(), |request| self.post(front, request), BatchSize::SmallInput);
        });
    }

    fn request(&self) -> ::http::Request<Body> {
        let request = ::http::Request::post(format!("/models/{}/predict", self.version.model));
        let request = request.header("host", "localhost").header("content-type", "application/json");
        request.body(Body::from(self.body.clone())).expect("a request")
    }

    fn post(&self, front: &HttpService, request: ::http::Request<Body>) -> usize {
        self.bench.runtime.block_on(async {
            let response = front.answer(request, &self.connection).await;
            assert!(response.status().is_success(), "{}", response.status());
            response.into_body().collect().await.expect("a whole answer").to_bytes().len()
        })
    }
}

fn benches(criterion: &mut Criterion) {
    let bench = Bench::new();
    let front = bench.front();
    for model in MODELS {
        let mut subject = Subject::new(&bench, model);
        let mut group = criterion.benchmark_group(format!("answer/{model}"));
        subject.stages(&mut group);
        subject.whole(&mut group, &front);
        group.finish();
    }
    bench.repository.stop();
}

criterion_group!(answers, benches);
criterion_main!(answers);
