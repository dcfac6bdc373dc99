//! Deployment files: the systemd unit, the compose file with Prometheus, the image.

use std::{collections::HashMap, fs, process::Command};

use candor::config::{Layers, load};
use serde_json::Value;

use crate::support::{external_tools::python, paths::root};

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The longest possible drain in seconds, by the defaults and these variables.
fn drain_seconds(environment: Vec<(String, String)>) -> u64 {
    let layers = Layers { environment, ..Layers::default() };
    let lifecycle = load(&layers).expect("good settings").config.lifecycle;
    (lifecycle.drain_delay_ms + lifecycle.drain_timeout_ms) / 1000
}

/// The variables that the image sets.
fn image_variables() -> Vec<(String, String)> {
    let variables = read("Dockerfile");
    let variables = variables.lines().filter_map(|line| line.strip_prefix("ENV ")?.split_once('='));
    variables.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

#[test]
fn the_unit_gives_the_drain_its_time_and_the_program_a_sandbox() {
    let unit = read("deploy/systemd/candor.service");
    let set: HashMap<&str, &str> =
        unit.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('=')).collect();
    let stop: u64 = set["TimeoutStopSec"].parse().expect("seconds");
    assert!(stop >= drain_seconds(Vec::new()) + 5, "{stop} s");
    assert_eq!((set["KillSignal"], set["KillMode"]), ("SIGTERM", "mixed"));
    for (name, value) in [
        ("DynamicUser", "yes"),
        ("NoNewPrivileges", "yes"),
        ("ProtectSystem", "strict"),
        ("ProtectHome", "yes"),
        ("PrivateDevices", "yes"),
        ("CapabilityBoundingSet", ""),
        ("MemoryDenyWriteExecute", "yes"),
        ("SystemCallArchitectures", "native"),
    ] {
        assert_eq!(set.get(name), Some(&value), "{name}");
    }
    let files: u64 = set["LimitNOFILE"].parse().expect("a number");
    let config = load(&Layers::default()).expect("good settings").config;
    assert!(files > 2 * config.http.server.max_connections as u64, "each connection needs a file descriptor");
}

/// If systemd is available, it checks the unit itself; in a container it often is not.
#[test]
fn systemd_finds_no_fault_in_the_unit() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("candor.service");
    let program = env!("CARGO_BIN_EXE_candor");
    fs::write(&file, read("deploy/systemd/candor.service").replace("/usr/local/bin/candor", program)).expect("written");
    let Ok(output) = Command::new("systemd-analyze").args(["verify", "--man=no"]).arg(&file).output() else { return };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!told.lines().any(|line| line.contains("candor.service")), "{told}");
}

/// A YAML file as JSON.
fn yaml(path: &str) -> Value {
    const SCRIPT: &str = "import json, sys, yaml\njson.dump(yaml.safe_load(sys.stdin), sys.stdout)\n";
    let text = python(SCRIPT, &read(path));
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn the_composition_serves_and_is_scraped() {
    let composed = yaml("deploy/compose/compose.yaml");
    let (candor, prometheus) = (&composed["services"]["candor"], &composed["services"]["prometheus"]);
    let context = root().join("deploy/compose").join(candor["build"]["context"].as_str().expect("a directory"));
    assert!(context.join("Dockerfile").is_file(), "{}", context.display());
    assert!(read("Dockerfile").contains("ARG CANDOR_REVISION"), "the Dockerfile declares the build argument");
    let models = candor["volumes"][0].as_str().expect("a mount");
    assert_eq!(models, "${MODELS:-../../models}:/candor/models:ro");
    let grace: u64 =
        candor["stop_grace_period"].as_str().and_then(|text| text.strip_suffix('s')?.parse().ok()).expect("seconds");
    assert!(grace >= drain_seconds(image_variables()) + 5, "{grace} s");
    for service in [candor, prometheus] {
        assert_eq!((&service["read_only"], &service["cap_drop"][0]), (&true.into(), &"ALL".into()));
        assert!(
            service["ports"][0].as_str().is_some_and(|port| port.starts_with("127.0.0.1:")),
            "not exposed to the network"
        );
    }
    let command: Vec<&str> =
        prometheus["command"].as_array().expect("flags").iter().filter_map(Value::as_str).collect();
    assert!(command.contains(&"--enable-feature=exemplar-storage"), "{command:?}");
    assert_eq!(prometheus["depends_on"]["candor"]["condition"], "service_healthy");

    let scraped = yaml("deploy/compose/prometheus.yml");
    let target = scraped["scrape_configs"][0]["static_configs"][0]["targets"][0].as_str().expect("a target");
    assert_eq!(target, "candor:8080", "the compose service, at the port of the image");
    let checked =
        Command::new("promtool").args(["check", "config"]).arg(root().join("deploy/compose/prometheus.yml")).output();
    let checked = checked.expect("promtool, as `make test` asks for it");
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

/// The image is built from copied files: everything that the build reads must be among them.
#[test]
fn the_image_has_all_that_the_build_reads() {
    let (dockerfile, ignored) = (read("Dockerfile"), read(".dockerignore"));
    for path in ["build.rs", "build", "src", "config", "Cargo.toml", "Cargo.lock"] {
        let copied = dockerfile
            .lines()
            .filter(|line| line.starts_with("COPY ") && !line.contains("--from"))
            .any(|line| line.split_whitespace().any(|word| word == path));
        assert!(copied, "{path} is copied into the image");
        assert!(ignored.lines().any(|line| line == format!("!{path}")), "{path} is in the build context");
    }
    let names: Vec<String> = image_variables().into_iter().map(|(name, _)| name).collect();
    assert!(
        !names.iter().any(|name| name.ends_with("DEFAULT_MODEL")),
        "a user's models need no bundled ones: {names:?}"
    );
}
