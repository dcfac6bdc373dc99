//! A load generator that keeps its rate whatever the server does, or a number of callers who each wait for their answer.
//!
//! Every request has an intended start. Latency counts from there, so a server that stalls is charged for the requests
//! that it kept from being sent (what is otherwise lost is known as coordinated omission). A request that no connection
//! could take up in time is not sent late in silence: it is counted as `unsent`.
//!
//! Prints one JSON object. `benches/overload/run.py` calls it; `--help` tells the flags.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
    fmt::Write as _,
    io,
    net::SocketAddr,
    path::PathBuf,
    rc::Rc,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use clap::Parser;
use serde_json::{Value, json};
use tokio::{
    net::TcpStream,
    sync::{mpsc, oneshot},
    task::LocalSet,
};

/// How finely starts are released: all that fell due since the last time at once. Finer would only cost the server's
/// processors, which are this generator's as well; the wait for it counts as latency.
const TICK: Duration = Duration::from_millis(1);

/// How long answers are waited for when the load has ended.
const LAST_ANSWERS: Duration = Duration::from_secs(5);

/// POSTs at a fixed rate, or from a fixed number of callers.
#[derive(Debug, Parser)]
struct Options {
    /// The server.
    #[arg(long)]
    address: SocketAddr,
    /// A file of requests, taken in turn: a line each, the path, a space, the body.
    #[arg(long)]
    requests: PathBuf,
    /// Requests a second, evenly spaced; 0: closed loop, each connection sends when its answer is there.
    #[arg(long, default_value_t = 0.0)]
    rate: f64,
    /// The most connections at once; each carries one request at a time.
    #[arg(long, default_value_t = 512)]
    connections: usize,
    /// How long to send.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Closed loop: end after so many requests, if that is sooner.
    #[arg(long, default_value_t = usize::MAX)]
    count: usize,
    /// Sent as x-deadline-ms; answers within it are the goodput. 0: not sent, and every answer is good.
    #[arg(long, default_value_t = 0)]
    deadline_ms: u32,
    /// A request that waits longer than this for a connection is not sent.
    #[arg(long, default_value_t = 50)]
    start_within_ms: u64,
    /// Write a line for each answer: the intended start in microseconds since 1970, the latency in microseconds, the status.
    #[arg(long)]
    samples: Option<PathBuf>,
}

/// One answer, in microseconds.
struct Answer {
    status: u16,
    code: String,
    /// When it should have been sent, after the beginning.
    due: u32,
    /// From the intended start to the answer.
    latency: u32,
    /// From the write to the answer.
    service: u32,
    /// What the server says that it took, where it says so.
    server: Option<u32>,
}

#[derive(Default)]
struct Tally {
    due: usize,
    sent: usize,
    unsent: usize,
    broken: usize,
    answers: Vec<Answer>,
}

/// Starts that wait for a connection, and connections that wait for a start: one of the two is empty.
#[derive(Default)]
struct Pool {
    starts: VecDeque<Instant>,
    /// The connection that was used last is taken first, as in the pools of HTTP clients.
    idle: Vec<oneshot::Sender<Instant>>,
}

impl Pool {
    fn start(&mut self, due: Instant) {
        match self.idle.pop() {
            // Nobody gives up waiting for a start.
            Some(connection) => drop(connection.send(due)),
            None => self.starts.push_back(due),
        }
    }
}

struct Load {
    options: Options,
    requests: Vec<Vec<u8>>,
    began: Instant,
    tally: RefCell<Tally>,
    /// `None` when the last start has been given out.
    pool: RefCell<Option<Pool>>,
}

impl Load {
    /// Gives out what falls due, until the load has ended.
    async fn give_out(self: Rc<Self>, mut starts: mpsc::UnboundedReceiver<Vec<Instant>>) {
        while let Some(due) = starts.recv().await {
            self.tally.borrow_mut().due += due.len();
            if let Some(pool) = self.pool.borrow_mut().as_mut() {
                for due in due {
                    pool.start(due);
                }
            }
        }
        // Those that wait for a connection still are counted as not sent.
        let left = self.pool.borrow_mut().take().map_or(0, |pool| pool.starts.len());
        self.tally.borrow_mut().unsent += left;
    }

    /// When the next request was to start; `None` when the load has ended.
    async fn next(&self) -> Option<Instant> {
        if self.options.rate > 0.0 {
            let started = {
                let mut pool = self.pool.borrow_mut();
                let pool = pool.as_mut()?;
                if let Some(due) = pool.starts.pop_front() {
                    return Some(due);
                }
                let (sender, started) = oneshot::channel();
                pool.idle.push(sender);
                started
            };
            return started.await.ok();
        }
        let (mut tally, now) = (self.tally.borrow_mut(), Instant::now());
        let over = (now - self.began).as_secs_f64() >= self.options.seconds || tally.due >= self.options.count;
        tally.due += usize::from(!over);
        (!over).then_some(now)
    }

