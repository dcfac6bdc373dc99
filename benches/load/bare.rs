//! The limit on the model's side: bare ONNX Runtime in a loop on one thread, without queue, contract or HTTP.
//!
//! `load_bare MODEL` runs the model's example in batches of 1 to 64 equal rows and prints one JSON object: for each batch
//! size the microseconds a row, of processor time and of time passed.

#[path = "../bundled/mod.rs"]
mod bundled;

use std::{
    fs,
    path::Path,
    time::{Duration, Instant},
};

use bundled::body;
use candor::{
    domain::tensor::Inputs,
    runtime::{Executor as _, Library, OrtExecutor, SessionOptions, merge},
};
use serde_json::{Deserializer, Map, json};

const BATCHES: [usize; 7] = [1, 2, 4, 8, 16, 32, 64];

/// How long each batch size is run, after a tenth of it to warm up.
const SPAN: Duration = Duration::from_millis(100);

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

fn main() {
    let model = std::env::args().nth(1).expect("usage: load_bare MODEL");
    let config = bundled::config();
    let (repository, _) = bundled::repository(&config);
    let version = bundled::stable(&repository, &model);
    let body = body(&version);
    let row = version.contract.admit(&mut Deserializer::from_slice(&body)).expect("the example is admitted").inputs;
    let library = Library::load(&config.runtime.library).expect("it is loaded already");
    let graph = format!("models/{model}/{}/model.onnx", version.version);
    let options = SessionOptions::new(&library, 1, &config.runtime.providers);
    let graph = Path::new(env!("CARGO_MANIFEST_DIR")).join(graph);
    let mut executor = OrtExecutor::open(&library, &graph, &options).expect("a session");
    executor.request(version.contract.output.requested());
    let mut report = Map::new();
    for size in BATCHES {
        let batch = merge(&vec![&row; size]).expect("equal rows");
        run_for(&mut executor, &batch, SPAN / 10);
        let (started, before) = (Instant::now(), processor_time());
        let runs = run_for(&mut executor, &batch, SPAN);
        #[expect(clippy::cast_precision_loss, reason = "a batch has far fewer than 2^53 rows")]
        let rows = f64::from(runs) * batch.rows as f64;
        let micros = |time: Duration| time.as_secs_f64() * 1e6 / rows;
        let figures =
            json!({ "cpu_us": micros(processor_time().saturating_sub(before)), "wall_us": micros(started.elapsed()) });
        report.insert(size.to_string(), figures);
    }
    repository.stop();
    println!("{}", serde_json::Value::Object(report));
}
