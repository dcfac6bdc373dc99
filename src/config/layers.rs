//! Configuration layers: each layer overrides the one before, and every value keeps its source.

use std::{fs, path::Path};

use super::{
    Config, EffectiveSetting, Purpose, ResolvedConfig,
    check::check,
    environment::{Variable, classify},
    error::{ConfigError, Source},
    key::{Key, keys},
    lines::lines,
};
use crate::domain::text::did_you_mean;

/// The origin of a value: its source, and its location for error messages.
struct Origin {
    source: Source,
    place: String,
}

/// The keys, with the values of the layers applied so far.
pub(super) struct LayeredConfig {
    keys: Vec<Key>,
    settings: Vec<EffectiveSetting>,
    /// The location of each value, for error messages.
    places: Vec<String>,
    warnings: Vec<String>,
}

impl LayeredConfig {
    pub(super) fn defaults() -> Self {
        let keys = keys();
        let setting =
            |key: &Key| EffectiveSetting { key: key.name.clone(), value: key.default.clone(), source: Source::Default };
        let places = vec![Source::Default.to_string(); keys.len()];
        Self { settings: keys.iter().map(setting).collect(), keys, places, warnings: Vec::new() }
    }

    /// Applies a TOML file.
    pub(super) fn file(&mut self, path: &Path, errors: &mut Vec<ConfigError>) {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => return errors.push(ConfigError::read(path, &error)),
        };
        let table: toml::Table = match text.parse() {
            Ok(table) => table,
            Err(error) => {
                let reason = toml::de::Error::to_string(&error).trim_end().to_owned();
                return errors.push(ConfigError::Syntax { path: path.to_path_buf(), reason });
            }
        };
        let (mut flat, lines) = (Vec::new(), lines(&text));
        flatten(&table, "", &mut flat);
        flat.sort_by_key(|(key, _)| lines.get(key).copied());
        for (key, value) in flat {
            let line = lines.get(&key).map_or_else(String::new, |line| format!(":{line}"));
            let place = format!("{}{line}", path.display());
            self.set(&key, value, Origin { source: Source::File(path.to_path_buf()), place }, errors);
        }
    }

    /// Applies the environment.
    pub(super) fn environment(&mut self, variables: &[(String, String)], errors: &mut Vec<ConfigError>) {
        for (name, text) in variables {
            let key = match classify(name, text, &self.keys) {
                Variable::Key(key) => key,
                Variable::Foreign => continue,
                Variable::Suspicious(warning) => {
                    self.warnings.push(warning);
                    continue;
                }
            };
            let value = self.parse(&key, text);
            let source = Source::Environment(name.clone());
            self.set(&key, value, Origin { place: source.to_string(), source }, errors);
        }
    }

    /// Applies the command-line flags.
    pub(super) fn flags(&mut self, flags: &[(String, String)], errors: &mut Vec<ConfigError>) {
        for (key, text) in flags {
            let value = self.parse(key, text);
            self.set(key, value, Origin { source: Source::Flag, place: Source::Flag.to_string() }, errors);
        }
    }

    /// Parses a text as the type of the key's default; a list may be separated by commas.
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
            let section = format!("{key}.");
            let hint = if self.keys.iter().any(|known| known.name.starts_with(&section)) {
                format!("; it is a section: write [{key}], and its keys below")
            } else {
                did_you_mean(key, self.keys.iter().map(|known| known.name.as_str()))
            };
            return errors.push(ConfigError::Unknown { place: origin.place, key: key.to_owned(), hint });
        };
        let default = &self.keys[index].default;
        let same = std::mem::discriminant(default) == std::mem::discriminant(&value);
        let stands_for_auto = is_auto(Some(default)) && value.is_integer();
        if !same && !stands_for_auto {
            let reason = format!("must be {}, found {value}", wanted(default));
            return errors.push(ConfigError::Value { place: origin.place, key: key.to_owned(), reason });
        }
        self.settings[index] = EffectiveSetting { key: key.to_owned(), value, source: origin.source };
        self.places[index] = origin.place;
    }

    /// Deserializes the values into the settings of the modules and adds their errors to those found so far. A value
    /// that cannot be deserialized is replaced by its default, so that the others are still checked.
    pub(super) fn resolve(
        mut self,
        purpose: Purpose,
        mut errors: Vec<ConfigError>,
    ) -> Result<ResolvedConfig, Vec<ConfigError>> {
        let defaults = Self::defaults().settings;
        for index in 0..self.settings.len() {
            let mut trial = defaults.clone();
            trial[index] = self.settings[index].clone();
            if let Err(error) = deserialize(&trial) {
                let EffectiveSetting { key, value, .. } =
                    std::mem::replace(&mut self.settings[index], defaults[index].clone());
                let reason = unreadable(&value, error.message());
                errors.push(ConfigError::Value { place: self.places[index].clone(), key, reason });
            }
        }
        let config = match deserialize(&self.settings) {
            Ok(config) => config,
            Err(error) => {
                let (place, reason) = ("configuration".to_owned(), error.message().to_owned());
                errors.push(ConfigError::Value { place, key: "as a whole".to_owned(), reason });
                return Err(errors);
            }
        };
        for (key, reason) in check(&config, purpose) {
            let index = self.settings.iter().position(|setting| setting.key == key);
            let place = index.map_or_else(String::new, |index| self.places[index].clone());
            errors.push(ConfigError::Value { place, key, reason });
        }
        if errors.is_empty() {
            Ok(ResolvedConfig { config, settings: self.settings, warnings: self.warnings })
        } else {
            Err(errors)
        }
    }
}