    /// One connection, opened again where it breaks.
    async fn connection(self: Rc<Self>, mut open: Option<TcpStream>) {
        let mut buffer = Vec::with_capacity(4096);
        while let Some(due) = self.next().await {
            if due.elapsed() > Duration::from_millis(self.options.start_within_ms) {
                self.tally.borrow_mut().unsent += 1;
                continue;
            }
            let number = {
                let mut tally = self.tally.borrow_mut();
                tally.sent += 1;
                tally.sent
            };
            let request = &self.requests[number % self.requests.len()];
            if let Ok(written) = exchange(self.options.address, &mut open, request, &mut buffer).await {
                let mut answer = read(&buffer);
                answer.due = micros(due - self.began);
                answer.latency = micros(due.elapsed());
                answer.service = micros(written.elapsed());
                self.tally.borrow_mut().answers.push(answer);
            } else {
                open = None;
                self.tally.borrow_mut().broken += 1;
            }
        }
    }

    fn report(&self, lasted: Duration) -> Value {
        let tally = self.tally.borrow();
        let deadline = match self.options.deadline_ms {
            0 => u32::MAX,
            millis => millis * 1000,
        };
        let answered = || tally.answers.iter().filter(|answer| answer.status == 200);
        let refused = || tally.answers.iter().filter(|answer| answer.status == 503);
        let good = answered().filter(|answer| answer.latency <= deadline).count();
        let mut refusals: BTreeMap<&str, usize> = BTreeMap::new();
        let mut others: BTreeMap<u16, usize> = BTreeMap::new();
        for answer in &tally.answers {
            match answer.status {
                200 => {}
                503 => *refusals.entry(&answer.code).or_default() += 1,
                status => *others.entry(status).or_default() += 1,
            }
        }
        let late = |times: Vec<u32>| quantiles(times.into_iter().map(|time| time.saturating_sub(deadline)).collect());
        json!({
            "seconds": lasted.as_secs_f64(),
            "intended": tally.due,
            "sent": tally.sent,
            "unsent": tally.unsent,
            "broken": tally.broken,
            "unanswered": tally.sent - tally.broken - tally.answers.len(),
            "answered": answered().count(),
            "refused": refusals,
            "other": others,
            "goodput": per_second(good, lasted),
            "answered_per_second": per_second(answered().count(), lasted),
            // From the intended start; the generator's own delays are in it.
            "latency_us": quantiles(answered().map(|answer| answer.latency).collect()),
            // From the write.
            "service_us": quantiles(answered().map(|answer| answer.service).collect()),
            // What the server-timing header says.
            "server_us": quantiles(answered().filter_map(|answer| answer.server).collect()),
            "late_us": late(answered().map(|answer| answer.latency).collect()),
            "late_server_us": late(answered().filter_map(|answer| answer.server).collect()),
            "refusal_latency_us": quantiles(refused().map(|answer| answer.latency).collect()),
        })
    }

    fn samples(&self) -> String {
        let unix =
            (SystemTime::now() - self.began.elapsed()).duration_since(UNIX_EPOCH).unwrap_or_default().as_micros();
        let mut text = String::new();
        for answer in &self.tally.borrow().answers {
            let _ = writeln!(text, "{} {} {}", unix + u128::from(answer.due), answer.latency, answer.status);
        }
        text
    }
}

fn micros(duration: Duration) -> u32 {
    u32::try_from(duration.as_micros()).unwrap_or(u32::MAX)
}

fn per_second(count: usize, lasted: Duration) -> f64 {
    count as f64 / lasted.as_secs_f64()
}

fn quantiles(mut times: Vec<u32>) -> Value {
    times.sort_unstable();
    let at = |per_mille: usize| times.get((times.len() * per_mille / 1000).min(times.len().saturating_sub(1)));
    json!({ "p50": at(500), "p90": at(900), "p99": at(990), "p999": at(999), "max": times.last() })
}

async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Sends a request and reads the whole answer into the buffer. Returns when the request was written.
async fn exchange(
    address: SocketAddr,
    open: &mut Option<TcpStream>,
    request: &[u8],
    buffer: &mut Vec<u8>,
) -> io::Result<Instant> {
    if open.is_none() {
        *open = Some(connect(address).await?);
    }
    let Some(stream) = open else { return Err(io::ErrorKind::NotConnected.into()) };
    let mut rest = request;
    while !rest.is_empty() {
        match stream.try_write(rest) {
            Ok(written) => rest = &rest[written..],
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => stream.writable().await?,
            Err(error) => return Err(error),
        }
    }
    let written = Instant::now();
    buffer.clear();
    loop {
        stream.readable().await?;
        match stream.try_read_buf(buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(_) if is_whole(buffer) => return Ok(written),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(error),
        }
    }
}

