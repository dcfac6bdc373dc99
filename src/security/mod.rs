//! Who may ask, and how often. Knows no web framework: texts and addresses in, decisions out.

mod rate_limit;
mod tokens;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use rate_limit::{RateDecision, RateLimiter};
pub use tokens::{AuthError, Principal, TokenStore, TokensError};

use crate::domain::setting::SettingError;

/// The most requests a second that a limit may allow: more than one a microsecond is no limit.
const MAX_RATE: u32 = 1_000_000;

/// What an operator can set about callers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The file of known callers and their tokens; empty: everybody may ask.
    pub tokens_file: PathBuf,
    /// Requests a second for one caller; 0: no limit.
    pub rate_limit_per_second: u32,
    /// Requests that one caller may send at once after a pause.
    pub rate_limit_burst: u32,
    /// Who may read the metrics where callers are known.
    pub metrics: MetricsAccess,
}

/// Who may read the metrics where callers are known. They name every model.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MetricsAccess {
    /// Callers that may use every model, or that the file says may read them.
    #[default]
    Token,
    /// Everybody.
    Open,
}

impl Settings {
    /// The values that cannot be used.
    pub fn errors(&self) -> Vec<SettingError> {
        let rate = "0 switches the limit off";
        let burst = "0 would refuse every request";
        let faults = [
            SettingError::out_of_range("rate_limit_per_second", self.rate_limit_per_second, &(0..=MAX_RATE), rate),
            SettingError::out_of_range("rate_limit_burst", self.rate_limit_burst, &(1..=MAX_RATE), burst),
        ];
        faults.into_iter().flatten().collect()
    }

    /// The files that are named and cannot be used.
    pub fn file_errors(&self) -> Vec<SettingError> {
        tokens_file_error(&self.tokens_file).into_iter().collect()
    }
}

/// What is wrong with the file that `tokens_file` names; nothing where it names none. A pipe is not looked into: what is
/// read from it is gone.
pub fn tokens_file_error(path: &Path) -> Option<SettingError> {
    let pipe = path.metadata().is_ok_and(|file| !file.is_file() && !file.is_dir());
    if path.as_os_str().is_empty() || pipe {
        return None;
    }
    let error = TokenStore::read(path).err()?;
    Some(SettingError::new("tokens_file", format!("names a file that cannot be used: {error}")))
}
