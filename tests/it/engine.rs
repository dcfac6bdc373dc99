//! The engine: correct answers under concurrency, batching without waiting, deadlines, cancellation, overload.

mod answers;
mod batching;
mod cancellation;
mod deadlines;
mod overload;
mod placement_change;
mod priorities;

use std::{
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use candor::{
    domain::tensor::{Buffer, Inputs, Tensor},
    runtime::{Completed, Engine, EngineOptions, Executor, Priority, SubmitError, Watchdog},
    telemetry::{BuildInfo, Metrics, VersionMetrics},
};
use tokio::sync::oneshot;

use crate::support::{
    fake_executor,
    http_client::KeepAliveClient,
    metrics::value_of,
    server::{Server, block_on},
    wait::wait_until,
};

/// Longer than any test.
const LONG: Duration = Duration::from_mins(1);

/// An engine without a server.
struct EngineFixture {
    engine: Arc<Engine>,
    recorded: Arc<VersionMetrics>,
    metrics: Metrics,
}

impl EngineFixture {
    fn start(executor: Box<dyn Executor>, options: EngineOptions) -> Self {
        let build = BuildInfo {
            version: "0",
            revision: "test",
            onnxruntime: "none",
            onnxruntime_built_for: "none",
            features: "",
        };
        let metrics = Metrics::new(&build).expect("metrics");
        let recorded = fake_executor::recorded(&metrics);
        let engine =
            Engine::start(vec![executor], options, Arc::clone(&recorded), &Watchdog::default()).expect("an engine");
        Self { engine: Arc::new(engine), recorded, metrics }
    }

    /// Submits a row on a new thread, which also runs the row if the placement is inline.
    fn ask(&self, value: f64, within: Duration, priority: Priority) -> Caller {
        let (leave, left) = oneshot::channel::<()>();
        let engine = Arc::clone(&self.engine);
        let deadline = Instant::now() + within;
        let thread = thread::spawn(move || {
            let tensors = vec![Tensor { shape: vec![1, 1], buffer: Buffer::F64(vec![value]) }];
            block_on(async {
                tokio::select! {
                    outcome = engine.execute(Inputs { tensors, rows: 1 }, deadline, priority) => Some(outcome),
                    Ok(()) = left => None,
                }
            })
        });
        Caller { leave, thread }
    }

    fn predict(&self, value: f64) -> Caller {
        self.ask(value, LONG, Priority::Predict)
    }

    /// Submits a row and returns once the queue has `place` rows.
    fn queue(&self, value: f64, priority: Priority, place: u32) -> Caller {
        let caller = self.ask(value, LONG, priority);
        self.wait_for_queue(place);
        caller
    }

    fn wait_for_queue(&self, length: u32) {
        wait_until(&format!("{length} rows wait"), || self.recorded.queue_depth.get() == u64::from(length));
    }

    fn counted(&self, series: &str) -> u64 {
        value_of(&self.metrics.text(), series)
    }
}

/// A caller that waits for an answer.
struct Caller {
    leave: oneshot::Sender<()>,
    thread: thread::JoinHandle<Option<Result<Completed, SubmitError>>>,
}

impl Caller {
    fn outcome(self) -> Result<Completed, SubmitError> {
        self.thread.join().expect("no panic").expect("the caller did not leave")
    }

    /// The answer, which must be a success, and how many rows shared the run.
    fn answer(self) -> (f64, usize) {
        let completed = self.outcome().expect("an answer");
        let (outputs, row) = completed.result.expect("no failure");
        (candor::runtime::row_values(&outputs[0], row)[0], completed.batch_rows)
    }

    /// Drops the request; true if it had no answer yet.
    fn leave(self) -> bool {
        let _ = self.leave.send(());
        self.thread.join().expect("no panic").is_none()
    }
}

/// A prediction request for a keep-alive connection; `headers` are whole lines.
fn request(path: &str, headers: &str, features: &serde_json::Value) -> Vec<u8> {
    let body = serde_json::json!({ "features": features }).to_string();
    let length = body.len();
    let kind = "content-type: application/json";
    format!("POST {path} HTTP/1.1\r\nhost: test\r\n{kind}\r\n{headers}content-length: {length}\r\n\r\n{body}")
        .into_bytes()
}

/// A connection on which this request was sent.
fn under_way(server: &Server, request: &[u8]) -> KeepAliveClient {
    let mut kept = KeepAliveClient::open(server.address).expect("a connection");
    kept.send(request);
    kept
}
