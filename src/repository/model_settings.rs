//! model.toml, next to the versions of a model: which versions are served, and their limits.

use std::{
    path::Path,
    time::{Duration, Instant},
};

use serde::Deserialize;

use super::{
    error::ModelError,
    file_names::MODEL_SETTINGS,
    files::read_text,
    rollout_settings::{ExperimentSettings, Promotion, ShadowSettings},
    scan::{ModelDirectory, VersionDirectory},
};
use crate::{
    domain::{comparison::GateLimits, rollout::CanaryPlan, uncertainty::Coverage},
    runtime::ThreadCount,
};

/// A setting of model.toml is invalid: what was found and what is expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
struct SettingsError(String);

impl From<String> for SettingsError {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Maximum of `deadline_ms`; longer waits help no client.
const MAX_DEADLINE_MS: u64 = 600_000;

/// Maximum of `max_explain_rows`: each row of an explanation is kept until it ends, at one bit per feature.
const MAX_EXPLAIN_ROWS: usize = 65_536;

/// Operator settings of one model.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ModelSettings {
    /// Which versions are loaded.
    pub versions: Versions,
    /// Whether this model must be ready for the server to be ready.
    pub required: bool,
    /// Whether this model serves `/predict`, unless `repository.default_model` names another.
    pub default: bool,
    /// The limits of each version.
    pub limits: Limits,
    /// Coverage of sets and intervals; `None`: that of the contract, else that of the server's configuration.
    pub coverage: Option<Coverage>,
    /// What a version must keep, compared with the one it replaces, before it is promoted.
    pub gate: GateLimits,
    /// Who makes a newer version stable.
    pub promote: Promotion,
    /// How a canary goes on, if there is a `[canary]` table.
    pub canary: Option<CanaryPlan>,
    /// The copies that a shadow gets.
    pub shadow: ShadowSettings,
    /// An A/B experiment.
    pub experiment: Option<ExperimentSettings>,
}

/// Which versions are loaded.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum Versions {
    /// The newest versions.
    Latest {
        /// How many of them.
        latest: usize,
    },
    /// Exactly these versions.
    Named(Vec<String>),
    /// The keyword `"all"`.
    Keyword(String),
}

/// The limits of a version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// Maximum number of rows in one run.
    pub max_batch_rows: usize,
    /// How long a batch may wait for more rows, in milliseconds.
    pub max_delay_ms: u64,
    /// How long a request may take, in milliseconds, unless the caller sets a shorter deadline.
    pub deadline_ms: u64,
    /// Maximum number of rows that may wait for a worker.
    pub max_queue_rows: usize,
    /// Maximum number of rows that one explanation may run; 0 turns explanations off.
    pub max_explain_rows: usize,
    /// Number of worker threads; `None`: that of the server's configuration.
    pub workers: Option<ThreadCount>,
}

impl Default for ModelSettings {
    fn default() -> Self {
        Self {
            versions: Versions::Keyword("all".to_owned()),
            required: true,
            default: false,
            limits: Limits::default(),
            coverage: None,
            gate: GateLimits::default(),
            promote: Promotion::default(),
            canary: None,
            shadow: ShadowSettings::default(),
            experiment: None,
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_batch_rows: 32,
            max_delay_ms: 0,
            deadline_ms: 1000,
            max_queue_rows: 1024,
            max_explain_rows: 4096,
            workers: None,
        }
    }
}

impl Limits {
    /// How long a batch may wait for more rows.
    pub fn max_delay(&self) -> Duration {
        Duration::from_millis(self.max_delay_ms)
    }

    /// How long a request may take.
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }
}

impl ModelSettings {
    /// Reads the settings of a model and selects the versions to load, oldest first.
    ///
    /// # Errors
    /// As for [`ModelSettings::read`]; also if a named version does not exist.
    pub fn for_model(model: &ModelDirectory) -> Result<(Self, Vec<VersionDirectory>), ModelError> {
        let settings = Self::read(model.directory.as_deref())?;
        if model.by_path {
            return Ok((settings, model.versions.clone()));
        }
        let chosen = settings.select_versions(&model.versions).map_err(|detail| {
            let path = model.directory.as_deref().unwrap_or(Path::new("")).join(MODEL_SETTINGS);
            ModelError::Content { path, detail: detail.to_string() }
        })?;
        Ok((settings, chosen))
    }

    /// Reads model.toml. Returns the defaults if it does not exist.
    ///
    /// # Errors
    /// Returns [`ModelError`] with the file, the line and what is expected.
    pub fn read(directory: Option<&Path>) -> Result<Self, ModelError> {
        let Some(path) = directory.map(|directory| directory.join(MODEL_SETTINGS)).filter(|path| path.exists()) else {
            return Ok(Self::default());
        };
        let content = |detail: String| ModelError::Content { path: path.clone(), detail };
        let text = read_text(&path).map_err(|source| ModelError::Read { path: path.clone(), source })?;
        let settings: Self = toml::from_str(&text).map_err(|error| content(error.to_string().trim_end().to_owned()))?;
        settings.check().map_err(|error| content(error.to_string()))?;
        Ok(settings)
    }

    /// How a canary goes on.
    pub fn canary_plan(&self) -> CanaryPlan {
        let promote_when_proven = self.promote == Promotion::Newest;
        CanaryPlan { promote_when_proven, ..self.canary.clone().unwrap_or_default() }
    }

