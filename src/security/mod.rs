//! Who may ask, and how often. Knows no web framework: texts and addresses in, decisions out.

mod rate;
mod tokens;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use rate::{Allowance, RateLimiter};
pub use tokens::{AuthError, Caller, Tokens, TokensError};

/// What an operator can set about callers.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The file of known callers and their tokens; empty: everybody may ask.
    pub tokens_file: PathBuf,
    /// Requests a second for one caller; 0: no limit.
    pub rate_per_second: u32,
    /// Requests that one caller may send at once after a pause.
    pub rate_burst: u32,
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
