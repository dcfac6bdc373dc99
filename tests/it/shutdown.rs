//! Shutdown: accepted requests are finished, new ones are rejected cleanly, and a second signal stops the server at
//! once.

mod http2;
mod signals;

use std::{
    cell::Cell,
    net::TcpStream,
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use crate::support::{
    http_client::{Ended, KeepAliveClient},
    packages::copy_models,
    process::Process,
    server::Server,
    wait::{TEST_TIMEOUT, wait_until},
};

const GOOD: &str = r#"{"features":{"tenure_months":4,"monthly_charge":79.5,"plan":"basic"}}"#;

/// The program with churn as default model.
fn serve(settings: &[&str]) -> Process {
    let set = settings.iter().flat_map(|setting| ["--set", *setting]);
    let arguments: Vec<&str> = ["--default-model", "churn"].into_iter().chain(set).collect();
    Process::serve(&arguments)
}

/// A server in this process whose churn waits long for a slow body: the deadline counts from the head of the request.
fn patient() -> (tempfile::TempDir, Server) {
    let models = copy_models(&["churn"]);
    std::fs::write(models.path().join("churn/model.toml"), "[limits]\ndeadline_ms = 60000\n").expect("written");
    let server = Server::over(models.path());
    (models, server)
}

/// The head of a prediction request with the length of the good body; `lines` are whole header lines.
fn head(lines: &str) -> String {
    let length = GOOD.len();
    format!(
        "POST /predict HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n{lines}content-length: {length}\r\n\r\n"
    )
}

/// What one client saw until its connections ended.
#[derive(Debug, Default)]
struct Seen {
    sent: usize,
    answered: usize,
    turned_away: usize,
    unread: usize,
}

/// Sends requests until the server is gone; `told` receives a message per response. A client that does not keep its
/// connection opens a new one for each request.
fn ask_until_the_end(process: &Process, keep: bool, told: &mpsc::Sender<()>) -> impl FnOnce() -> Seen + Send + 'static {
    let (address, told) = (process.address, told.clone());
    let request = head(if keep { "" } else { "connection: close\r\n" }) + GOOD;
    move || {
        let mut seen = Seen::default();
        while let Ok(mut connection) = KeepAliveClient::open(address) {
            loop {
                seen.sent += 1;
                let reply = connection.ask(request.as_bytes());
                let last = reply.as_ref().is_ok_and(|reply| reply.header("connection") == Some("close"));
                match reply {
                    Ok(reply) if reply.status == 200 => seen.answered += 1,
                    Ok(reply) => {
                        assert_eq!((reply.status, reply.code().as_str()), (503, "draining"));
                        assert!(reply.header("retry-after").is_some() && reply.header("connection") == Some("close"));
                        seen.turned_away += 1;
                    }
                    Err(Ended::Unanswered) => {
                        seen.unread += 1;
                        break;
                    }
                    Err(Ended::Inside(bytes)) => panic!("an answer was cut: {:?}", String::from_utf8_lossy(&bytes)),
                }
                let _ = told.send(());
                if last {
                    break;
                }
            }
        }
        seen
    }
}

/// Every request that the server has read, according to its log, was answered completely.
#[test]
fn a_server_under_constant_requests_completes_what_it_accepted() {
    let mut process = serve(&[]);
    let (told, answers) = mpsc::channel();
    let clients: Vec<_> = [true, true, true, true, false, false]
        .map(|keep| thread::spawn(ask_until_the_end(&process, keep, &told)))
        .into_iter()
        .collect();
    for _ in 0..300 {
        answers.recv_timeout(TEST_TIMEOUT).expect("an answer");
    }
    process.signal("TERM");
    let seen: Vec<Seen> = clients.into_iter().map(|client| client.join().expect("no panic in the client")).collect();

    let logged = Cell::new((0, 0));
    process.wait_for(|line| {
        if line["route"] == "/predict" {
            let (answered, others) = logged.get();
            logged.set(if line["status"] == 200 { (answered + 1, others) } else { (answered, others + 1) });
        }
        false
    });
    assert_eq!(process.ended(), Some(0));
    let total = |field: fn(&Seen) -> usize| seen.iter().map(field).sum::<usize>();
    let (answered, turned_away) = (total(|seen| seen.answered), total(|seen| seen.turned_away));
    assert_eq!(logged.get(), (answered, turned_away), "the server's log and the clients agree: {seen:?}");
    assert_eq!(total(|seen| seen.sent), answered + turned_away + total(|seen| seen.unread));
    // At most one request per client was never read: on a connection that the kernel accepted at the moment the
    // listener was closed.
    assert!(seen.iter().all(|seen| seen.unread <= 1), "{seen:?}");
}

#[test]
fn during_the_delay_the_server_serves_and_says_that_it_will_not_for_long() {
    let mut process = serve(&["lifecycle.drain_delay_ms=1000"]);
    let mut kept = KeepAliveClient::open(process.address).expect("a connection");
    let get = |path: &str| format!("GET {path} HTTP/1.1\r\nhost: test\r\n\r\n");
    assert_eq!(kept.ask(get("/readyz").as_bytes()).expect("an answer").status, 200);

    process.signal("TERM");
    process.wait_for(|line| line["message"].as_str().is_some_and(|text| text.starts_with("draining"))).expect("a line");
    let ready = kept.ask(get("/readyz").as_bytes()).expect("an answer");
    assert_eq!(ready.status, 503);
    assert_eq!(ready.json()["ready"], false);
    assert_eq!(ready.json()["reasons"], serde_json::json!(["the server is shutting down"]));
    assert_eq!(kept.ask(get("/livez").as_bytes()).expect("an answer").status, 200);
    assert_eq!(kept.ask((head("") + GOOD).as_bytes()).expect("an answer").status, 200);
    let fresh = KeepAliveClient::open(process.address).expect("a connection").ask((head("") + GOOD).as_bytes());
    assert_eq!(fresh.expect("an answer").status, 200);

    // Then the keep-alive connection is closed without data, and the program ends.
    assert!(kept.ends_cleanly());
    assert_eq!(process.ended(), Some(0));
    assert!(TcpStream::connect(process.address).is_err(), "the listener is closed");
}

