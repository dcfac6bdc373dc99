//! The command line as an operator sees it: configuration, failures to start, health, and the command that `serve`
//! prints.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    net::TcpListener,
    process::{Child, Output, Stdio},
};

use crate::support::{
    packages::copy_models,
    paths::root,
    process::{Process, candor},
};

fn run(arguments: &[&str]) -> Output {
    candor(arguments).output().expect("it ran")
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).expect("UTF-8")
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// The lines that are not log lines.
fn said(output: &Output) -> Vec<String> {
    err(output).lines().filter(|line| !line.starts_with('{')).map(str::to_owned).collect()
}

#[test]
fn config_shows_each_value_and_where_it_came_from() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("own.toml");
    fs::write(&file, "[http]\nport = 9001\nmax_connections = 7\nbody_timeout_ms = 1\n").expect("written");
    let file = file.display().to_string();
    let mut command = candor(&["config", "--config", &file, "--set", "http.body_timeout_ms=3", "--log-level", "debug"]);
    command.env("CANDOR_HTTP__MAX_CONNECTIONS", "8").env("CANDOR_HTTP__BODY_TIMEOUT_MS", "2");
    let output = command.output().expect("it ran");
    assert!(output.status.success(), "{}", err(&output));
    let lines: Vec<Vec<String>> = out(&output)
        .lines()
        .map(|line| {
            let (key, rest) = line.split_once(" = ").expect("key = value");
            let (value, source) = rest.split_once("  # ").expect("value # source");
            [key, value, source].map(|part| part.trim().to_owned()).to_vec()
        })
        .collect();
    let from_file = format!("file {file}");
    for expected in [
        ["http.host", "\"127.0.0.1\"", "default"],
        ["http.port", "9001", &from_file],
        ["http.max_connections", "8", "environment CANDOR_HTTP__MAX_CONNECTIONS"],
        ["http.body_timeout_ms", "3", "flag"],
        ["telemetry.log_level", "\"debug\"", "flag"],
        ["runtime.workers", "\"auto\"", "default"],
        ["runtime.providers", "[\"cpu\"]", "default"],
    ] {
        assert!(lines.iter().any(|line| *line == expected), "{expected:?}\n{}", out(&output));
    }
    let shipped = fs::read_to_string(root().join("config/candor.toml")).expect("the shipped file");
    let keys = shipped.lines().filter(|line| !line.starts_with('#') && line.contains(" = ")).count();
    assert_eq!(lines.len(), keys, "every key of the shipped file is shown");
}

#[test]
fn faults_of_the_configuration_are_told_all_at_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("own.toml");
    fs::write(&file, "[http]\nprot = 1\nport = \"many\"\n\n[telemetri]\nlog_level = \"info\"\n").expect("written");
    let name = file.display().to_string();
    for command in ["config", "serve", "check", "health"] {
        let mut command = candor(&[command, "--config", &name, "--set", "http.hots=::1", "--set", "admin.port=x"]);
        command.env("CANDOR_RUNTIME__WORKER", "2").env("CANDOR_HTTP__MAX_BODY_BYTES", "big");
        let output = command.output().expect("it ran");
        assert_eq!(output.status.code(), Some(2), "{}", err(&output));
        let text = err(&output);
        for fault in [
            &format!("{name}:2: unknown key \"http.prot\"; did you mean \"http.port\"?"),
            &format!("{name}:3: http.port must be an integer, found \"many\""),
            &format!("{name}:6: unknown key \"telemetri.log_level\"; did you mean \"telemetry.log_level\"?"),
            "environment CANDOR_RUNTIME__WORKER: unknown key \"runtime.worker\"; did you mean \"runtime.workers\"?",
            "environment CANDOR_HTTP__MAX_BODY_BYTES: http.max_body_bytes must be an integer, found \"big\"",
            "flag: unknown key \"http.hots\"; did you mean \"http.host\"?",
            "flag: admin.port must be an integer, found \"x\"",
        ] {
            assert!(text.lines().any(|line| line.trim() == fault), "{fault}\n{text}");
        }
        assert_eq!(text.lines().count(), 8, "{text}");
    }
}

#[test]
fn single_faults_of_the_configuration() {
    for (arguments, message) in [
        (&["config", "--set", "http.port"][..], "candor: --set expects key=value, found \"http.port\""),
        (
            &["config", "--config", "/nonexistent/x.toml"],
            "candor: /nonexistent/x.toml: there is no such file or directory",
        ),
        (
            &["config", "--set", "http.port=70000"],
            "candor: flag: http.port must be a whole number from 0 to 65535, found 70000",
        ),
        (&["config", "--set", "http.host=no where"], "http.host must be an address or a name, found \"no where\""),
        (&["serve", "--log-level", "loudly=7=x"], "loudly=7=x"),
        (&["serve", "--port", "70000"], "70000"),
        (&["serve", "--prot", "1"], "--port"),
        (&["serv"], "unrecognized subcommand 'serv'"),
        (&["predict"], "unrecognized subcommand 'predict'"),
        (&[], "Usage: candor <COMMAND>"),
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", err(&output));
        assert!(err(&output).contains(message), "{arguments:?}: {}", err(&output));
    }
}

#[test]
fn the_version_is_said() {
    let output = run(&["-V"]);
    assert_eq!((output.status.code(), out(&output)), (Some(0), format!("candor {}\n", env!("CARGO_PKG_VERSION"))));
}

