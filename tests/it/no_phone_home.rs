//! ONNX Runtime sends no telemetry: at no time does the process have a socket that is not the server's.

use std::{
    collections::{HashMap, HashSet},
    fs,
    io::{BufRead as _, BufReader},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::Duration,
};

use serde_json::Value;

use crate::support::{
    http_client::{Reply, raw},
    process::candor,
    wait::TEST_TIMEOUT,
};

/// The models that are requested in every round, each with its own example.
const MODELS: &[&str] = &["churn", "breast-cancer", "diabetes", "digits", "wine"];

/// Requests per model.
const ROUNDS: usize = 20;

/// How often a socket that is in no table is looked up again before it counts as foreign.
const LOOKS: usize = 500;

/// The state of a listening socket in /proc/net/tcp.
const LISTEN: &str = "0A";

/// A running program, observed through /proc.
struct Watched {
    child: Child,
    /// The port that it listens on, once it is known.
    port: Option<u16>,
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Watched {
    fn proc(&self, file: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{file}", self.child.id()))
    }

    /// The inodes of the process's sockets.
    fn sockets(&self) -> HashSet<u64> {
        let entries = fs::read_dir(self.proc("fd")).into_iter().flatten().flatten();
        let links = entries.filter_map(|entry| fs::read_link(entry.path()).ok());
        links.filter_map(|link| link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()).collect()
    }

    /// A table of /proc/net by inode: the local port and the state. The columns are those of proc(5).
    fn table(&self, name: &str) -> HashMap<u64, (u16, String)> {
        let text = fs::read_to_string(self.proc(&format!("net/{name}"))).unwrap_or_default();
        text.lines()
            .skip(1)
            .filter_map(|line| {
                let fields: Vec<&str> = line.split_whitespace().collect();
                let port = u16::from_str_radix(fields.get(1)?.rsplit_once(':')?.1, 16).ok()?;
                Some((fields.get(9)?.parse().ok()?, (port, (*fields.get(3)?).to_owned())))
            })
            .collect()
    }

    /// The kind of each socket of this machine.
    fn places(&self) -> HashMap<u64, Place> {
        let mut places = HashMap::new();
        // Tokio delivers signals through a socket pair inside the process.
        let local = fs::read_to_string(self.proc("net/unix")).unwrap_or_default();
        let inodes = local.lines().skip(1).filter_map(|line| line.split_whitespace().nth(6)?.parse().ok());
        places.extend(inodes.map(|inode| (inode, Place::Local)));
        for name in ["tcp", "tcp6"] {
            let table = self.table(name).into_iter();
            places.extend(table.map(|(inode, (port, state))| (inode, Place::Tcp { port, listens: state == LISTEN })));
        }
        for name in ["udp", "udp6", "raw", "raw6"] {
            places.extend(self.table(name).into_keys().map(|inode| (inode, Place::Foreign)));
        }
        places
    }

    /// Whether every socket of the process is the listener, an accepted connection, or local.
    fn check(&self) -> Result<(), String> {
        let ours = |place: &Place| match (place, self.port) {
            (Place::Tcp { port, .. }, Some(ours)) => *port == ours,
            (Place::Tcp { listens, .. }, None) => *listens,
            (place, _) => *place == Place::Local,
        };
        let mut sockets = self.sockets();
        // A socket is in no table before it is bound and after it is closed: look again.
        for _ in 0..LOOKS {
            let places = self.places();
            if let Some(place) = sockets.iter().filter_map(|inode| places.get(inode)).find(|place| !ours(place)) {
                return Err(format!("a socket of the process's own: {place:?}; it listens on {:?}", self.port));
            }
            sockets.retain(|inode| !places.contains_key(inode));
            if sockets.is_empty() {
                return Ok(());
            }
            let held = self.sockets();
            sockets.retain(|inode| held.contains(inode));
        }
        Err(format!("a socket that is neither TCP nor local: {sockets:?}"))
    }
}

/// The kind of a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// TCP, with this local port.
    Tcp { port: u16, listens: bool },
    /// Local to this machine.
    Local,
    /// UDP or raw, as DNS uses.
    Foreign,
}

