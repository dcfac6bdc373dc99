//! The generated documents match the program. `make docs` (or `CANDOR_BLESS=1`) rewrites them.

use std::fs;

use candor::{
    api::http,
    cli, config,
    repository::{Limits, ModelSettings},
    runtime::ThreadCount,
    telemetry,
};

use crate::support::{paths::root, process::candor, server::Server};

fn compare(name: &str, text: &str) {
    let path = root().join("docs").join(name);
    if std::env::var_os("CANDOR_BLESS").is_some() {
        fs::write(&path, text).expect("written");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(committed == text, "docs/{name} is out of date; run `make docs` and review the difference");
}

#[test]
fn documents_of_configuration() {
    compare("configuration.md", &config::markdown_reference());
}

#[test]
fn documents_of_error_codes() {
    compare("errors.md", &http::error_reference());
}

#[test]
fn documents_of_metrics() {
    compare("metrics.md", &telemetry::markdown_reference());
}

#[test]
fn documents_of_access() {
    compare("access.md", &http::access_reference());
}

#[test]
fn documents_of_commands() {
    compare("cli.md", &cli::markdown_reference());
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
        "docs/packages.md",
        "docs/deployment.md",
        "docs/operations.md",
        "docs/access.md",
        "docs/models.md",
    ];
    for file in files {
        let path = root().join(file);
        let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{file}: {error}"));
        for (start, _) in text.match_indices("](") {
            let target = text[start + 2..].split([')', '#']).next().unwrap_or("");
            if !target.is_empty() && !target.contains("://") {
                let linked = path.parent().expect("a directory").join(target);
                assert!(linked.exists(), "{file} links to {target}, which does not exist");
            }
        }
    }
}

/// The fenced block of this language under a heading of docs/packages.md.
fn block<'t>(page: &'t str, heading: &str, language: &str) -> &'t str {
    let section = page.split_once(&format!("\n## {heading}\n")).expect("the heading").1;
    let fence = format!("```{language}\n");
    section.split_once(&fence).and_then(|(_, rest)| rest.split_once("```")).expect("the block").0
}

#[test]
fn the_package_of_the_page_serves() {
    let page = fs::read_to_string(root().join("docs/packages.md")).expect("the page");
    let models = tempfile::tempdir().expect("a directory");
    let (model, version) = (models.path().join("churn"), models.path().join("churn/1"));
    fs::create_dir_all(&version).expect("a directory");
    fs::copy(root().join("models/churn/1/model.onnx"), version.join("model.onnx")).expect("copied");
    for (name, language) in [("contract.json", "json"), ("version.json", "json"), ("golden.jsonl", "json")] {
        fs::write(version.join(name), block(&page, name, language)).expect("written");
    }
    fs::write(model.join("model.toml"), block(&page, "model.toml", "toml")).expect("written");
    let tokens = models.path().join("tokens.toml");
    fs::write(&tokens, block(&page, "Who may ask", "toml")).expect("written");

    let server = Server::start(|config| {
        config.repository.models = models.path().to_owned();
        config.security.tokens_file = tokens;
    });
    let case: serde_json::Value = serde_json::from_str(block(&page, "golden.jsonl", "json")).expect("a case");
    let body = serde_json::json!({ "features": case["features"] }).to_string();
    // The digest on the page is that of `foo`.
    let headers = [("content-type", "application/json"), ("authorization", "Bearer foo")];
    let answer = server.send("POST", "/predict", &headers, body.as_bytes()).json();
    assert_eq!((&answer["prediction"], &answer["training_data"]), (&"churn".into(), &"churn-2026-02-28".into()));

    // The defaults are those of a model without the file, and the list is complete.
    let shown = ModelSettings::read(Some(&model)).expect("good settings");
    assert_eq!(shown.limits, Limits { workers: Some(ThreadCount::Auto), ..Limits::default() });
    fs::write(model.join("model.toml"), "[limits]\nunheard_of = 1\n").expect("written");
    let output = candor(&["check"]).arg(models.path()).output().expect("it ran");
    let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let expected =
        text.split_once("expected one of").expect("what would be right").1.lines().next().unwrap_or_default();
    let named: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
    assert!(named.len() > 4 && named.iter().all(|name| page.contains(&format!("\n{name} = "))), "{named:?}");
}

#[test]
fn the_page_of_packages_names_every_keyword_of_ours() {
    let page = fs::read_to_string(root().join("docs/packages.md")).expect("the page");
    let source = fs::read_to_string(root().join("src/domain/contract/schema/keywords.rs")).expect("the source");
    let ours: Vec<&str> = source.split('"').filter(|text| text.starts_with("x-")).collect();
    assert!(ours.len() >= 7, "{ours:?}");
    for keyword in ours {
        assert!(page.contains(&format!("| `{keyword}` |")), "docs/packages.md does not mention {keyword}");
    }
}