#[test]
fn a_missing_library_is_told_with_what_was_tried_and_what_to_do() {
    let directory = tempfile::tempdir().expect("a directory");
    let text = directory.path().join("libonnxruntime.so");
    fs::write(&text, "not a library").expect("written");
    let text = text.display().to_string();
    let port = ["--set", "http.port=0"];
    for command in ["serve", "check"] {
        let by_flag = [&[command, "--onnxruntime", "/nonexistent/lib.so"], &port[..]].concat();
        let by_variable = [&[command], &port[..]].concat();
        for (arguments, variable, tried) in [
            (&by_flag, None, "/nonexistent/lib.so: no such file"),
            // The flag takes precedence over the variable.
            (&by_flag, Some(text.as_str()), "/nonexistent/lib.so: no such file"),
            (&by_variable, Some("/nonexistent/other.so"), "/nonexistent/other.so: no such file"),
            (&by_variable, Some(text.as_str()), &format!("{text}: ")),
        ] {
            let mut command = candor(arguments);
            command.env_remove("ORT_DYLIB_PATH");
            command.envs(variable.map(|path| ("ORT_DYLIB_PATH", path)));
            let output = command.output().expect("it ran");
            assert_eq!(output.status.code(), Some(1), "{arguments:?}: {}", err(&output));
            let said = said(&output);
            let [first, place, remedy] = said.as_slice() else { panic!("{said:#?}") };
            assert_eq!(first, "candor: the shared library of ONNX Runtime 1.31.x could not be loaded; tried:");
            assert!(place.trim().starts_with(tried) && place.trim().len() > tried.len() - 1, "{place}\n{tried}");
            let target =
                remedy.strip_prefix("get it with `make ").and_then(|rest| rest.split('`').next()).expect("a command");
            let makefile = fs::read_to_string(root().join("Makefile")).expect("a Makefile");
            assert!(
                makefile.lines().any(|line| line.starts_with(&format!("{target}:"))),
                "the Makefile has the target {target}"
            );
            assert!(remedy.contains("1.31.x") && remedy.contains("--onnxruntime") && remedy.contains("ORT_DYLIB_PATH"));
        }
    }
}

#[test]
fn what_keeps_the_server_from_starting_is_one_line() {
    let taken = TcpListener::bind("127.0.0.1:0").expect("a socket");
    let port = taken.local_addr().expect("an address").port().to_string();
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path().display().to_string();
    for (arguments, phrases) in [
        (&["--port", &port][..], &["127.0.0.1", port.as_str(), "in use"][..]),
        (&["--port", "0", "/nonexistent/models"], &["candor: /nonexistent/models: there is no such file or directory"]),
        (&["--port", "0", &place], &[&place, "holds no model: it is empty; expected <model>/<version>/model.onnx"]),
        (&["--port", "0", "nope.onnx"], &["candor: nope.onnx: there is no such file or directory"]),
        (&["--port", "0", "Makefile/x"], &["candor: Makefile/x: a part of the path is a file, not a directory"]),
        (
            &["--port", "0", "--host", "nowhere.invalid"],
            &["cannot listen on nowhere.invalid:0: the name \"nowhere.invalid\" "],
        ),
    ] {
        let output = run(&[&["serve"], arguments].concat());
        let said = said(&output);
        assert_eq!((output.status.code(), said.len()), (Some(1), 1), "{arguments:?}: {}", err(&output));
        for phrase in phrases {
            assert!(said[0].contains(phrase), "{arguments:?} {phrase}: {said:?}");
        }
    }
}

#[test]
fn health_asks_a_running_server() {
    let process = Process::serve(&["--default-model", "churn"]);
    let port = format!("http.port={}", process.address.port());
    for arguments in [&["health", "--set", &port][..], &["health", "--ready", "--set", &port]] {
        let output = run(arguments);
        assert_eq!((output.status.code(), err(&output)), (Some(0), String::new()), "{arguments:?}");
    }
    drop(process);
    let output = run(&["health", "--set", &port]);
    assert!(output.status.code() == Some(1) && err(&output).contains("/livez cannot be reached"), "{}", err(&output));

    let models = copy_models(&["diabetes/1"]);
    fs::write(models.path().join("diabetes/1/model.onnx"), "broken").expect("written");
    let process = Process::serve(&[&models.path().display().to_string()]);
    let port = format!("http.port={}", process.address.port());
    assert_eq!(run(&["health", "--set", &port]).status.code(), Some(0));
    let output = run(&["health", "--ready", "--set", &port]);
    assert!(output.status.code() == Some(1) && err(&output).contains("/readyz answered 503"), "{}", err(&output));
}

/// A process that is killed when dropped.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the server and returns the curl command that it prints.
fn serve(arguments: &[&str]) -> (Running, String) {
    let started = candor(&[&["serve", "--port", "0"], arguments].concat()).stderr(Stdio::piped()).spawn();
    let mut server = Running(started.expect("the program starts"));
    let log = BufReader::new(server.0.stderr.take().expect("its log"));
    let messages = log.lines().map_while(Result::ok).map(|line| {
        let line: serde_json::Value = serde_json::from_str(&line).expect("a JSON line");
        line["message"].as_str().unwrap_or_default().to_owned()
    });
    let said = messages.into_iter().find_map(|message| message.strip_prefix("try: ").map(str::to_owned));
    (server, said.expect("a command"))
}

#[test]
fn the_command_that_serve_prints_works_as_it_is() {
    let fixture = root().join("tests/fixtures/graphs/two_outputs_unknown.onnx").display().to_string();
    for arguments in [&[][..], &["--default-model", "churn"], &["models/digits/1"], &[&fixture]] {
        let (_server, curl) = serve(arguments);
        let output = std::process::Command::new("sh")
            .args(["-c", &format!("{curl} -w ' %{{http_code}}'")])
            .output()
            .expect("a shell with curl");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(text.starts_with("{\"prediction\":") && text.ends_with(" 200"), "{curl}\n{text}\n{output:?}");
    }
}
