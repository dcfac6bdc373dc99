//! The rules of the architecture, checked on the sources.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::support::paths::root;

const MOST_LINES_IN_A_FILE: usize = 400;
const FORBIDDEN_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "data", "info", "misc"];

/// Libraries that only one module may use.
const OWNED: &[(&str, &str)] =
    &[("ort::", "runtime"), ("axum::", "api"), ("prometheus::", "telemetry"), ("governor::", "security")];

fn sources() -> Vec<(PathBuf, String)> {
    fn gather(directory: &Path, found: &mut Vec<(PathBuf, String)>) {
        for entry in fs::read_dir(directory).expect("a directory").flatten() {
            let path = entry.path();
            if path.is_dir() {
                gather(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).expect("a source");
                found.push((path.strip_prefix(root()).expect("inside the repository").to_path_buf(), text));
            }
        }
    }
    let mut found = Vec::new();
    gather(&root().join("src"), &mut found);
    found.sort();
    assert!(found.len() > 50, "the sources were found");
    found
}

/// The module of a source file: the first path component under src.
fn module(path: &Path) -> String {
    let step = path.iter().nth(1).expect("under src").to_string_lossy();
    step.trim_end_matches(".rs").to_owned()
}

/// The layers of lib.rs, highest first: module to layer number.
fn floors() -> BTreeMap<String, usize> {
    let text = fs::read_to_string(root().join("src/lib.rs")).expect("lib.rs");
    let mut floors = BTreeMap::new();
    let mut floor = 0;
    for line in text.lines() {
        match line.strip_prefix("pub mod ").and_then(|rest| rest.strip_suffix(';')) {
            Some(name) => {
                floors.insert(name.to_owned(), floor);
            }
            None if line.is_empty() => floor += 1,
            None => {}
        }
    }
    floors
}

/// The code without comments, so that words in them do not count.
fn code(text: &str) -> String {
    text.lines().map(|line| line.split("//").next().unwrap_or("")).collect::<Vec<_>>().join("\n")
}

/// The part of a file before its unit tests.
fn product(text: &str) -> &str {
    text.split("#[cfg(test)]").next().unwrap_or(text)
}

/// The modules that a source imports with `crate::`, in a single path or in a tree.
fn imports(text: &str) -> Vec<String> {
    let text = code(product(text));
    let mut names = Vec::new();
    for (start, _) in text.match_indices("crate::") {
        let rest = &text[start + "crate::".len()..];
        if let Some(tree) = rest.strip_prefix('{') {
            names.extend(first_steps(tree));
        } else {
            names.push(rest.chars().take_while(|letter| letter.is_alphanumeric() || *letter == '_').collect());
        }
    }
    names
}

/// The first path components of a tree `{a::b, c::{d, e}}`, parsed up to its closing brace.
fn first_steps(tree: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let (mut depth, mut past) = (0, false);
    for letter in tree.chars() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                names.push(String::new());
                past = false;
            }
            ':' if depth == 0 => past = true,
            letter if depth == 0 && !past && (letter.is_alphanumeric() || letter == '_') => {
                names.last_mut().expect("a name").push(letter);
            }
            _ => {}
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

#[test]
fn a_module_imports_only_from_the_floors_below() {
    let floors = floors();
    assert!(floors.len() >= 10 && floors["domain"] > floors["cli"], "{floors:?}");
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let from = module(&path);
        let Some(own) = floors.get(&from) else { continue };
        for to in imports(&text) {
            match floors.get(&to) {
                Some(floor) if to != from && floor <= own => {
                    faults.push(format!("{}: {from} imports {to}", path.display()));
                }
                None => faults.push(format!("{}: crate::{to} is no module of lib.rs", path.display())),
                _ => {}
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn transport_knows_no_protocol() {
    let transport: Vec<_> = sources().into_iter().filter(|(path, _)| path.starts_with("src/api/transport")).collect();
    assert!(transport.len() > 5, "the sources were found");
    for (path, text) in transport {
        let text = code(product(&text));
        for name in ["api::http", "super::http", "serving::", "repository::"] {
            assert!(!text.contains(name), "{} names {name}", path.display());
        }
        assert!(!imports(&text).iter().any(|module| ["serving", "repository"].contains(&module.as_str())), "{path:?}");
    }
}

#[test]
fn the_reader_of_imports_reads_trees() {
    let text = "use crate::{\n    a::{b, c},\n    d,\n    e::f::{g, h::i},\n};\nuse crate::j::k; // crate::never\n";
    assert_eq!(imports(text), ["a", "d", "e", "j"]);
}

#[test]
fn each_library_is_named_by_its_own_module_only() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        for (name, owner) in OWNED {
            let text = code(&text);
            let named = text.match_indices(name).any(|(at, _)| {
                // `export::` ends with `ort::`: the character before must not be part of an identifier.
                !text[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
            });
            if named && module(&path) != *owner {
                faults.push(format!("{} names {name}, which belongs to {owner}", path.display()));
            }
        }
        if module(&path) == "domain" && code(product(&text)).contains("serde_json") {
            faults.push(format!("{} names serde_json; the rules know no format", path.display()));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let mut faults = Vec::new();
    for (path, text) in sources() {
        let lines = text.lines().count();
        if lines > MOST_LINES_IN_A_FILE {
            faults.push(format!("{} has {lines} lines, at most {MOST_LINES_IN_A_FILE} are allowed", path.display()));
        }
        if !text.starts_with("//!") {
            faults.push(format!("{} does not open with //!", path.display()));
        }
        let name = path.file_stem().expect("a name").to_string_lossy();
        if path.iter().any(|step| FORBIDDEN_NAMES.contains(&step.to_string_lossy().as_ref()))
            || FORBIDDEN_NAMES.contains(&&*name)
        {
            faults.push(format!("{} has a name that says nothing", path.display()));
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Clippy checks the length of functions and the number of parameters; this checks that clippy is configured to.
#[test]
fn the_lints_are_set() {
    let clippy = fs::read_to_string(root().join("clippy.toml")).expect("clippy.toml");
    for rule in
        ["too-many-lines-threshold = 70", "too-many-arguments-threshold = 5", "tokio::spawn", "std::process::exit"]
    {
        assert!(clippy.contains(rule), "clippy.toml lacks {rule}");
    }
    let manifest = fs::read_to_string(root().join("Cargo.toml")).expect("Cargo.toml");
    for rule in
        ["unsafe_code = \"forbid\"", "missing_docs", "unreachable_pub", "unwrap_used = \"deny\"", "todo = \"deny\""]
    {
        assert!(manifest.contains(rule), "Cargo.toml lacks {rule}");
    }
}

#[test]
fn nothing_is_left_for_later() {
    let words = ["TODO", "FIXME", "XXX", "unimplemented!", "todo!("];
    for (path, text) in sources() {
        for word in words {
            assert!(!text.contains(word), "{} holds {word}", path.display());
        }
    }
}
