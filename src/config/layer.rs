//! The layers: each sets keys over the one before, and every value remembers where it came from.

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use super::{
    Config, Loaded, Setting,
    key::{Key, keys},
};
use crate::domain::contract::nearest;

/// The start of the environment variables that set keys.
const PREFIX: &str = "CANDOR_";

/// Variables with our prefix that are not keys: used by the test suite.
const NOT_KEYS: &[&str] = &["CANDOR_TEST_PYTHON", "CANDOR_BLESS"];

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The program's own default.
    Default,
    /// A configuration file.
    File(PathBuf),
    /// An environment variable.
    Environment(String),
    /// A flag on the command line.
    Flag,
}

impl fmt::Display for Source {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => formatter.write_str("default"),
            Self::File(path) => write!(formatter, "file {}", path.display()),
            Self::Environment(name) => write!(formatter, "environment {name}"),
            Self::Flag => formatter.write_str("flag"),
        }
    }
}

/// A fault of the configuration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{}: cannot be read: {reason}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        reason: String,
    },
    /// The file is not TOML.
    #[error("{}: {reason}", path.display())]
    Syntax {
        /// The file.
        path: PathBuf,
        /// Line, column and cause.
        reason: String,
    },
    /// There is no such key.
    #[error("{place}: unknown key {key:?}{hint}")]
    Unknown {
        /// File and line, variable, or flag.
        place: String,
        /// The key.
        key: String,
        /// The nearest known key, if one is near.
        hint: String,
    },
    /// A value has another type, or lies out of bounds.
    #[error("{place}: {key} {reason}")]
    Value {
        /// File and line, variable, or flag.
        place: String,
        /// The key.
        key: String,
        /// What was found and what would be right.
        reason: String,
    },
}

/// Where a value stands, for its source and for messages.
struct Origin {
    source: Source,
    place: String,
}

/// The keys with the values of the layers so far.
pub(super) struct Merged {
    keys: Vec<Key>,
    settings: Vec<Setting>,
}

impl Merged {
    pub(super) fn defaults() -> Self {
        let keys = keys();
        let setting =
            |key: &Key| Setting { key: key.name.clone(), value: key.default.clone(), source: Source::Default };
        Self { settings: keys.iter().map(setting).collect(), keys }
    }

