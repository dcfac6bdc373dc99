//! The `candor` program as a child process, on a free port.

use std::{
    io::{BufRead as _, BufReader},
    net::SocketAddr,
    process::{Child, Command, Stdio},
};

use serde_json::Value;

use crate::support::{paths::root, wait::TEST_TIMEOUT};

/// A running `candor serve`, listening on a free port. It is killed when dropped.
pub(crate) struct Process {
    pub(crate) child: Child,
    pub(crate) address: SocketAddr,
    /// The address of its health listener, if it has one.
    pub(crate) health: Option<SocketAddr>,
    /// The address of its admin listener, if it has one.
    pub(crate) admin: Option<SocketAddr>,
    lines: std::sync::mpsc::Receiver<String>,
}

impl Process {
    /// Starts `candor serve` with these arguments and waits until it is ready for requests.
    pub(crate) fn serve(arguments: &[&str]) -> Self {
        Self::with(arguments, |_| {})
    }

    /// As [`Process::serve`], with a changed command: other environment variables, another directory.
    pub(crate) fn with(arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let mut process = Self::starting_with(arguments, change);
        let address = |line: &Value| line["address"].as_str().and_then(|text| text.parse().ok());
        let listening = process.wait_for(|line| line["message"] == "listening").expect("it listens");
        process.address = address(&listening).expect("an address");
        let (health, admin) = (std::cell::Cell::new(None), std::cell::Cell::new(None));
        process.wait_for(|line| {
            if line["message"] == "health listening" {
                health.set(address(line));
            }
            if line["message"] == "admin listening" {
                admin.set(address(line));
            }
            line["message"].as_str().is_some_and(|text| text.starts_with("try: ") || text.starts_with("no model"))
        });
        (process.health, process.admin) = (health.get(), admin.get());
        process
    }

    /// Starts `candor serve` with these arguments and does not wait; its address is not known.
    pub(crate) fn starting(arguments: &[&str]) -> Self {
        Self::starting_with(arguments, |_| {})
    }

    /// As [`Process::starting`], with a changed command.
    pub(crate) fn starting_with(arguments: &[&str], change: impl FnOnce(&mut Command)) -> Self {
        let mut command = candor(&[&["serve", "--port", "0"], arguments].concat());
        // Packages are complete before the server starts.
        command.env("CANDOR_REPOSITORY__SETTLE_MS", "0");
        change(&mut command);
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the program starts");
        let reader = BufReader::new(child.stderr.take().expect("its log"));
        let (sender, lines) = std::sync::mpsc::channel();
        std::thread::spawn(move || reader.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
        Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)), health: None, admin: None, lines }
    }

    /// Returns the next log line that matches, as JSON; earlier lines are dropped.
    pub(crate) fn wait_for(&self, fits: impl Fn(&Value) -> bool) -> Option<Value> {
        while let Ok(line) = self.lines.recv_timeout(TEST_TIMEOUT) {
            if let Ok(value) = serde_json::from_str::<Value>(&line)
                && fits(&value)
            {
                return Some(value);
            }
        }
        None
    }

    /// Sends a signal by its name, such as `TERM`.
    pub(crate) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([&format!("-{name}"), &self.child.id().to_string()]).status();
        assert!(sent.is_ok_and(|status| status.success()), "the signal was sent");
    }

    /// Waits for the process to exit and returns its exit code.
    pub(crate) fn ended(&mut self) -> Option<i32> {
        self.child.wait().expect("it ends").code()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A command of the program, run in the repository's root without the `CANDOR_` variables of the tests.
pub(crate) fn candor(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_candor"));
    command.args(arguments).current_dir(root()).stdin(Stdio::null());
    for (name, _) in std::env::vars() {
        if name.starts_with("CANDOR_") || name == "ORT_DISABLE_TELEMETRY" {
            command.env_remove(name);
        }
    }
    command
}
