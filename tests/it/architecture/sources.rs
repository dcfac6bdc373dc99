//! Reads the sources: their modules, their code without comments, texts and unit tests, and what they import.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use crate::support::paths::root;

/// A module's path, such as `["domain", "contract"]`; empty for lib.rs.
pub(crate) type Module = Vec<String>;

/// One source file.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) module: Module,
    pub(crate) text: String,
    /// The text without comments, without the content of string literals, and without items under `#[cfg(test)]`.
    pub(crate) code: String,
    pub(crate) imports: Vec<Import>,
}

/// A path that a file names: in a `use`, or inline from `crate` or `super`.
pub(crate) struct Import {
    /// The path from the crate's root.
    pub(crate) path: Module,
    /// False for a re-export that the file itself does not use.
    is_used: bool,
}

pub(crate) fn sources() -> Vec<Source> {
    let mut files = Vec::new();
    gather(&root().join("src"), &mut files);
    files.sort();
    assert!(files.len() > 50, "the sources were found");
    let modules: Vec<Module> = files.iter().map(|path| module(path)).collect();
    let read = |path: &PathBuf| {
        let text = fs::read_to_string(root().join(path)).expect("a source");
        let (module, code) = (module(path), without_tests(&blanked(&text)));
        let imports = imports(&module, &code, &modules);
        Source { path: path.clone(), module, text, code, imports }
    };
    files.iter().map(read).collect()
}

fn gather(directory: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(directory).expect("a directory").flatten() {
        let path = entry.path();
        if path.is_dir() {
            gather(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path.strip_prefix(root()).expect("inside the repository").to_path_buf());
        }
    }
}

fn module(path: &Path) -> Module {
    let mut steps: Module = path.with_extension("").iter().skip(1).map(|step| step.to_string_lossy().into()).collect();
    if steps.last().is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str())) {
        steps.pop();
    }
    steps
}

/// Replaces comments, and the content of string and character literals, by spaces; lines stay where they are.
pub(crate) fn blanked(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        let skipped = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(hashes) = raw_string(rest) {
            let open = 2 + hashes;
            let close = format!("\"{}", "#".repeat(hashes));
            rest[open..].find(&close).map_or(rest.len(), |end| open + end + close.len())
        } else if letter == '"' {
            string_end(rest)
        } else if let Some(escaped) = rest.strip_prefix("'\\") {
            2 + escaped.find('\'').map_or(0, |end| end + 1)
        } else if letter == '\'' && rest.chars().nth(2) == Some('\'') {
            rest.char_indices().nth(3).map_or(rest.len(), |(end, _)| end)
        } else {
            out.push(letter);
            rest = &rest[letter.len_utf8()..];
            continue;
        };
        out.extend(rest[..skipped].chars().map(|letter| if letter == '\n' { '\n' } else { ' ' }));
        rest = &rest[skipped..];
    }
    out
}

/// The number of `#` of a raw string that begins here.
fn raw_string(text: &str) -> Option<usize> {
    let rest = text.strip_prefix('r')?;
    let hashes = rest.len() - rest.trim_start_matches('#').len();
    rest[hashes..].starts_with('"').then_some(hashes)
}

