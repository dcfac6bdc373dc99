//! Repeated signals and signals that do not ask for a stop: no request in flight is lost.

use std::{cell::RefCell, process::Command};

use super::{GOOD, hang, serve};
use crate::support::{http_client::KeepAliveClient, process::Process};

/// The number of requests in flight.
const IN_FLIGHT: usize = 64;

/// Sends signals directly after each other, as a process group receives them.
fn signals(process: &Process, names: &[&str]) {
    let id = process.child.id();
    let commands: Vec<String> = names.iter().map(|name| format!("kill -{name} {id}")).collect();
    let sent = Command::new("sh").args(["-c", &commands.join(" && ")]).status();
    assert!(sent.is_ok_and(|status| status.success()), "the signals were sent");
}

/// The clients send the rest of their requests, and each gets its response.
fn finish(clients: Vec<KeepAliveClient>) {
    for mut client in clients {
        let reply = client.ask(&GOOD.as_bytes()[10..]).expect("an answer");
        assert_eq!(reply.status, 200, "{}", reply.text());
    }
}

/// A server with requests in flight that wait for the rest of their bodies.
fn busy() -> (tempfile::TempDir, Process, Vec<KeepAliveClient>) {
    let models = crate::support::packages::copy_models(&["churn"]);
    std::fs::write(models.path().join("churn/model.toml"), "[limits]\ndeadline_ms = 60000\n").expect("written");
    let place = format!("repository.models={}", models.path().display());
    let process = serve(&[&place, "http.body_timeout_ms=60000", "lifecycle.drain_timeout_ms=60000"]);
    let clients = (0..IN_FLIGHT).map(|_| hang(&process)).collect();
    (models, process, clients)
}

#[test]
fn two_sigterms_a_millisecond_apart_lose_no_request_in_flight() {
    for names in [["TERM", "TERM"], ["TERM", "INT"], ["INT", "INT"]] {
        let (_models, mut process, clients) = busy();
        signals(&process, &names);
        process
            .wait_for(|line| line["message"].as_str().is_some_and(|text| text.starts_with("stopping")))
            .expect("a line");
        if names[0] != names[1] {
            let ignored = |line: &serde_json::Value| {
                line["message"].as_str().is_some_and(|text| text.starts_with("signal ignored"))
            };
            assert!(process.wait_for(ignored).is_some(), "the second signal is logged");
        }
        finish(clients);
        let stopped = process.wait_for(|line| line["message"] == "stopped").expect("a last line");
        assert_eq!((&stopped["finished"], &stopped["aborted"]), (&true.into(), &0.into()), "{names:?}");
        assert_eq!(process.ended(), Some(0), "{names:?}");
    }
}

#[test]
fn sighup_looks_for_changed_models() {
    let (_models, mut process, clients) = busy();
    process.signal("HUP");
    let logged = RefCell::new(serde_json::Value::Null);
    process.wait_for(|line| {
        let found = line["signal"] == "SIGHUP";
        if found {
            logged.replace(line.clone());
        }
        found
    });
    let logged = logged.into_inner();
    assert!(logged["message"].as_str().is_some_and(|text| text.starts_with("looking for")), "{logged}");
    finish(clients);
    process.signal("TERM");
    let stopped = process.wait_for(|line| line["message"] == "stopped").expect("a last line");
    assert_eq!((&stopped["finished"], process.ended()), (&true.into(), Some(0)));
}

/// Closing a terminal sends SIGHUP; if it were ignored, nobody could stop the server by hand any more.
#[test]
fn a_server_whose_terminal_is_gone_stops_in_order() {
    const SCRIPT: &str = "
import os, pty, select, signal, sys
pid, terminal = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
signal.alarm(20)
shown = b''
while b'try: ' not in shown and select.select([terminal], [], [], 20)[0]:
    shown += os.read(terminal, 65536)
os.close(terminal)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
";
    let program = crate::support::process::candor(&[]);
    let mut command = Command::new("python3");
    command.args(["-c", SCRIPT]).arg(program.get_program()).args(["serve", "--port", "0", "models/churn"]);
    let status = command.current_dir(crate::support::paths::root()).env("ORT_DISABLE_TELEMETRY", "1").status();
    assert_eq!(status.expect("Python").code(), Some(0), "it drained, and was not killed");
}
