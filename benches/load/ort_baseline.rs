//! The limit on the model's side: bare ONNX Runtime in a loop, without queue, contract or HTTP.
//!
//! `ort_baseline MODEL [SESSIONS THREADS [MODELS]]` runs the model's example in batches of 1 to 64 equal rows, on so many
//! sessions side by side with so many threads each (1 and 1 unless told otherwise), and prints one JSON object: for each
//! batch size the microseconds a row of processor time (of one session) and of time passed, and the rows a second of all.
//! For one row also the median time of a call after a pause, when processor and caches have turned to other things, as
//! they have between the requests of a single caller.

#[path = "../support/mod.rs"]
mod support;

use std::{
    fs,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use candor::{
    config::Config,
    domain::tensor::Inputs,
    runtime::{Cancellation, Executor as _, ModelBytes, OrtExecutor, OrtLibrary, SessionOptions, merge},
};
use serde_json::{Deserializer, Map, json};
use support::body;

const BATCHES: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// How long each batch size is run, after a tenth of it to warm up; a run that takes longer is run once.
const SPAN: Duration = Duration::from_millis(100);

/// The pause, and how many runs there are after one.
const PAUSE: Duration = Duration::from_micros(100);
const PAUSED_RUNS: usize = 1000;

/// What one session did.
struct Did {
    rows: f64,
    processor: Duration,
    passed: Duration,
}

/// The processor time of this thread: the kernel counts it in nanoseconds, in the first field.
fn processor_time() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").expect("Linux with schedstat");
    let nanos = text.split_whitespace().next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanos.expect("a number of nanoseconds"))
}

/// Runs for a while, and returns how many runs there were.
fn run_for(executor: &mut OrtExecutor, batch: &Inputs, span: Duration) -> u32 {
    let started = Instant::now();
    let mut runs = 0;
    while started.elapsed() < span {
        executor.run(batch).expect("the example runs");
        runs += 1;
    }
    runs
}

fn measure(executor: &mut OrtExecutor, batch: &Inputs) -> Did {
    run_for(executor, batch, SPAN / 10);
    let (started, before) = (Instant::now(), processor_time());
    let runs = run_for(executor, batch, SPAN);
    let rows = f64::from(runs) * batch.rows as f64;
    Did { rows, processor: processor_time().saturating_sub(before), passed: started.elapsed() }
}

/// The median time of a run after a pause, in microseconds.
fn after_pauses(executor: &mut OrtExecutor, batch: &Inputs) -> f64 {
    let time = |_| {
        thread::sleep(PAUSE);
        let started = Instant::now();
        executor.run(batch).expect("the example runs");
        started.elapsed()
    };
    let mut times: Vec<Duration> = (0..PAUSED_RUNS).map(time).collect();
    times.sort_unstable();
    times[PAUSED_RUNS / 2].as_secs_f64() * 1e6
}

/// All sessions at once, each on a thread of its own.
fn side_by_side(executors: &mut [OrtExecutor], batch: &Inputs) -> Vec<Did> {
    thread::scope(|scope| {
        let threads: Vec<_> = executors.iter_mut().map(|executor| scope.spawn(|| measure(executor, batch))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    })
}

/// The program's arguments.
struct Arguments {
    model: String,
    sessions: usize,
    threads: usize,
    models: PathBuf,
}

impl Arguments {
    fn read(config: &Config) -> Self {
        let mut given = std::env::args().skip(1);
        let model = given.next().expect("usage: ort_baseline MODEL [SESSIONS THREADS [MODELS]]");
        let mut count = || given.next().map_or(1, |text| text.parse().expect("a whole number"));
        let (sessions, threads) = (count(), count());
        let models = given.next().map_or_else(|| config.repository.models.clone(), PathBuf::from);
        Self { model, sessions, threads, models }
    }
}

fn main() {
    let mut config = support::config();
    let Arguments { model, sessions, threads, models } = Arguments::read(&config);
    config.repository.models.clone_from(&models);
    let (repository, _) = support::repository(&config);
    let version = support::stable(&repository, &model);
    let body = body(&version);
    let row = version.contract.admit(&mut Deserializer::from_slice(&body)).expect("the example is admitted").inputs;
    let library = OrtLibrary::load(&config.runtime.library).expect("it is loaded already");
    let options = SessionOptions::new(&library, threads, &config.runtime.providers);
    let graph = Path::new(&models).join(&model).join(version.version.as_str()).join("model.onnx");
    let bytes = ModelBytes::new(std::fs::read(&graph).expect("a model"));
    let open = |_| {
        let mut executor = OrtExecutor::open(&library, &bytes, &options, &Cancellation::default()).expect("a session");
        executor.set_outputs(version.contract.output.requested());
        executor
    };
    let mut executors: Vec<OrtExecutor> = (0..sessions).map(open).collect();
    let mut report = Map::new();
    for size in BATCHES {
        let batch = merge(&vec![&row; size]).expect("equal rows");
        let did = side_by_side(&mut executors, &batch);
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / did[0].rows;
        let per_second: f64 = did.iter().map(|did| did.rows / did.passed.as_secs_f64()).sum();
        let figures = json!({
            "cpu_us": micros(did[0].processor), "wall_us": micros(did[0].passed), "rows_per_second": per_second,
        });
        report.insert(size.to_string(), figures);
        if size == 1 {
            report["1"]["paused_us"] = json!(after_pauses(&mut executors[0], &batch));
        }
    }
    repository.stop();
    println!("{}", serde_json::Value::Object(report));
}
