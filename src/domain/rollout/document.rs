//! The state of a rollout: which version is stable, canary or shadow, and the moves that led there (rollout.json).

use serde::{Deserialize, Serialize};

use crate::domain::name::VersionName;

/// The format of rollout.json that this server reads and writes.
pub const FORMAT: u32 = 1;

/// The moves that a history keeps.
pub(super) const MAX_HISTORY: usize = 100;

/// The former stable versions that are kept for rollbacks.
pub(super) const MAX_EARLIER: usize = 10;

/// The state of one model's rollout.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rollout {
    /// The format, [`FORMAT`].
    pub format: u32,
    /// The number of moves that were made.
    pub generation: u64,
    /// The version that serves requests that name no version; `None`: the newest version when the server started.
    pub stable: Option<VersionName>,
    /// The version that serves a share of these requests.
    pub canary: Option<CanaryRole>,
    /// The version that gets copies of them.
    pub shadow: Option<ShadowRole>,
    /// The versions that were stable before, latest first.
    pub earlier: Vec<VersionName>,
    /// Versions that are loaded although model.toml does not select them.
    pub loaded: Vec<VersionName>,
    /// Versions that are not loaded although model.toml selects them.
    pub unloaded: Vec<VersionName>,
    /// The moves, latest first.
    pub history: Vec<MoveRecord>,
}

impl Default for Rollout {
    fn default() -> Self {
        Self {
            format: FORMAT,
            generation: 0,
            stable: None,
            canary: None,
            shadow: None,
            earlier: Vec::new(),
            loaded: Vec::new(),
            unloaded: Vec::new(),
            history: Vec::new(),
        }
    }
}

impl Rollout {
    /// The roles of a version, in words; empty if it has none.
    pub fn roles(&self, version: &VersionName, stable: Option<&VersionName>) -> Vec<&'static str> {
        let canary = self.canary.as_ref().is_some_and(|canary| canary.version == *version);
        let shadow = self.shadow.as_ref().is_some_and(|shadow| shadow.version == *version);
        let previous = self.earlier.first() == Some(version);
        [(stable == Some(version), "stable"), (canary, "canary"), (shadow, "shadow"), (previous, "previous")]
            .into_iter()
            .filter_map(|(is, name)| is.then_some(name))
            .collect()
    }

    /// How many shares the canary has had, by the history.
    pub fn canary_shares(&self) -> u32 {
        let Some(canary) = &self.canary else { return 0 };
        let decisive =
            |record: &&MoveRecord| !["load", "unload", "shadow", "end_shadow"].contains(&record.name.as_str());
        let moves = self.history.iter().filter(decisive);
        let own =
            moves.take_while(|record| record.name == "canary" && record.version.as_ref() == Some(&canary.version));
        u32::try_from(own.count()).unwrap_or(u32::MAX)
    }

    /// The version with this alias: `stable`, `canary`, `shadow` or `previous`.
    pub fn alias<'v>(&'v self, name: &str, stable: Option<&'v VersionName>) -> Option<&'v VersionName> {
        match name {
            "stable" => stable,
            "canary" => self.canary.as_ref().map(|canary| &canary.version),
            "shadow" => self.shadow.as_ref().map(|shadow| &shadow.version),
            "previous" => self.earlier.first(),
            _ => None,
        }
    }
}

/// The version that serves a share of the requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CanaryRole {
    /// The version.
    pub version: VersionName,
    /// The share of the callers that it serves, in percent.
    pub percent: f64,
    /// When it began to serve this share, in RFC 3339.
    pub since: String,
}

/// The version that gets copies of requests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ShadowRole {
    /// The version.
    pub version: VersionName,
    /// The share of the requests that are copied, in percent.
    pub percent: f64,
}

/// One move: what was done, when, by whom and why.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoveRecord {
    /// When, in RFC 3339.
    pub at: String,
    /// The caller of the admin listener, or `candor` for a move that the server made itself.
    pub by: String,
    /// What was done, such as `promote`.
    #[serde(rename = "move")]
    pub name: String,
    /// The version that the move is about.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<VersionName>,
    /// The version that was stable before, if the move changed it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub before: Option<VersionName>,
    /// The share of a canary or a shadow, in percent.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub percent: Option<f64>,
    /// The reason that was given.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub why: String,
}
