//! Mistakes in the configuration: variables set by others, missing files, and all errors reported at once.

use std::{
    fs,
    process::{Command, Output},
};

use crate::support::process::{Process, candor};

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).expect("UTF-8")
}

/// The variables that Kubernetes sets for a Service called `candor` with two ports, one of them called `http`.
const SERVICE: &[(&str, &str)] = &[
    ("CANDOR_SERVICE_HOST", "10.96.0.7"),
    ("CANDOR_SERVICE_PORT", "8080"),
    ("CANDOR_SERVICE_PORT_HTTP", "8080"),
    ("CANDOR_PORT", "tcp://10.96.0.7:8080"),
    ("CANDOR_PORT_8080_TCP", "tcp://10.96.0.7:8080"),
    ("CANDOR_PORT_8080_TCP_PROTO", "tcp"),
    ("CANDOR_PORT_8080_TCP_PORT", "8080"),
    ("CANDOR_PORT_8080_TCP_ADDR", "10.96.0.7"),
];

#[test]
fn a_kubernetes_service_called_candor_keeps_no_command_from_running() {
    let output = candor(&["config"]).envs(SERVICE.iter().copied()).output().expect("it ran");
    assert_eq!((output.status.code(), err(&output)), (Some(0), String::new()));
    let process = Process::with(&["models/churn"], |command: &mut Command| {
        command.envs(SERVICE.iter().copied());
    });
    let port = process.address.port().to_string();
    let output = candor(&["health", "--port", &port]).envs(SERVICE.iter().copied()).output().expect("it ran");
    assert_eq!((output.status.code(), err(&output)), (Some(0), String::new()));
}

#[test]
fn a_variable_without_the_separator_is_a_warning_that_names_the_right_one() {
    let warning = "environment CANDOR_HTTP_PORT is not used: did you mean CANDOR_HTTP__PORT?";
    for command in [&["config"][..], &["check", "models/churn/1"]] {
        let output = candor(command).env("CANDOR_HTTP_PORT", "9000").output().expect("it ran");
        assert_eq!(
            (output.status.code(), err(&output)),
            (Some(0), format!("candor: warning: {warning}\n")),
            "{command:?}"
        );
    }
    let process = Process::starting_with(&["models/churn"], |command: &mut Command| {
        command.env("CANDOR_HTTP_PORT", "9000");
    });
    let line = process.wait_for(|line| line["message"] == warning).expect("the log says so");
    assert_eq!(line["level"], "WARN");
    // With the double underscore the variable is one of ours, so a mistake in it is an error.
    let output = candor(&["config"]).env("CANDOR_HTTP__PROT", "9000").output().expect("it ran");
    let said = "candor: environment CANDOR_HTTP__PROT: unknown key \"http.prot\"; did you mean \"http.port\"?\n";
    assert_eq!((output.status.code(), err(&output)), (Some(2), said.to_owned()));
}

#[test]
fn every_fault_of_every_kind_is_told_in_one_round() {
    let directory = tempfile::tempdir().expect("a directory");
    let (file, tokens) = (directory.path().join("own.toml"), directory.path().join("tokens.toml"));
    fs::write(&tokens, "[[caller]]\nname = \"web\"\ntoken_sha256 = \"short\"\n").expect("written");
    let text = "[http]\nport = 70000\nmax_connections = 0\nprot = 1\n\n[http.cors]\norigins = [\"https://a.example/\"]\n\n\
                [repository]\ncoverage = 0.92\n\n[admin]\ntokens_file = \"/nonexistent\"\n";
    fs::write(&file, text).expect("written");
    let (name, tokens) = (file.display().to_string(), tokens.display().to_string());
    let mut command =
        candor(&["serve", "--config", &name, "--log-level", "inof", "--set", "security.rate_limit_burst=0"]);
    command.env("CANDOR_HTTP__BODY_TIMEOUT_MS", "0").env("CANDOR_RUNTIME__PROVIDERS", "gpu");
    let output = command.env("CANDOR_SECURITY__TOKENS_FILE", &tokens).output().expect("it ran");
    assert_eq!(output.status.code(), Some(2));
    let told = err(&output);
    for fault in [
        format!("{name}:2: http.port must be a whole number from 0 to 65535, found 70000"),
        format!("{name}:3: http.max_connections must be from 1 to 1000000, found 0: 0 would refuse every connection"),
        format!("{name}:4: unknown key \"http.prot\"; did you mean \"http.port\"?"),
        format!("{name}:7: http.cors.origins must list origins as browsers send them"),
        format!("{name}:10: repository.coverage must be one of 0.5, 0.6"),
        format!("{name}:13: admin.tokens_file names a file that cannot be used: /nonexistent: there is no such file"),
        "environment CANDOR_HTTP__BODY_TIMEOUT_MS: http.body_timeout_ms must be from 1 to 86400000, found 0".to_owned(),
        "environment CANDOR_RUNTIME__PROVIDERS: runtime.providers must be one of cpu, cuda".to_owned(),
        format!(
            "environment CANDOR_SECURITY__TOKENS_FILE: security.tokens_file names a file that cannot be used: {tokens}: \
             caller \"web\": token_sha256 must be 64 hexadecimal digits"
        ),
        "flag: telemetry.log_level cannot be used: the log level \"inof\" cannot be parsed at \"inof\"".to_owned(),
        "flag: security.rate_limit_burst must be from 1 to 1000000, found 0".to_owned(),
    ] {
        assert!(told.lines().any(|line| line.trim().starts_with(&fault)), "{fault}\n{told}");
    }
    assert_eq!(told.lines().count(), 12, "{told}");
    // `config` does not serve, so it does not read the tokens.
    let output = candor(&["config", "--set", "security.tokens_file=/nonexistent"]).output().expect("it ran");
    assert_eq!((output.status.code(), err(&output)), (Some(0), String::new()));
}

