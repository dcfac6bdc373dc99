//! The rules of the architecture, checked on the sources.

mod sources;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use sources::{Module, Source, blanked, closing_brace, expand, graph, sources, words};

use crate::support::paths::root;

const MAX_FILE_LINES: usize = 400;
const MAX_MEDIAN_LINES: usize = 130;
const MAX_FUNCTION_LINES: usize = 70;
/// A function of more lines than this is long; few may be.
const LONG_FUNCTION_LINES: usize = 50;
const MAX_LONG_FUNCTIONS: usize = 9;
const FORBIDDEN_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "data", "info", "misc"];

/// Each module has its own settings type, which is qualified by the module: `runtime::Settings`.
const QUALIFIED_TYPES: &[&str] = &["Settings"];

/// Libraries that only one module may use.
const OWNED: &[(&str, &str)] =
    &[("ort::", "runtime"), ("axum::", "api"), ("prometheus::", "telemetry"), ("governor::", "security")];

/// What the rules in `domain` may not use: formats, files, clocks, tasks.
const BANNED_IN_DOMAIN: &[&str] = &[
    "serde_json",
    "std::fs",
    "std::net",
    "std::io::",
    "std::thread",
    "Instant::now",
    "SystemTime",
    "tokio",
    "tracing",
];

/// The groups of `mod` lines of a module, separated by blank lines, highest first: child to group.
fn floors(text: &str) -> BTreeMap<String, usize> {
    let (mut floors, mut floor) = (BTreeMap::new(), 0);
    let code = blanked(text);
    for line in code.lines().map(str::trim) {
        let name = line.trim_start_matches("pub(in crate::domain::contract) ").trim_start_matches("pub(super) ");
        match name.trim_start_matches("pub ").strip_prefix("mod ").and_then(|rest| rest.strip_suffix(';')) {
            Some(name) => {
                floors.insert(name.to_owned(), floor);
            }
            None if line.is_empty() => floor += 1,
            None => {}
        }
    }
    floors
}

