//! External tools that check what the server writes: Python's libraries and promtool.

use std::{
    io::Write as _,
    process::{Command, Stdio},
};

/// Runs a Python script with `input` on its standard input, and returns what it printed.
///
/// The interpreter is `CANDOR_TEST_PYTHON`, which `make test` sets, else `python3`.
pub(crate) fn python(script: &str, input: &str) -> String {
    tool(interpreter().args(["-c", script]), REMEDY, input)
}

/// Runs a Python module as a program, in a temporary directory.
pub(crate) fn module(name: &str, arguments: &[&str]) -> String {
    let directory = tempfile::tempdir().expect("a directory");
    tool(interpreter().args(["-m", name]).args(arguments).current_dir(directory.path()), REMEDY, "")
}

const REMEDY: &str = "`make test` sets CANDOR_TEST_PYTHON to a Python with tests/requirements.txt installed";

/// The Python of the tests.
pub(crate) fn interpreter() -> Command {
    Command::new(std::env::var("CANDOR_TEST_PYTHON").unwrap_or_else(|_| "python3".to_owned()))
}

/// Runs a command and prints the peak of its resident memory, which `wait4` gives in KiB. The child runs without the
/// variables of the tests, which candor would refuse as unknown settings.
const MEASURE_PEAK: &str = "
import json, os, resource, subprocess, sys
environment = {name: value for name, value in os.environ.items() if not name.startswith('CANDOR_')}
done = subprocess.run(json.load(sys.stdin), env=environment, capture_output=True, text=True)
assert done.returncode == 0, done.stderr
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
";

/// The peak of the resident memory, in KiB, of the `candor` program with these arguments, which must succeed.
pub(crate) fn peak_kib(arguments: &[&str]) -> u64 {
    let command = [&[env!("CARGO_BIN_EXE_candor")], arguments].concat();
    let printed = python(MEASURE_PEAK, &serde_json::json!(command).to_string());
    printed.trim().parse().expect("a number of KiB")
}

/// Runs a tool that must succeed; `remedy` says how to get it.
pub(crate) fn tool(command: &mut Command, remedy: &str, input: &str) -> String {
    let name = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{name}: {error}: {remedy}"));
    // A tool that fails at once reads nothing; what it said then tells more.
    let _ = child.stdin.take().expect("its input").write_all(input.as_bytes());
    let output = child.wait_with_output().expect("it ends");
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {}\n{out}\n{err}\n{remedy}", output.status);
    out.into_owned() + &err
}