#[test]
fn both_signals_stop_an_idle_server() {
    for signal in ["TERM", "INT"] {
        let mut process = serve(&[]);
        let kept = KeepAliveClient::open(process.address).expect("a connection");
        process.signal(signal);
        assert!(kept.ends_cleanly());
        let stopped = process.wait_for(|line| line["message"] == "stopped").expect("a last line");
        assert_eq!((&stopped["finished"], process.ended()), (&true.into(), Some(0)), "{signal}");
    }
}

/// A request whose body never arrives would delay the shutdown for a minute.
#[test]
fn a_second_signal_ends_it_at_once() {
    let limits = ["http.body_timeout_ms=60000", "lifecycle.drain_timeout_ms=60000"];
    let mut process = serve(&limits);
    let hanging = hang(&process);
    let started = Instant::now();
    process.signal("TERM");
    process.wait_for(|line| line["message"].as_str().is_some_and(|text| text.starts_with("stopping"))).expect("a line");
    // Signals within the first second count as one; the next one stops the server.
    while process.child.try_wait().expect("a state").is_none() {
        assert!(started.elapsed() < TEST_TIMEOUT, "a signal after the first second stops the server");
        process.signal("TERM");
    }
    assert!(started.elapsed() >= Duration::from_secs(1), "not before: {:?}", started.elapsed());
    let code = process.ended();
    assert!(code.is_some_and(|code| code != 0), "an exit code other than 0, and not killed by the signal: {code:?}");
    drop(hanging);
}

/// The log shows afterwards how many requests had no response, and which.
#[test]
fn a_drain_has_an_end() {
    for (hanging, timeout) in [(1, "100"), (3, "0")] {
        let timeout = format!("lifecycle.drain_timeout_ms={timeout}");
        let mut process = serve(&["http.body_timeout_ms=60000", &timeout]);
        let hanging: Vec<KeepAliveClient> = (0..hanging).map(|_| hang(&process)).collect();
        let idle = KeepAliveClient::open(process.address).expect("a connection");
        process.signal("TERM");
        let cut = Cell::new(0);
        let told = process.wait_for(|line| {
            cut.set(cut.get() + usize::from(line["route"] == "/predict" && line["status"] == 499));
            line["message"].as_str().is_some_and(|text| text.starts_with("drain timed out"))
        });
        assert_eq!(
            (told.expect("a warning")["aborted"].as_u64(), cut.get()),
            (Some(hanging.len() as u64), hanging.len())
        );
        let stopped = process.wait_for(|line| line["message"] == "stopped").expect("a last line");
        assert_eq!((&stopped["finished"], stopped["aborted"].as_u64()), (&false.into(), Some(hanging.len() as u64)));
        assert_eq!(process.ended(), Some(0));
        drop((hanging, idle));
    }
}

/// A connection with a request in flight that the server can never finish.
fn hang(process: &Process) -> KeepAliveClient {
    let mut hanging = KeepAliveClient::open(process.address).expect("a connection");
    // The server sends 100 Continue only when it reads the body, so the request is in flight then.
    hanging.send(head("expect: 100-continue\r\n").as_bytes());
    hanging.expect_continue();
    hanging.send(&GOOD.as_bytes()[..10]);
    hanging
}

#[test]
fn a_request_in_flight_is_finished() {
    let (_models, server) = patient();
    let address = server.address;
    let mut kept = KeepAliveClient::open(address).expect("a connection");
    kept.send(head("expect: 100-continue\r\n").as_bytes());
    kept.expect_continue();
    kept.send(&GOOD.as_bytes()[..10]);

    let drained = thread::spawn(move || server.drain());
    wait_until_closing(address);
    assert!(!drained.is_finished(), "the drain waits for the request");
    let reply = kept.ask(&GOOD.as_bytes()[10..]).expect("an answer");
    assert_eq!((reply.status, reply.header("connection")), (200, Some("close")), "{}", reply.text());
    assert!(drained.join().expect("a drain"), "everything was finished");
    assert!(kept.ends_cleanly());
}

/// Connections without a complete request do not delay the shutdown.
#[test]
fn silent_connections_do_not_hold_the_end_up() {
    let server = Server::start(|_| {});
    let silent = ["", "P", "POST /predict HTTP/1.1\r\nhost: te", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"].map(|bytes| {
        let mut kept = KeepAliveClient::open(server.address).expect("a connection");
        kept.send(bytes.as_bytes());
        kept
    });
    assert_eq!(server.post("/predict", GOOD).status, 200);
    let started = Instant::now();
    assert!(server.drain(), "everything was finished");
    assert!(started.elapsed() < Duration::from_secs(10), "well within the drain timeout of 30 s");
    drop(silent);
}

/// Returns when the server accepts no more connections.
fn wait_until_closing(address: std::net::SocketAddr) {
    wait_until("the listener is closed", || TcpStream::connect(address).is_err());
}
