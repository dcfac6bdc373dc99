//! Many more callers than capacity: each is answered, rejected or gone, and afterwards the server is as before.

use std::{
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use super::request;
use crate::support::{
    fake_executor,
    http_client::KeepAliveClient,
    metrics::{series, wait_for},
    server::Server,
    wait::wait_until,
};

const CALLERS: u64 = 48;
const ROUNDS: u64 = 12;
const SENT: u64 = CALLERS * ROUNDS;

/// What the callers saw.
#[derive(Debug, Default, Clone, Copy, PartialEq)]
struct Seen {
    answered: u64,
    refused: u64,
    late: u64,
    gone: u64,
}

/// One caller; it abandons every fourth request after sending it.
fn call(server: &Server, caller: u64) -> Seen {
    let mut seen = Seen::default();
    let mut kept = KeepAliveClient::open(server.address).expect("a connection");
    for round in 0..ROUNDS {
        let value = caller * ROUNDS + round;
        let features = json!({ "x": value });
        if round % 4 == 3 {
            let request = request("/predict", "expect: 100-continue\r\nx-deadline-ms: 60\r\n", &features);
            let body = request.windows(4).position(|window| window == b"\r\n\r\n").expect("a head") + 4;
            kept.send(&request[..body]);
            // The server has started on the request by then, and has to count it.
            kept.expect_continue();
            kept.send(&request[body..]);
            kept = KeepAliveClient::open(server.address).expect("a connection");
            seen.gone += 1;
            continue;
        }
        let reply = kept.ask(&request("/predict", "x-deadline-ms: 60\r\n", &features)).expect("an answer");
        match (reply.status, reply.code().as_str()) {
            (200, _) => {
                assert_eq!(
                    reply.json()["prediction"].to_string(),
                    format!("{}.0", value + 1),
                    "the answer to this request"
                );
                seen.answered += 1;
            }
            (503, "overloaded") => {
                assert!(reply.header("retry-after").is_some());
                seen.refused += 1;
            }
            (504, "deadline_exceeded") => seen.late += 1,
            other => panic!("neither answered nor rejected: {other:?}"),
        }
    }
    seen
}

#[test]
fn more_than_there_is_room_for_is_refused_and_nothing_is_lost() {
    // Each run takes two milliseconds: the timeout of a receive on a channel that stays empty.
    let (_silent, word) = mpsc::channel::<()>();
    let slow = move |value| {
        let _ = word.recv_timeout(Duration::from_millis(2));
        value + 1.0
    };
    let server = fake_executor::server(slow, 8);
    let seen = thread::scope(|scope| {
        let callers: Vec<_> = (0..CALLERS)
            .map(|caller| {
                scope.spawn({
                    let server = &server;
                    move || call(server, caller)
                })
            })
            .collect();
        callers.into_iter().map(|caller| caller.join().expect("no panic in the caller")).fold(
            Seen::default(),
            |sum, seen| Seen {
                answered: sum.answered + seen.answered,
                refused: sum.refused + seen.refused,
                late: sum.late + seen.late,
                gone: sum.gone + seen.gone,
            },
        )
    });
    assert_eq!(seen.answered + seen.refused + seen.late + seen.gone, SENT, "{seen:?}");
    assert!(seen.answered > 0 && seen.refused > 0, "some were rejected, some answered: {seen:?}");
    everything_is_counted(&server, seen);

    // All capacity is free again.
    for name in ["queue_depth", "in_flight"] {
        wait_for(&server, &series(name, "fake", ""), 0);
    }
    let started = Instant::now();
    let mut kept = KeepAliveClient::open(server.address).expect("a connection");
    assert_eq!(kept.ask(&request("/predict", "", &json!({ "x": 1 }))).expect("an answer").status, 200);
    assert!(started.elapsed() < Duration::from_secs(1), "a single request does not wait");
    assert!(server.drain(), "everything was finished");
}

/// The server counts as many requests as were sent, none of them as an internal error.
fn everything_is_counted(server: &Server, seen: Seen) {
    let mut text = String::new();
    let counted = |text: &str, status: &str| -> u64 {
        let lines = text.lines().filter(|line| line.starts_with("candor_requests_total{") && line.contains("/predict"));
        let lines = lines.filter(|line| line.contains(&format!("status=\"{status}")));
        lines.filter_map(|line| line.rsplit_once(' ')).filter_map(|(_, value)| value.parse::<u64>().ok()).sum()
    };
    wait_until("every request is counted", || {
        text = server.get("/metrics").text();
        counted(&text, "") == SENT
    });
    let [answered, refused, late, gone] = ["200", "503", "504", "499"].map(|status| counted(&text, status));
    assert_eq!(answered + refused + late + gone, SENT, "no internal errors: {text}");
    assert!(answered >= seen.answered && refused >= seen.refused && gone <= seen.gone, "{seen:?} {text}");
}