/// The head of an answer and its body, as far as they are there.
fn parts(buffer: &[u8]) -> Option<(&str, &[u8])> {
    let end = buffer.windows(4).position(|four| four == b"\r\n\r\n")?;
    Some((std::str::from_utf8(&buffer[..end]).ok()?, &buffer[end + 4..]))
}

fn header<'h>(head: &'h str, name: &str) -> Option<&'h str> {
    head.lines().filter_map(|line| line.split_once(": ")).find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|at| at.1)
}

fn is_whole(buffer: &[u8]) -> bool {
    parts(buffer).is_some_and(|(head, body)| {
        header(head, "content-length")
            .and_then(|length| length.parse().ok())
            .is_some_and(|length: usize| body.len() >= length)
    })
}

/// The status of an answer; of a problem also its code.
fn read(buffer: &[u8]) -> Answer {
    let (head, body) = parts(buffer).unwrap_or(("", &[]));
    let status = head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(0);
    let text = || std::str::from_utf8(body).ok()?.split_once("\"code\":\"")?.1.split('"').next().map(str::to_owned);
    let total = || header(head, "server-timing")?.split_once("total;dur=")?.1.parse::<f64>().ok();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "milliseconds of one request")]
    let server = total().map(|millis| (millis * 1000.0) as u32);
    let code = if status == 503 { text().unwrap_or_default() } else { String::new() };
    Answer { status, code, due: 0, latency: 0, service: 0, server }
}

/// Releases the starts at their times, from a thread of its own, so that a busy generator shows as latency.
fn schedule(rate: f64, seconds: f64, began: Instant, starts: &mpsc::UnboundedSender<Vec<Instant>>) {
    let mut dues = (0_u32..)
        .map(|number| f64::from(number) / rate)
        .take_while(|after| *after < seconds)
        .map(|after| began + Duration::from_secs_f64(after))
        .peekable();
    let mut released = began;
    while let Some(next) = dues.peek() {
        std::thread::sleep((*next).max(released + TICK).saturating_duration_since(Instant::now()));
        released = Instant::now();
        let due = std::iter::from_fn(|| dues.next_if(|due| *due <= released)).collect();
        if starts.send(due).is_err() {
            return;
        }
    }
}

fn compose(options: &Options) -> io::Result<Vec<Vec<u8>>> {
    let deadline = match options.deadline_ms {
        0 => String::new(),
        millis => format!("x-deadline-ms: {millis}\r\n"),
    };
    let compose = |(path, body): (&str, &str)| {
        let (address, length) = (options.address, body.len());
        format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n{deadline}\
             content-length: {length}\r\n\r\n{body}"
        )
        .into_bytes()
    };
    let text = std::fs::read_to_string(&options.requests)?;
    let requests: Vec<Vec<u8>> = text.lines().filter_map(|line| line.split_once(' ')).map(compose).collect();
    if requests.is_empty() { Err(io::Error::other("the file holds no request")) } else { Ok(requests) }
}

fn main() -> io::Result<()> {
    let options = Options::parse();
    let requests = compose(&options)?;
    let (rate, seconds, connections) = (options.rate, options.seconds, options.connections);
    let (sender, receiver) = mpsc::unbounded_channel();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (load, lasted) = LocalSet::new().block_on(&runtime, async {
        // All are there before the load begins: how fast connections are accepted is another question.
        let mut open = Vec::with_capacity(connections);
        for _ in 0..connections {
            open.push(connect(options.address).await?);
        }
        let began = Instant::now();
        let pool = RefCell::new(Some(Pool::default()));
        let load = Rc::new(Load { options, requests, began, tally: RefCell::default(), pool });
        let clock = (rate > 0.0).then(|| {
            tokio::task::spawn_local(Rc::clone(&load).give_out(receiver));
            std::thread::spawn(move || schedule(rate, seconds, began, &sender))
        });
        let callers: Vec<_> =
            open.into_iter().map(|open| tokio::task::spawn_local(Rc::clone(&load).connection(Some(open)))).collect();
        let all = async {
            for caller in callers {
                // A caller that ends early shows in the counts.
                let _ = caller.await;
            }
        };
        let _ = tokio::time::timeout(Duration::from_secs_f64(seconds) + LAST_ANSWERS, all).await;
        if let Some(clock) = clock {
            let _ = clock.join();
        }
        // In the open loop the last answers come after the load; they do not lengthen it.
        let took = began.elapsed();
        let lasted = if rate > 0.0 { took.min(Duration::from_secs_f64(seconds)) } else { took };
        Ok::<_, io::Error>((load, lasted))
    })?;
    println!("{:#}", load.report(lasted));
    load.options.samples.as_ref().map_or(Ok(()), |path| std::fs::write(path, load.samples()))
}