/// Describes the expected type of a key, given its default.
fn wanted(default: &toml::Value) -> &'static str {
    match default {
        toml::Value::String(_) if is_auto(Some(default)) => "\"auto\" or an integer",
        toml::Value::String(_) => "a string",
        toml::Value::Integer(_) => "an integer",
        toml::Value::Float(_) => "a number with a decimal point",
        toml::Value::Boolean(_) => "true or false",
        toml::Value::Array(_) => "a list",
        toml::Value::Datetime(_) => "a date",
        toml::Value::Table(_) => "a table",
    }
}

/// Describes what is expected instead of a value that cannot be deserialized; `message` is the error of the
/// deserializer.
fn unreadable(value: &toml::Value, message: &str) -> String {
    let range = match message.rsplit_once("expected ").map(|(_, expected)| expected) {
        Some("u16") => format!("must be a whole number from 0 to {}", u16::MAX),
        Some("u32") => format!("must be a whole number from 0 to {}", u32::MAX),
        Some("u64" | "usize") => "must be a whole number of at least 0".to_owned(),
        Some(names) if message.starts_with("unknown variant") => {
            format!("must be {}", names.replace('`', "\"").trim_start_matches("one of "))
        }
        Some("a string") => "must be a list of strings".to_owned(),
        _ if message.starts_with("must ") => message.to_owned(),
        _ => return format!("cannot be {value}: {message}"),
    };
    format!("{range}, found {value}")
}

fn is_auto(default: Option<&toml::Value>) -> bool {
    default.and_then(toml::Value::as_str) == Some("auto") && default.is_some()
}

fn deserialize(settings: &[EffectiveSetting]) -> Result<Config, toml::de::Error> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Layers, load};

    fn with(environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<ResolvedConfig, Vec<String>> {
        let own = |pairs: &[(&str, &str)]| pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        load(&Layers { environment: own(environment), flags: own(flags), ..Layers::default() })
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
            (1, crate::runtime::ThreadCount::Fixed(3))
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
        assert!(errors.contains("http.port must be an integer, found \"many\""), "{errors}");
        // Unknown keys, wrong types and values out of range are reported together, each with the value found.
        assert!(
            errors.contains("CANDOR_ADMIN__PORT: admin.port must be a whole number from 0 to 65535, found 70000"),
            "{errors}"
        );
        let errors = with(
            &[
                ("CANDOR_ADMIN__PORT", "70000"),
                ("CANDOR_HTTP__HOST", "no where"),
                ("CANDOR_HTTP__MAX_CONNECTIONS", "0"),
            ],
            &[("runtime.providers", "gpu"), ("nothing", "1")],
        );
        assert_eq!(errors.expect_err("five faults").len(), 5);
    }

    #[test]
    fn a_files_fault_names_file_and_line() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let text = "[http]\nport = 80\nhots = \"::1\"\nmax_connections = 0\n\n[admin]\nport = 70000\n";
        fs::write(file.path(), format!("{text}[lifecycle]\ndrain_delay_ms = true\n")).expect("written");
        let layers = Layers { file: Some(file.path().to_path_buf()), ..Layers::default() };
        let mut errors: Vec<String> = load(&layers).expect_err("faults").iter().map(ToString::to_string).collect();
        errors.sort();
        let place = file.path().display();
        assert_eq!(
            errors,
            [
                format!("{place}:3: unknown key \"http.hots\"; did you mean \"http.host\"?"),
                format!(
                    "{place}:4: http.max_connections must be from 1 to 1000000, found 0: 0 would refuse every \
                     connection"
                ),
                format!("{place}:7: admin.port must be a whole number from 0 to 65535, found 70000"),
                format!("{place}:9: lifecycle.drain_delay_ms must be an integer, found true"),
            ]
        );
        fs::write(file.path(), "http = 1\n").expect("written");
        let errors = load(&layers).expect_err("a fault");
        assert!(
            errors[0]
                .to_string()
                .ends_with(":1: unknown key \"http\"; it is a section: write [http], and its keys below"),
            "{errors:?}"
        );
    }
}