/// Starts the program without the variable, and watches it until it prints its first command.
fn start() -> (Watched, SocketAddr) {
    let child = candor(&["serve", "--port", "0"])
        .env_remove("ORT_DISABLE_TELEMETRY")
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    let mut watched = Watched { child, port: None };
    let reader = BufReader::new(watched.child.stderr.take().expect("its log"));
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || reader.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let mut address = None;
    for _ in 0..TEST_TIMEOUT.as_millis() {
        assert_eq!(watched.check(), Ok(()));
        // Checks after each line, or after each millisecond without one.
        let line = match lines.recv_timeout(Duration::from_millis(1)) {
            Ok(line) => serde_json::from_str::<Value>(&line).unwrap_or_default(),
            Err(mpsc::RecvTimeoutError::Timeout) => continue,
            Err(mpsc::RecvTimeoutError::Disconnected) => panic!("the program ended"),
        };
        if line["message"] == "listening" {
            address = line["address"].as_str().and_then(|text| text.parse::<SocketAddr>().ok());
            watched.port = address.map(|address| address.port());
        }
        if let Some(address) =
            address.filter(|_| line["message"].as_str().is_some_and(|text| text.starts_with("try: ")))
        {
            return (watched, address);
        }
    }
    panic!("the models are not loaded in time");
}

fn ask(address: SocketAddr, head: &str, body: &str) -> Reply {
    let length = body.len();
    let request = format!(
        "{head} HTTP/1.1\r\nhost: test\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {length}\r\n\r\n{body}"
    );
    Reply::parse(&raw(address, request.as_bytes(), false)).expect("an answer")
}

#[test]
fn the_process_opens_no_connection_of_its_own() {
    let (watched, address) = start();
    let examples: Vec<(&str, String)> = MODELS
        .iter()
        .map(|model| {
            let contract = ask(address, &format!("GET /models/{model}/contract"), "").json();
            (*model, format!(r#"{{"features":{}}}"#, contract["examples"][0]))
        })
        .collect();
    for _ in 0..ROUNDS {
        for (model, body) in &examples {
            let reply = ask(address, &format!("POST /models/{model}/predict"), body);
            assert_eq!(reply.status, 200, "{model}: {}", reply.text());
            assert_eq!(watched.check(), Ok(()));
        }
    }
}

/// The program re-executes itself with the variable set, in the same process.
#[test]
fn the_variable_is_set_before_the_library_is_loaded() {
    let (watched, address) = start();
    let environment = fs::read(watched.proc("environ")).expect("its environment");
    let mut variables = environment.split(|byte| *byte == 0);
    assert!(variables.any(|variable| variable == b"ORT_DISABLE_TELEMETRY=1"));

    let listener =
        watched.table("tcp").into_iter().find(|(_, (port, state))| *port == address.port() && state == LISTEN);
    let (inode, _) = listener.expect("a listening socket");
    assert!(watched.sockets().contains(&inode), "the started process is the one that listens");
    let maps = fs::read_to_string(watched.proc("maps")).expect("its memory");
    assert!(maps.contains("libonnxruntime"), "and it loaded ONNX Runtime");
}

/// The watch detects what it should: a shell that sends to a DNS port, and one that connects.
#[test]
fn a_connection_of_a_processs_own_would_be_seen() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let port = listener.local_addr().expect("an address").port();
    for place in [format!("udp/127.0.0.1/{port}"), format!("tcp/127.0.0.1/{port}")] {
        let mut child = Command::new("bash")
            .args(["-c", &format!("exec 3<>/dev/{place}; echo open; read")])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line).expect("a line");
        let watched = Watched { child, port: None };
        assert!(watched.check().is_err(), "{place}");
    }
}
