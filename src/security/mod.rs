//! Authentication and rate limits. Independent of the web framework: takes texts and addresses, returns decisions.

mod rate_limit;
mod tokens;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use rate_limit::{RateDecision, RateLimiter};
pub use tokens::{AuthError, Principal, TokenStore, TokensError};

use crate::{domain::setting::SettingError, telemetry::error_chain};

/// The maximum configurable rate, in requests per second: more than one per microsecond is no limit.
const MAX_RATE: u32 = 1_000_000;

/// Security settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The file of callers and their tokens; if empty, no authentication.
    pub tokens_file: PathBuf,
    /// Requests per second for one caller; 0 means no limit.
    pub rate_limit_per_second: u32,
    /// Requests that one caller may send in a burst after a pause.
    pub rate_limit_burst: u32,
    /// Who may read the metrics if authentication is on.
    pub metrics: MetricsAccess,
}

/// Who may read the metrics if authentication is on. The metrics name every model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricsAccess {
    /// Callers that may use every model, or that the tokens file allows to read the metrics.
    #[default]
    Token,
    /// Everyone.
    Open,
}

impl Settings {
    /// Returns the invalid settings.
    pub fn errors(&self) -> Vec<SettingError> {
        let rate = "0 disables the limit";
        let burst = "0 would reject every request";
        let faults = [
            SettingError::out_of_range("rate_limit_per_second", self.rate_limit_per_second, &(0..=MAX_RATE), rate),
            SettingError::out_of_range("rate_limit_burst", self.rate_limit_burst, &(1..=MAX_RATE), burst),
        ];
        faults.into_iter().flatten().collect()
    }

    /// Returns the settings that name an unusable file.
    pub fn file_errors(&self) -> Vec<SettingError> {
        tokens_file_error(&self.tokens_file).into_iter().collect()
    }
}

/// Returns an error if the file named by `tokens_file` is unusable; `None` if no file is named. A pipe is not read,
/// because reading would consume its content.
pub fn tokens_file_error(path: &Path) -> Option<SettingError> {
    let pipe = path.metadata().is_ok_and(|file| !file.is_file() && !file.is_dir());
    if path.as_os_str().is_empty() || pipe {
        return None;
    }
    let error = TokenStore::read(path).err()?;
    Some(SettingError::new("tokens_file", format!("names a file that cannot be used: {}", error_chain(&error))))
}