    /// Checks the settings of rollouts.
    fn check_rollout(&self) -> Result<(), SettingsError> {
        let mut errors = self.canary.as_ref().map(CanaryPlan::errors).unwrap_or_default();
        errors.extend(self.shadow.errors());
        errors.extend(self.experiment.as_ref().and_then(|experiment| experiment.arms().err()).unwrap_or_default());
        let errors: Vec<String> = errors.iter().map(|error| format!("{} {}", error.key, error.reason)).collect();
        if errors.is_empty() { Ok(()) } else { Err(errors.join("; ").into()) }
    }

    /// Checks the ranges of the values.
    fn check(&self) -> Result<(), SettingsError> {
        let limits = &self.limits;
        self.check_rollout()?;
        if let Some(level) = self.coverage.filter(|coverage| !Coverage::GRID.contains(coverage)) {
            let grid = Coverage::grid_text();
            return Err(format!("coverage must be one of {grid}; found {}", level.as_f64()).into());
        }
        if let Versions::Keyword(word) = &self.versions
            && word != "all"
        {
            return Err(
                format!("versions must be \"all\", a list of names, or {{ latest = N }}; found {word:?}").into()
            );
        }
        if let Some(error) = self.gate.errors().first() {
            return Err(error.to_string().into());
        }
        if limits.max_explain_rows > MAX_EXPLAIN_ROWS {
            return Err(format!(
                "limits.max_explain_rows must be from 0 to {MAX_EXPLAIN_ROWS}; found {}",
                limits.max_explain_rows
            )
            .into());
        }
        for (name, value, most) in [
            ("max_batch_rows", limits.max_batch_rows as u64, 4096),
            ("max_queue_rows", limits.max_queue_rows as u64, 1_000_000),
            ("deadline_ms", limits.deadline_ms, MAX_DEADLINE_MS),
        ] {
            if !(1..=most).contains(&value) {
                return Err(format!("limits.{name} must be from 1 to {most}; found {value}").into());
            }
        }
        if limits.max_delay_ms >= limits.deadline_ms {
            let (delay, deadline) = (limits.max_delay_ms, limits.deadline_ms);
            return Err(format!(
                "limits.max_delay_ms must be less than limits.deadline_ms ({deadline}); found {delay}"
            )
            .into());
        }
        debug_assert!(Instant::now().checked_add(limits.deadline()).is_some(), "a deadline is a point in time");
        Ok(())
    }

    fn select_versions(&self, versions: &[VersionDirectory]) -> Result<Vec<VersionDirectory>, SettingsError> {
        match &self.versions {
            Versions::Latest { latest: 0 } => {
                Err("versions = { latest = 0 } selects no version; the minimum is 1".to_owned().into())
            }
            Versions::Latest { latest } => Ok(versions[versions.len().saturating_sub(*latest)..].to_vec()),
            Versions::Named(names) => {
                let there: Vec<&str> = versions.iter().map(|version| version.name.as_str()).collect();
                if let Some(missing) = names.iter().find(|name| !there.contains(&name.as_str())) {
                    return Err(format!(
                        "versions lists {missing:?}, which does not exist; there are: {}",
                        there.join(", ")
                    )
                    .into());
                }
                if names.is_empty() {
                    return Err(format!("versions is empty; there are: {}", there.join(", ")).into());
                }
                let chosen = |version: &&VersionDirectory| names.iter().any(|name| name == version.name.as_str());
                Ok(versions.iter().filter(chosen).cloned().collect())
            }
            Versions::Keyword(_) => Ok(versions.to_vec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ModelSettings, String> {
        let directory = tempfile::tempdir().expect("a directory");
        std::fs::write(directory.path().join("model.toml"), text).expect("written");
        ModelSettings::read(Some(directory.path())).map_err(|error| error.to_string())
    }

    #[test]
    fn settings_are_read_and_checked() {
        let settings =
            read("versions = { latest = 2 }\nrequired = false\n[limits]\ndeadline_ms = 50\nworkers = \"auto\"");
        let settings = settings.expect("good settings");
        assert!(!settings.required && settings.versions == Versions::Latest { latest: 2 });
        assert_eq!(
            (settings.limits.deadline(), settings.limits.workers),
            (Duration::from_millis(50), Some(ThreadCount::Auto))
        );
        for (text, phrase) in [
            ("required = 1", "line 1"),
            ("requird = true", "unknown field"),
            ("versions = \"newest\"", "must be \"all\""),
            ("[limits]\nmax_batch_rows = 0", "1 to 4096"),
            ("[limits]\nmax_explain_rows = 100000", "0 to 65536"),
            ("[gate]\nmax_disagreement = 5", "gate.max_disagreement must be from 0 to 1; found 5"),
            ("[gate]\nmax_disagreements = 0.1", "unknown field"),
            ("coverage = 0.42", "must be one of 0.5, 0.6"),
            ("coverage = 95", "between 0 and 1"),
            ("[canary]\npercent = 0", "canary.percent must be above 0"),
            ("[canary]\nsticky_by = \"cookie\"", "\"entity_id\", \"request\""),
            ("[canary.guard]\nmax_errors = 1", "unknown field"),
            ("[shadow]\npercent = 101", "shadow.percent must be above 0"),
            ("promote = \"oldest\"", "expected"),
            ("[experiment]\nname = \"a\"\n[experiment.arms]", "at least one arm"),
            ("[experiment]\nname = \"a\"\narms.b = { version = \"1\", percent = 120 }", "at most 1, found 1.2"),
        ] {
            let error = read(text).expect_err(text);
            assert!(error.contains(phrase) && error.contains("model.toml"), "{text}: {error}");
        }
    }
}