fn string_end(text: &str) -> usize {
    let mut escaped = false;
    for (at, letter) in text.char_indices().skip(1) {
        match letter {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// Removes each item that follows `#[cfg(test)]`: up to its `;`, or to the brace that closes it.
fn without_tests(code: &str) -> String {
    let (mut out, mut rest) = (String::new(), code);
    while let Some(at) = rest.find("#[cfg(test)]") {
        out.push_str(&rest[..at]);
        let item = &rest[at..];
        let end = item.find(['{', ';']).expect("an item");
        let end = if item[end..].starts_with(';') { end + 1 } else { end + closing_brace(&item[end..]) };
        rest = &item[end..];
    }
    out + rest
}

/// The length up to and including the brace that closes the first one.
pub(crate) fn closing_brace(code: &str) -> usize {
    let mut depth = 0;
    for (at, letter) in code.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' if depth == 1 => return at + 1,
            '}' => depth -= 1,
            _ => {}
        }
    }
    code.len()
}

/// Splits a code into its `use` items (whether public, and the tree) and the rest.
fn split_uses(code: &str) -> (Vec<(bool, &str)>, String) {
    let (mut uses, mut rest, mut last) = (Vec::new(), String::new(), 0);
    for (start, _) in code.match_indices("use ") {
        let before = code[..start].rsplit(['\n', ';', '}', '{']).next().unwrap_or("").trim();
        if start >= last && (before.is_empty() || before.starts_with("pub")) {
            let end = start + code[start..].find(';').expect("the end of a use item");
            uses.push((before.starts_with("pub"), &code[start + 4..end]));
            rest.push_str(&code[last..start]);
            last = end;
        }
    }
    (uses, rest + &code[last..])
}

fn imports(own: &Module, code: &str, modules: &[Module]) -> Vec<Import> {
    let (uses, body) = split_uses(code);
    let mut found = Vec::new();
    for (is_reexport, tree) in uses {
        let uses = |name: &str| words(&body).any(|(_, word)| word == name);
        found.extend(expand(tree).into_iter().map(|path| Import {
            // What a module only re-exports, it does not depend on.
            is_used: !is_reexport || path.last().is_some_and(|name| uses(name)),
            path: absolute(own, &path),
        }));
    }
    // Inline paths: `crate::a::b`, `super::c`, and `child::d` for a child module.
    for (start, word) in words(&body) {
        let is_child = modules.contains(&[own.as_slice(), &[word.to_owned()]].concat());
        let before = &body[..start];
        if (word == "crate" || word == "super" || is_child)
            && body[start + word.len()..].starts_with("::")
            && !before.ends_with("::")
            && !before.ends_with("in ")
        {
            let path: String = body[start..].chars().take_while(|c| c.is_alphanumeric() || "_:".contains(*c)).collect();
            let steps: Module = path.split("::").filter(|step| !step.is_empty()).map(str::to_owned).collect();
            found.push(Import { path: absolute(own, &steps), is_used: true });
        }
    }
    found
}

/// The words of a code with their places.
pub(crate) fn words(code: &str) -> impl Iterator<Item = (usize, &str)> {
    let is_part = |letter: char| letter.is_alphanumeric() || letter == '_';
    let mut rest = 0;
    std::iter::from_fn(move || {
        let start = rest + code[rest..].find(is_part)?;
        let end = code[start..].find(|letter| !is_part(letter)).map_or(code.len(), |length| start + length);
        rest = end;
        Some((start, &code[start..end]))
    })
}

/// The paths of a tree such as `a::{b, c::{d, self}}`.
pub(crate) fn expand(tree: &str) -> Vec<Module> {
    let tree = tree.trim();
    let Some((prefix, inner)) = tree.split_once('{') else {
        let path = tree.split(" as ").next().unwrap_or(tree);
        return vec![path.split("::").map(|step| step.trim().to_owned()).filter(|step| !step.is_empty()).collect()];
    };
    let prefix: Module =
        prefix.split("::").map(|step| step.trim().to_owned()).filter(|step| !step.is_empty()).collect();
    let inner = inner.trim_end().strip_suffix('}').expect("a closed tree");
    let (mut parts, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, letter) in inner.char_indices() {
        match letter {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&inner[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&inner[start..]);
    let parts = parts.into_iter().filter(|part| !part.trim().is_empty());
    parts.flat_map(|part| expand(part).into_iter().map(|path| [prefix.as_slice(), &path].concat())).collect()
}

fn absolute(own: &Module, path: &[String]) -> Module {
    let mut base: Module = own.clone();
    let mut steps = path;
    match steps.first().map(String::as_str) {
        Some("crate") => {
            base.clear();
            steps = &steps[1..];
        }
        _ => {
            while let Some((first, rest)) =
                steps.split_first().filter(|(first, _)| *first == "super" || *first == "self")
            {
                if first == "super" {
                    base.pop();
                }
                steps = rest;
            }
        }
    }
    base.extend(steps.iter().filter(|step| *step != "self").cloned());
    base
}

/// Which file imports which: a name that a module re-exports counts as an import of the file that defines it.
pub(crate) fn graph(sources: &[Source]) -> BTreeMap<Module, Vec<Module>> {
    let by_module: BTreeMap<&Module, &Source> = sources.iter().map(|source| (&source.module, source)).collect();
    let edges = |source: &Source| {
        let mut targets: Vec<Module> = Vec::new();
        for import in source.imports.iter().filter(|import| import.is_used) {
            targets.extend(resolve(&import.path, &by_module, 0).filter(|target| *target != source.module));
        }
        targets.sort();
        targets.dedup();
        targets
    };
    sources.iter().map(|source| (source.module.clone(), edges(source))).collect()
}

fn resolve(path: &[String], by_module: &BTreeMap<&Module, &Source>, depth: usize) -> Option<Module> {
    for length in (1..=path.len()).rev() {
        let module = path[..length].to_vec();
        let Some(source) = by_module.get(&module) else { continue };
        let exported = path.get(length).and_then(|name| {
            source.imports.iter().find(|import| import.path.last() == Some(name) && import.path.len() > 1)
        });
        return match exported.filter(|import| depth < 8 && import.path[..] != path[..=length]) {
            Some(import) => {
                let rest = [import.path.as_slice(), &path[length + 1..]].concat();
                resolve(&rest, by_module, depth + 1)
            }
            None => Some(module),
        };
    }
    None
}