#[test]
fn a_file_that_cannot_be_used_is_told_as_what_it_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let place = directory.path().display().to_string();
    let tokens = format!("security.tokens_file={place}");
    for (arguments, code, said) in [
        (
            &["serve", "--config", "nope.toml"][..],
            2,
            "candor: nope.toml: there is no such file or directory".to_owned(),
        ),
        (&["config", "--config", &place], 2, format!("candor: {place}: it is a directory, not a file")),
        (
            &["serve", "--set", &tokens],
            2,
            format!(
                "candor: flag: security.tokens_file names a file that cannot be used: {place}: it is a directory, not a file"
            ),
        ),
        (&["serve", "--port", "0", "nope.onnx"], 1, "candor: nope.onnx: there is no such file or directory".to_owned()),
        (&["check", "nope.onnx"], 1, "candor: nope.onnx: there is no such file or directory".to_owned()),
        (
            &["init", "nope.onnx", "--data", "x.csv"],
            1,
            "candor: nope.onnx: there is no such file or directory".to_owned(),
        ),
        (&["init", "models", "--data", "x.csv"], 1, "candor: models: it is a directory, not a file".to_owned()),
        (
            &["init", "models/wine/1/model.onnx", "--data", "nope.csv"],
            1,
            "candor: nope.csv: there is no such file or directory".to_owned(),
        ),
        (
            &["profile", "models/nope", "--data", "x.csv"],
            1,
            "candor: models/nope: there is no such file or directory".to_owned(),
        ),
        (
            &["calibrate", "models/nope", "--data", "x.csv"],
            1,
            "candor: models/nope: there is no such file or directory".to_owned(),
        ),
    ] {
        let output = candor(arguments).output().expect("it ran");
        let told: Vec<String> = err(&output).lines().filter(|line| !line.starts_with('{')).map(str::to_owned).collect();
        assert_eq!((output.status.code(), told), (Some(code), vec![said]), "{arguments:?}");
    }
}

#[test]
fn a_name_is_resolved_where_an_address_is_wanted() {
    let process = Process::serve(&["--host", "localhost", "models/churn"]);
    assert!(process.address.ip().is_loopback(), "{}", process.address);
    let port = process.address.port().to_string();
    let url = format!("http://localhost:{port}");
    for arguments in [
        &["health", "--host", "localhost", "--port", &port][..],
        &["health", "--ready", "--port", &port],
        &["health", "--url", &url],
        &["health", "--url", &format!("{url}/models"), "--config", "/nonexistent"],
    ] {
        let output = candor(arguments).output().expect("it ran");
        assert_eq!((output.status.code(), err(&output)), (Some(0), String::new()), "{arguments:?}");
    }
    let output = candor(&["health", "--url", &format!("{url}/nothing")]).output().expect("it ran");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(err(&output), format!("candor: {url}/nothing answered 404 Not Found\n"));
    let output = candor(&["health", "--url", "https://localhost"]).output().expect("it ran");
    assert!(output.status.code() == Some(2) && err(&output).contains("--url expects http://host"), "{}", err(&output));
}
