//! The generated documents are what the program says. `make docs` (or `CANDOR_BLESS=1`) writes them anew.

use std::fs;

use candor::{api::http, cli, config, domain::code, telemetry};

use crate::harness::{Server, root};

fn compare(name: &str, text: &str) {
    let path = root().join("docs").join(name);
    if std::env::var_os("CANDOR_BLESS").is_some() {
        fs::write(&path, text).expect("written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == text,
        "docs/{name} is not what the program says now; run `make docs` and look at the difference"
    );
}

#[test]
fn documents_of_configuration() {
    compare("configuration.md", &config::reference());
}

#[test]
fn documents_of_error_codes() {
    compare("errors.md", &code::reference(http::status));
}

#[test]
fn documents_of_metrics() {
    compare("metrics.md", &telemetry::reference());
}

#[test]
fn documents_of_commands() {
    compare("cli.md", &cli::reference());
}

#[test]
fn documents_of_the_api() {
    let document = Server::shared().get("/openapi.json").json();
    let text = serde_json::to_string_pretty(&document).expect("JSON") + "\n";
    compare("openapi.json", &text);
}

#[test]
fn documents_link_to_files_that_are_there() {
    let files = [
        "README.md",
        "ARCHITECTURE.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "docs/performance.md",
        "docs/uncertainty.md",
        "docs/explanations.md",
    ];
    for file in files {
        let path = root().join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        for (start, _) in text.match_indices("](") {
            let target = text[start + 2..].split([')', '#']).next().unwrap_or("");
            if !target.is_empty() && !target.contains("://") {
                let linked = path.parent().expect("a directory").join(target);
                assert!(linked.exists(), "{file} links to {target}, which is not there");
            }
        }
    }
}
