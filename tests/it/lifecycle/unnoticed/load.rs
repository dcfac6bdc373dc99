//! Load that keeps its rate whatever the server does: requests are pipelined, and another thread reads the answers.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use super::constant;
use crate::support::{
    http_client::Reply,
    models_directory::{BODY, read_answer},
    wait::{TEST_TIMEOUT, wait_until},
};

/// The connections of each model, and how often each sends a request.
const CONNECTIONS: usize = 2;
const PERIOD: Duration = Duration::from_millis(40);

/// What the load was answered.
#[derive(Debug, Default)]
pub(super) struct Answers {
    pub(super) count: usize,
    pub(super) failures: Vec<String>,
    /// Every constant that was seen.
    pub(super) constants: BTreeSet<String>,
    /// The latest version and constant of each model.
    latest: BTreeMap<String, (String, f32)>,
}

pub(super) struct Load {
    address: SocketAddr,
    answers: Mutex<Answers>,
    done: AtomicBool,
}

impl Load {
    pub(super) fn new(address: SocketAddr) -> Self {
        Self { address, answers: Mutex::default(), done: AtomicBool::new(false) }
    }

    /// Waits until a model is answered by this version with these files.
    pub(super) fn wait_for(&self, model: &str, (version, revision): (u8, u8)) {
        let expected = (version.to_string(), constant(model, version, revision));
        wait_until(&format!("{model} is answered by {expected:?}"), || {
            let answers = self.answers.lock().expect("no panic");
            assert!(answers.failures.is_empty(), "{:?}", answers.failures);
            answers.latest.get(model) == Some(&expected)
        });
    }

    /// Asks these models all the time while `work` runs. Returns its result and the answers.
    pub(super) fn run<T>(&self, models: &[&'static str], work: impl FnOnce() -> T) -> (T, Answers) {
        let outcome = thread::scope(|scope| {
            for model in models {
                for _ in 0..CONNECTIONS {
                    let stream = TcpStream::connect(self.address).expect("a connection");
                    stream.set_read_timeout(Some(TEST_TIMEOUT)).expect("a timeout");
                    let reading = stream.try_clone().expect("a clone");
                    scope.spawn(move || self.send(stream, model));
                    scope.spawn(move || self.read(reading, model));
                }
            }
            let outcome = catch_unwind(AssertUnwindSafe(work));
            self.done.store(true, Ordering::Relaxed);
            outcome
        });
        let answers = std::mem::take(&mut *self.answers.lock().expect("no panic"));
        (outcome.unwrap_or_else(|panic| resume_unwind(panic)), answers)
    }

    fn send(&self, mut stream: TcpStream, model: &str) {
        let length = BODY.len();
        let request = format!(
            "POST /models/{model}/predict HTTP/1.1\r\nhost: test\r\ncontent-type: application/json\r\n\
             content-length: {length}\r\n\r\n{BODY}"
        );
        let mut due = Instant::now();
        while !self.done.load(Ordering::Relaxed) {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if let Err(error) = stream.write_all(request.as_bytes()) {
                self.answers.lock().expect("no panic").failures.push(format!("{model}: {error}"));
                return;
            }
            due += PERIOD;
        }
        // The server answers what it has, and closes the connection.
        stream.shutdown(Shutdown::Write).expect("half closed");
    }

    fn read(&self, mut stream: TcpStream, model: &str) {
        let (mut bytes, mut buffer) = (Vec::new(), [0; 4096]);
        loop {
            match stream.read(&mut buffer) {
                Ok(0) if bytes.is_empty() => return,
                Ok(count) if count > 0 => bytes.extend_from_slice(&buffer[..count]),
                ended => {
                    let failure = format!("{model}: the connection ended inside an answer: {ended:?}");
                    return self.answers.lock().expect("no panic").failures.push(failure);
                }
            }
            while let Some((reply, length)) = first_reply(&bytes) {
                bytes.drain(..length);
                self.take(model, &reply);
            }
        }
    }

    fn take(&self, model: &str, reply: &Reply) {
        let read = catch_unwind(AssertUnwindSafe(|| read_answer(reply)));
        let mut answers = self.answers.lock().expect("no panic");
        answers.count += 1;
        let of_one_version = |(version, found): &(String, f32)| {
            let version: u8 = version.parse().unwrap_or_default();
            (0..10).any(|revision| constant(model, version, revision).to_bits() == found.to_bits())
        };
        match read {
            Ok(answer) if of_one_version(&answer) => {
                answers.constants.insert(answer.1.to_string());
                answers.latest.insert(model.to_owned(), answer);
            }
            _ => answers.failures.push(format!("{model}: {} {}", reply.status, reply.text())),
        }
    }
}

/// The first whole response of these bytes, and its length.
fn first_reply(bytes: &[u8]) -> Option<(Reply, usize)> {
    let head = bytes.windows(4).position(|window| window == b"\r\n\r\n")? + 4;
    let length: usize = Reply::parse(&bytes[..head])?.header("content-length")?.parse().ok()?;
    let whole = bytes.get(..head + length)?;
    Some((Reply::parse(whole)?, whole.len()))
}
