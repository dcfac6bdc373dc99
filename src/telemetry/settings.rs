//! What an operator can set about the log.

use serde::{Deserialize, Serialize};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::EnvFilter;

use super::error::TelemetryError;
use crate::domain::setting::SettingError;

/// Telemetry settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// The format of a log line.
    pub log_format: LogFormat,
    /// The log filter: a level (`info`), or a list of `target=level` directives (`info,candor::request=off`).
    pub log_level: String,
    /// Whether request lines include the client address, which is personal data.
    pub log_client_address: bool,
}

impl Settings {
    /// Returns the invalid settings.
    pub fn errors(&self) -> Vec<SettingError> {
        let error = parse_level(&self.log_level).err();
        error.map(|error| SettingError::new("log_level", format!("cannot be used: {error}"))).into_iter().collect()
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { log_format: LogFormat::Auto, log_level: "info".to_owned(), log_client_address: false }
    }
}

/// The format of a log line.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    #[default]
    Auto,
    /// One JSON object per line, for machines.
    Json,
    /// One readable line, for people.
    Text,
}

/// Parses filter directives. A bare word must be a level: the filter would take a misspelt `inof` for a target, and
/// silence everything else.
pub(super) fn parse_level(given: &str) -> Result<EnvFilter, TelemetryError> {
    let error = |part: &str| TelemetryError::Level { given: given.to_owned(), part: part.to_owned() };
    let parts: Vec<&str> = given.split(',').map(str::trim).collect();
    for part in &parts {
        let level = part.rsplit_once('=').map_or(*part, |(_, level)| level);
        if level.parse::<LevelFilter>().is_err() || level.is_empty() {
            return Err(error(part));
        }
    }
    // The filter accepts no blanks between directives.
    EnvFilter::try_new(parts.join(",")).map_err(|_| error(given))
}

#[cfg(test)]
mod tests {
    use super::{LogFormat, Settings, parse_level};

    #[test]
    fn settings_read_their_keys_and_refuse_others() {
        let cases = [
            ("{}", Some((LogFormat::Auto, "info"))),
            (r#"{"log_format":"json","log_level":"debug"}"#, Some((LogFormat::Json, "debug"))),
            (r#"{"log_format":"text"}"#, Some((LogFormat::Text, "info"))),
            (r#"{"log_format":"xml"}"#, None),
            (r#"{"level":"info"}"#, None),
        ];
        for (text, wanted) in cases {
            let got = serde_json::from_str::<Settings>(text).ok();
            let got = got.as_ref().map(|s| (s.log_format, s.log_level.as_str()));
            assert_eq!(got, wanted, "{text}");
        }
    }

    #[test]
    fn a_level_is_a_level_or_directives() {
        let cases = [
            ("info", true),
            ("OFF", true),
            ("info,candor::request=off", true),
            ("warn, candor=debug", true),
            ("inof", false),
            ("", false),
            ("info,", false),
            ("candor", false),
            ("candor=", false),
            ("candor=loud", false),
            ("=info", false),
        ];
        for (given, wanted) in cases {
            let got = parse_level(given);
            assert_eq!(got.is_ok(), wanted, "{given}: {got:?}");
        }
    }
}