    /// The layer of a TOML file.
    pub(super) fn file(&mut self, path: &Path, errors: &mut Vec<ConfigError>) {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                return errors.push(ConfigError::Read { path: path.to_path_buf(), reason: error.to_string() });
            }
        };
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => {
                let reason = toml::de::Error::to_string(&error).trim_end().to_owned();
                return errors.push(ConfigError::Syntax { path: path.to_path_buf(), reason });
            }
        };
        let mut flat = Vec::new();
        flatten(&table, "", &mut flat);
        for (key, value) in flat {
            let line = line_of(&text, &key).map_or_else(String::new, |line| format!(":{line}"));
            let place = format!("{}{line}", path.display());
            self.set(&key, value, Origin { source: Source::File(path.to_path_buf()), place }, errors);
        }
    }

    /// The layer of the environment.
    pub(super) fn environment(&mut self, variables: &[(String, String)], errors: &mut Vec<ConfigError>) {
        for (name, text) in variables {
            let Some(rest) = name.strip_prefix(PREFIX).filter(|_| !NOT_KEYS.contains(&name.as_str())) else { continue };
            let key = rest.to_lowercase().replace("__", ".");
            let value = self.parse(&key, text);
            let source = Source::Environment(name.clone());
            self.set(&key, value, Origin { place: source.to_string(), source }, errors);
        }
    }

    /// The layer of the flags.
    pub(super) fn flags(&mut self, flags: &[(String, String)], errors: &mut Vec<ConfigError>) {
        for (key, text) in flags {
            let value = self.parse(key, text);
            self.set(key, value, Origin { source: Source::Flag, place: Source::Flag.to_string() }, errors);
        }
    }

    /// A text as the type that the key's default has; a list may be written with commas.
    fn parse(&self, key: &str, text: &str) -> toml::Value {
        let as_toml = || format!("v = {text}").parse::<toml::Table>().ok()?.remove("v");
        let default = self.keys.iter().find(|known| known.name == key).map(|known| &known.default);
        match default {
            Some(toml::Value::String(_)) if !is_auto(default) => toml::Value::String(text.to_owned()),
            Some(toml::Value::Array(_)) => as_toml().filter(toml::Value::is_array).unwrap_or_else(|| {
                let items = text.split(',').map(str::trim).filter(|item| !item.is_empty());
                toml::Value::Array(items.map(|item| toml::Value::String(item.to_owned())).collect())
            }),
            _ => as_toml().unwrap_or_else(|| toml::Value::String(text.to_owned())),
        }
    }

    fn set(&mut self, key: &str, value: toml::Value, origin: Origin, errors: &mut Vec<ConfigError>) {
        let Some(index) = self.keys.iter().position(|known| known.name == key) else {
            let hint = nearest(key, self.keys.iter().map(|known| known.name.as_str()));
            return errors.push(ConfigError::Unknown { place: origin.place, key: key.to_owned(), hint });
        };
        let default = &self.keys[index].default;
        let same = std::mem::discriminant(default) == std::mem::discriminant(&value);
        let stands_for_auto = is_auto(Some(default)) && value.is_integer();
        if !same && !stands_for_auto {
            let wanted = if is_auto(Some(default)) { "\"auto\" or an integer" } else { default.type_str() };
            let reason = format!("must be {wanted}, found {} {value}", value.type_str());
            return errors.push(ConfigError::Value { place: origin.place, key: key.to_owned(), reason });
        }
        self.settings[index] = Setting { key: key.to_owned(), value, source: origin.source };
    }

    /// Gives the values to the modules' own settings, one key at a time so that a fault names its key.
    pub(super) fn finish(self) -> Result<Loaded, Vec<ConfigError>> {
        let defaults = Self::defaults();
        let mut errors = Vec::new();
        for (index, setting) in self.settings.iter().enumerate() {
            let mut trial = defaults.settings.clone();
            trial[index] = setting.clone();
            if let Err(error) = assemble(&trial) {
                let place = setting.source.to_string();
                let reason = format!("cannot be {}: {}", setting.value, error.message());
                errors.push(ConfigError::Value { place, key: setting.key.clone(), reason });
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        let config = assemble(&self.settings).map_err(|error| {
            let (place, reason) = ("configuration".to_owned(), error.message().to_owned());
            vec![ConfigError::Value { place, key: "as a whole".to_owned(), reason }]
        })?;
        Ok(Loaded { config, settings: self.settings })
    }
}

fn is_auto(default: Option<&toml::Value>) -> bool {
    default.and_then(toml::Value::as_str) == Some("auto") && default.is_some()
}

fn assemble(settings: &[Setting]) -> Result<Config, toml::de::Error> {
    let mut root = toml::Table::new();
    for setting in settings {
        let mut table = &mut root;
        let mut steps = setting.key.split('.').peekable();
        while let Some(step) = steps.next() {
            if steps.peek().is_none() {
                table.insert(step.to_owned(), setting.value.clone());
                break;
            }
            let entry = table.entry(step).or_insert_with(|| toml::Value::Table(toml::Table::new()));
            let toml::Value::Table(inner) = entry else { break };
            table = inner;
        }
    }
    root.try_into()
}

fn flatten(table: &toml::Table, prefix: &str, flat: &mut Vec<(String, toml::Value)>) {
    for (name, value) in table {
        let key = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
        match value {
            toml::Value::Table(inner) => flatten(inner, &key, flat),
            other => flat.push((key, other.clone())),
        }
    }
}

/// The line, from 1, that sets the last part of a key.
fn line_of(text: &str, key: &str) -> Option<usize> {
    let last = key.rsplit('.').next().unwrap_or(key);
    let sets = |line: &str| line.trim_start().strip_prefix(last).is_some_and(|rest| rest.trim_start().starts_with('='));
    text.lines().position(sets).map(|index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layers, load};

    fn with(environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Loaded, Vec<String>> {
        let own = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        load(&Layers { file: None, environment: own(environment), flags: own(flags) })
            .map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn later_layers_win_and_each_value_knows_its_source() {
        let loaded = with(
            &[("CANDOR_HTTP__PORT", "9000"), ("CANDOR_RUNTIME__WORKERS", "3"), ("PATH", "x")],
            &[("http.port", "1")],
        );
        let loaded = loaded.expect("good settings");
        assert_eq!(
            (loaded.config.http.server.port, loaded.config.runtime.workers),
            (1, crate::runtime::Auto::Exactly(3))
        );
        let source =
            |key| loaded.settings.iter().find(|setting| setting.key == key).map(|setting| setting.source.to_string());
        assert_eq!(source("http.port").as_deref(), Some("flag"));
        assert_eq!(source("runtime.workers").as_deref(), Some("environment CANDOR_RUNTIME__WORKERS"));
        let lists =
            with(&[("CANDOR_HTTP__CORS__ORIGINS", "https://a.example, https://b.example")], &[]).expect("a list");
        assert_eq!(lists.config.http.server.cors.origins.len(), 2);
    }

    #[test]
    fn every_fault_is_told_at_once() {
        let errors =
            with(&[("CANDOR_HTTP__PROT", "1"), ("CANDOR_HTTP__PORT", "many"), ("CANDOR_ADMIN__PORT", "70000")], &[]);
        let errors = errors.expect_err("three faults").join("\n");
        assert!(errors.contains("unknown key \"http.prot\"; did you mean \"http.port\"?"), "{errors}");
        assert!(errors.contains("http.port must be integer, found string"), "{errors}");
        let errors =
            with(&[("CANDOR_ADMIN__PORT", "70000"), ("CANDOR_HTTP__HOST", "nowhere")], &[]).expect_err("two faults");
        assert!(errors.len() == 2 && errors.join("\n").contains("admin.port cannot be 70000"), "{errors:?}");
    }

    #[test]
    fn a_files_fault_names_file_and_line() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        fs::write(file.path(), "[http]\nport = 80\nhots = \"::1\"\n").expect("written");
        let layers = Layers { file: Some(file.path().to_path_buf()), ..Layers::default() };
        let errors = load(&layers).expect_err("a fault");
        assert!(
            errors[0].to_string().ends_with(":3: unknown key \"http.hots\"; did you mean \"http.host\"?"),
            "{errors:?}"
        );
    }
}
