//! A caller that disconnects frees its place in the queue, and cancels a run if it was the last to wait for it.

use std::{fs, sync::Arc, thread};

use candor::runtime::{EngineOptions, Placement, Policy};
use serde_json::json;
use tempfile::TempDir;

use super::{EngineFixture, request, under_way};
use crate::support::{
    fake_executor::{blocking_executor, options, server_of},
    http_client::KeepAliveClient,
    metrics::{scraped, series, wait_for},
    packages::add,
    server::Server,
};

#[test]
fn a_caller_that_goes_away_frees_its_place_in_the_queue() {
    let (executor, gate) = blocking_executor();
    let server = server_of(executor, options(1));
    let ask = |x: u8| under_way(&server, &request("/predict", "", &json!({ "x": x })));
    let mut running = ask(1);
    gate.begun();
    let waiting = ask(2);
    wait_for(&server, &series("queue_depth", "fake", ""), 1);
    let refused = server.post("/predict", r#"{"features":{"x":3}}"#);
    assert_eq!((refused.status, refused.code().as_str()), (503, "overloaded"));
    assert_eq!(scraped(&server, &series("requests_shed_total", "fake", ",reason=\"queue_full\"")), 1);

    drop(waiting);
    wait_for(&server, &series("queue_depth", "fake", ""), 0);
    wait_for(&server, &series("abandoned_rows_total", "fake", ",stage=\"queue\""), 1);
    let mut next = ask(4);
    wait_for(&server, &series("queue_depth", "fake", ""), 1);
    gate.open();
    assert_eq!(gate.begun(), [4.0], "the abandoned row was not run");
    gate.open();
    assert_eq!(running.ask(b"").expect("an answer").json()["prediction"], json!(2.0));
    assert_eq!(next.ask(b"").expect("an answer").json()["prediction"], json!(8.0));
    assert_eq!(scraped(&server, &series("abandoned_rows_total", "fake", ",stage=\"infer\"")), 0);
}

/// More iterations than fit into an hour.
const ENDLESS: u64 = 1 << 40;

/// A server with a graph that loops as often as the request says, with one worker.
fn looping() -> (TempDir, Server) {
    let models = tempfile::tempdir().expect("a directory");
    add(models.path(), "slow", "slow_loop", &[]);
    fs::write(models.path().join("slow/model.toml"), "[limits]\nworkers = 1\ndeadline_ms = 600000\n").expect("written");
    let server = Server::over(models.path());
    (models, server)
}

#[test]
fn a_run_that_nobody_waits_for_is_stopped() {
    let (_models, server) = looping();
    let endless = request("/models/slow/predict", "", &json!([4, ENDLESS]));
    let quick = request("/models/slow/predict", "", &json!([4, 2]));
    let cancelled = |stage: &str| scraped(&server, &series("abandoned_rows_total", "slow", stage));

    let left = [under_way(&server, &endless), under_way(&server, &endless)];
    wait_for(&server, &series("requests_in_flight", "slow", ""), 2);
    // One waits in the queue, so the other one runs.
    wait_for(&server, &series("queue_depth", "slow", ""), 1);
    drop(left);
    let mut kept = KeepAliveClient::open(server.address).expect("a connection");
    let reply = kept.ask(&quick).expect("an answer");
    assert_eq!((reply.status, &reply.json()["prediction"]), (200, &json!(2.5)));
    wait_for(&server, &series("requests_in_flight", "slow", ""), 0);
    // The second run may have begun before the server noticed that its caller had disconnected too.
    let stopped = cancelled(",stage=\"infer\"");
    assert!(stopped >= 1 && stopped + cancelled(",stage=\"queue\"") == 2, "{stopped}");

    // A deadline stops a run as well.
    let late = request("/models/slow/predict", "x-deadline-ms: 300\r\n", &json!([4, ENDLESS]));
    let reply = kept.ask(&late).expect("an answer");
    assert_eq!((reply.status, reply.code().as_str()), (504, "deadline_exceeded"));
    let reply = kept.ask(&quick).expect("an answer");
    assert_eq!((reply.status, &reply.json()["prediction"]), (200, &json!(2.5)));
    assert_eq!(cancelled(",stage=\"infer\""), stopped + 1);
    assert!(server.drain(), "no run is left");
}

/// Callers leave at every stage of a row: no executor is lost, and none keeps an interrupt.
#[test]
fn nothing_is_lost_by_callers_that_leave_at_any_moment() {
    for placement in [Placement::Workers, Placement::Inline] {
        let executor = stoppable::Stoppable::default();
        let policy = Policy { preferred_rows: 4, max_rows: 4, ..options(64).policy };
        let fixture = EngineFixture::start(Box::new(executor), EngineOptions { placement, policy, capacity: 64 });
        let fixture = Arc::new(fixture);
        thread::scope(|scope| {
            for thread in 0..4_u16 {
                let fixture = Arc::clone(&fixture);
                scope.spawn(move || {
                    for round in 0..250 {
                        let (leaving, staying) =
                            (fixture.predict(-1.0), fixture.predict(f64::from(thread * 1000 + round)));
                        leaving.leave();
                        let expected = f64::from(thread * 1000 + round) + 1.0;
                        assert!((staying.answer().0 - expected).abs() < 0.5, "{placement:?}");
                    }
                });
            }
        });
        fixture.wait_for_queue(0);
        assert_eq!(fixture.predict(1.0).answer(), (2.0, 1), "{placement:?}");
    }
}

mod stoppable {
    //! An executor that can be interrupted; like a session it fails every run until the interrupt is cleared.

    use std::sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    };

    use candor::{
        domain::tensor::{Buffer, Inputs, Tensor},
        runtime::{Executor, Interrupt, RunError},
    };

    #[derive(Default)]
    pub(super) struct Stoppable(Arc<AtomicBool>);

    impl Executor for Stoppable {
        fn run(&mut self, inputs: &Inputs) -> Result<Vec<Tensor>, RunError> {
            if self.0.load(Ordering::SeqCst) {
                return Err(RunError::Failed("stopped".to_owned()));
            }
            let Buffer::F64(values) = &inputs.tensors[0].buffer else { panic!("a tensor of doubles") };
            let buffer = Buffer::F64(values.iter().map(|value| value + 1.0).collect());
            Ok(vec![Tensor { shape: inputs.tensors[0].shape.clone(), buffer }])
        }

        fn interrupt(&self) -> Option<Interrupt> {
            let stop = Arc::clone(&self.0);
            Some(Arc::new(move |value| stop.store(value, Ordering::SeqCst)))
        }
    }
}
