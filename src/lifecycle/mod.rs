//! The process lifecycle: shutdown phases, tracked tasks, signals and request deadlines.

mod deadline;
mod open_files;
mod shutdown;
mod signal;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::domain::setting::{MAX_WAIT_MS, SettingError};

pub use deadline::request_deadline;
pub use open_files::raise_open_files;
pub use shutdown::{Phase, Shutdown};
pub use signal::Signals;

/// Shutdown settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// How long requests are still accepted after SIGTERM, while /readyz already reports not ready; in milliseconds.
    pub drain_delay_ms: u64,
    /// How long requests in flight may then take to finish; in milliseconds.
    pub drain_timeout_ms: u64,
}

impl Settings {
    /// Returns the invalid settings.
    pub fn errors(&self) -> Vec<SettingError> {
        let because = "a drain takes at most one day";
        let faults = [("drain_delay_ms", self.drain_delay_ms), ("drain_timeout_ms", self.drain_timeout_ms)]
            .map(|(key, value)| SettingError::out_of_range(key, value, &(0..=MAX_WAIT_MS), because));
        faults.into_iter().flatten().collect()
    }

    /// How long requests are still accepted after the signal.
    pub fn drain_delay(&self) -> Duration {
        Duration::from_millis(self.drain_delay_ms)
    }

    /// How long requests in flight may take to finish.
    pub fn drain_timeout(&self) -> Duration {
        Duration::from_millis(self.drain_timeout_ms)
    }
}
