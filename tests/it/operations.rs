//! The requests to a running server that docs/operations.md describes, sent as written there.

use std::{fs, process::Command};

use serde_json::{Value, json};

use crate::support::{paths::root, process::Process};

#[test]
fn the_log_level_is_changed_as_the_page_says() {
    let directory = tempfile::tempdir().expect("a directory");
    let tokens = directory.path().join("admins.toml");
    // The digest of `foo`.
    let digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    fs::write(&tokens, format!("[[caller]]\nname = \"ops\"\ntoken_sha256 = \"{digest}\"\n")).expect("written");
    let tokens = format!("admin.tokens_file={}", tokens.display());
    let process = Process::starting(&["models/churn", "--set", "admin.port=0", "--set", &tokens]);
    let listening = process.wait_for(|line| line["message"] == "admin listening").expect("it listens");
    let address = listening["address"].as_str().expect("an address").to_owned();

    let page = fs::read_to_string(root().join("docs/operations.md")).expect("the page");
    let block = page.split_once("```sh\n").and_then(|(_, rest)| rest.split_once("```")).expect("commands").0;
    let ask = |command: &str, token: &str| -> Value {
        let command = command.replace("localhost:8081", &address);
        let output = Command::new("sh").args(["-c", &command]).env("TOKEN", token).output().expect("a shell with curl");
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{command}: {error} {output:?}"))
    };
    let commands: Vec<&str> = block.lines().collect();
    let [get, quieter, back] = commands.as_slice() else { panic!("{commands:?}") };
    assert_eq!(ask(get, "foo"), json!({ "level": "info", "dropped_lines": 0 }));
    assert!(page.contains(r#"{"level":"info","dropped_lines":0}"#));
    let changed = ask(quieter, "foo");
    let parts: Vec<&str> = changed["level"].as_str().expect("a level").split(',').collect();
    assert!(parts.contains(&"candor::request=off") && parts.contains(&"info"), "{changed}");
    assert_eq!(ask(get, "foo")["level"], changed["level"]);
    assert_eq!(ask(back, "foo"), json!({ "level": "info" }));
    let refused = ask(&back.replace("'info'", "'inof'"), "foo");
    assert_eq!((&refused["status"], ask(get, "foo")["level"].as_str()), (&400.into(), Some("info")), "{refused}");
    assert_eq!(ask(get, "wrong")["status"], 401);
}
