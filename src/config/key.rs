//! The configuration keys, parsed from the shipped file: name, default, explanation.

/// The shipped configuration file: the default and the explanation of every key.
pub const DEFAULT_CONFIG: &str = include_str!("../../config/candor.toml");

/// One key of the configuration.
#[derive(Debug, Clone, PartialEq)]
pub struct Key {
    /// The dotted name with its sections, such as `http.port`.
    pub name: String,
    /// The default.
    pub default: toml::Value,
    /// The explanation, on one line.
    pub help: String,
}

impl Key {
    /// The environment variable that sets the key.
    pub fn variable(&self) -> String {
        format!("CANDOR_{}", self.name.to_uppercase().replace('.', "__"))
    }
}

/// Returns every key, in the order of the shipped file.
///
/// # Panics
/// Never in a released program: the shipped file is compiled in, and a test parses it.
pub fn keys() -> Vec<Key> {
    let table: toml::Table = DEFAULT_CONFIG.parse().expect("the shipped configuration is TOML");
    let mut keys = Vec::new();
    let mut prefix = String::new();
    let mut help = "";
    for line in DEFAULT_CONFIG.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            name.clone_into(&mut prefix);
        } else if let Some(comment) = line.strip_prefix('#') {
            help = comment.trim();
        } else if let Some((name, _)) = line.split_once(" = ") {
            let name = format!("{prefix}.{name}");
            let default = lookup(&table, &name).expect("a key of the shipped file is in its table").clone();
            keys.push(Key { name, default, help: help.to_owned() });
        }
    }
    keys
}

/// The value at a dotted key.
pub(super) fn lookup<'t>(table: &'t toml::Table, name: &str) -> Option<&'t toml::Value> {
    match name.split_once('.') {
        None => table.get(name),
        Some((first, rest)) => lookup(table.get(first)?.as_table()?, rest),
    }
}