#[test]
fn a_module_imports_only_from_the_floors_below() {
    let sources = sources();
    let graph = graph(&sources);
    let mut errors = Vec::new();
    let mut layered = 0;
    for parent in &sources {
        let floors = floors(&parent.text);
        if floors.values().collect::<BTreeSet<_>>().len() < 2 {
            continue;
        }
        layered += 1;
        let child = |module: &Module| {
            module
                .strip_prefix(parent.module.as_slice())
                .and_then(|rest| rest.first())
                .filter(|name| floors.contains_key(*name))
                .cloned()
        };
        for (from, targets) in &graph {
            for to in targets {
                if let (Some(own), Some(other)) = (child(from), child(to))
                    && own != other
                    && floors[&other] <= floors[&own]
                {
                    errors.push(format!("{}: {} imports {}", parent.path.display(), from.join("::"), to.join("::")));
                }
            }
        }
    }
    assert!(layered >= 4, "lib.rs, api, domain and contract have floors; found {layered}");
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn no_files_import_each_other_in_a_circle() {
    let graph = graph(&sources());
    assert!(graph.values().map(Vec::len).sum::<usize>() > 500, "the imports were found");
    // Take away, again and again, the files that import nothing that is left: what remains is in a circle or above one.
    let mut left: BTreeMap<&Module, BTreeSet<&Module>> =
        graph.iter().map(|(module, targets)| (module, targets.iter().collect())).collect();
    loop {
        let free: Vec<&Module> =
            left.iter().filter(|(_, targets)| targets.is_empty()).map(|(module, _)| *module).collect();
        if free.is_empty() {
            break;
        }
        for module in free {
            left.remove(module);
            for targets in left.values_mut() {
                targets.remove(module);
            }
        }
    }
    // Above a circle: nothing that is left imports it.
    while let Some(top) = left.keys().find(|module| !left.values().any(|targets| targets.contains(**module))).copied() {
        left.remove(top);
    }
    let circle: Vec<String> = left
        .iter()
        .map(|(module, targets)| {
            let targets: Vec<String> =
                targets.iter().filter(|to| left.contains_key(**to)).map(|to| to.join("::")).collect();
            format!("{} -> {}", module.join("::"), targets.join(", "))
        })
        .collect();
    assert!(circle.is_empty(), "{circle:#?}");
}

#[test]
fn transport_knows_no_protocol() {
    let sources = sources();
    let transport: Vec<&Source> =
        sources.iter().filter(|source| source.path.starts_with("src/api/transport")).collect();
    assert!(transport.len() > 5, "the sources were found");
    for source in transport {
        for import in &source.imports {
            let path = import.path.join("::");
            for name in ["api::http", "serving", "repository"] {
                assert!(!path.starts_with(name), "{} names {path}", source.path.display());
            }
        }
    }
}

#[test]
fn trees_of_imports_are_read() {
    let paths: Vec<String> =
        expand("crate::{a::{b, c}, d, e::f::{g, h::i, self}}").iter().map(|path| path.join("::")).collect();
    assert_eq!(
        paths,
        ["crate::a::b", "crate::a::c", "crate::d", "crate::e::f::g", "crate::e::f::h::i", "crate::e::f::self"]
    );
    let code = blanked("let a = \"// no {\"; // a comment {\nlet b = '{'; let c = r#\"}\"#;");
    assert!(!code.contains(['{', '}', '/']) && code.lines().count() == 2, "{code:?}");
}

#[test]
fn each_library_is_named_by_its_own_module_only() {
    let mut errors = Vec::new();
    for source in sources() {
        let module = source.module.first().map(String::as_str).unwrap_or_default();
        for (name, owner) in OWNED {
            let named = source.code.match_indices(name).any(|(at, _)| {
                // `export::` ends with `ort::`: the character before must not be part of an identifier.
                !source.code[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_')
            });
            if named && module != *owner {
                errors.push(format!("{} names {name}, which belongs to {owner}", source.path.display()));
            }
        }
        if module == "domain" {
            let banned = BANNED_IN_DOMAIN.iter().filter(|name| source.code.contains(**name));
            errors.extend(banned.map(|name| format!("{} names {name}: the rules are pure", source.path.display())));
        }
    }
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn files_are_short_and_say_what_they_are_for() {
    let sources = sources();
    let mut errors = Vec::new();
    for source in &sources {
        let lines = source.text.lines().count();
        if lines > MAX_FILE_LINES {
            errors.push(format!("{} has {lines} lines, at most {MAX_FILE_LINES} are allowed", source.path.display()));
        }
        if !source.text.starts_with("//!") {
            errors.push(format!("{} does not open with //!", source.path.display()));
        }
    }
    let mut lengths: Vec<usize> = sources.iter().map(|source| source.text.lines().count()).collect();
    lengths.sort_unstable();
    let median = lengths[lengths.len() / 2];
    assert!(median <= MAX_MEDIAN_LINES, "half of the files have more than {median} lines");
    assert!(errors.is_empty(), "{errors:#?}");
}

#[test]
fn functions_fit_on_a_screen() {
    let mut long = Vec::new();
    for source in sources() {
        for (start, _) in words(&source.code).filter(|(_, word)| *word == "fn") {
            let function = &source.code[start..];
            let Some(body) = function.find(['{', ';']).filter(|at| function[*at..].starts_with('{')) else { continue };
            let lines = function[..body + closing_brace(&function[body..])].lines().count();
            let name: String = function[3..].chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if lines > LONG_FUNCTION_LINES {
                long.push(format!("{lines} lines: {name} in {}", source.path.display()));
            }
            assert!(lines <= MAX_FUNCTION_LINES, "{name} in {} has {lines} lines", source.path.display());
        }
    }
    assert!(
        long.len() <= MAX_LONG_FUNCTIONS,
        "{} functions have more than {LONG_FUNCTION_LINES} lines: {long:#?}",
        long.len()
    );
}

#[test]
fn a_name_has_one_meaning_and_says_something() {
    let mut types: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut errors = Vec::new();
    for source in sources() {
        let mut previous = "";
        for (_, word) in words(&source.code) {
            if ["struct", "enum", "trait", "union"].contains(&previous) {
                types.entry(word.to_owned()).or_default().push(source.path.display().to_string());
            }
            previous = word;
        }
        let steps = source.module.iter().filter(|step| FORBIDDEN_NAMES.contains(&step.as_str()));
        errors.extend(steps.map(|step| format!("{}: {step} says nothing", source.path.display())));
    }
    for (name, files) in types {
        let words = name.to_ascii_lowercase();
        if FORBIDDEN_NAMES.contains(&words.as_str()) {
            errors.push(format!("{name} in {files:?} says nothing"));
        }
        if files.len() > 1 && !QUALIFIED_TYPES.contains(&name.as_str()) {
            errors.push(format!("{name} means several things: {files:?}"));
        }
    }
    assert!(errors.is_empty(), "{errors:#?}");
}

/// What rustfmt's `imports_granularity = "Crate"` would do, which its stable version does not offer.
#[test]
fn each_root_is_imported_once() {
    let mut errors = Vec::new();
    for source in sources() {
        let mut roots = BTreeSet::new();
        let lines = source.code.lines().filter_map(|line| line.strip_prefix("use "));
        for root in lines.filter_map(|path| path.split([':', ';', ' ']).next()) {
            if !roots.insert(root.to_owned()) {
                errors.push(format!("{} imports {root} in two statements", source.path.display()));
            }
        }
    }
    assert!(errors.is_empty(), "{errors:#?}");
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
    for source in sources() {
        for word in words {
            assert!(!source.text.contains(word), "{} holds {word}", source.path.display());
        }
    }
}
