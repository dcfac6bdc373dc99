//! The parts of model.toml about rollouts: who promotes, the shadow's share, A/B experiments.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::domain::{
    name::VersionName,
    rollout::{Arm, Arms, StickyBy},
    setting::SettingError,
};

/// Who makes a newer version stable.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Promotion {
    /// A person.
    #[default]
    Manual,
    /// The server: a newer version that is ready, by way of a canary if there is a `[canary]` table.
    Newest,
}

/// `[shadow]`: the copies that a shadow gets unless the move says otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ShadowSettings {
    /// The share of the requests, in percent.
    pub percent: f64,
}

impl Default for ShadowSettings {
    fn default() -> Self {
        Self { percent: 100.0 }
    }
}

impl ShadowSettings {
    /// The settings that are out of range.
    pub(super) fn errors(self) -> Vec<SettingError> {
        let usable = self.percent > 0.0 && self.percent <= 100.0;
        let reason = format!("must be above 0 and at most 100, found {}", self.percent);
        if usable { Vec::new() } else { vec![SettingError::new("shadow.percent", reason)] }
    }
}

/// `[experiment]`: an A/B experiment between versions. Callers beyond the shares of the arms are not part of it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExperimentSettings {
    /// The name. Another name assigns the callers anew.
    pub name: String,
    /// Which value keeps a caller with its arm.
    #[serde(default)]
    pub sticky_by: StickyBy,
    /// The arms, by name.
    pub arms: BTreeMap<String, ArmSettings>,
}

/// One arm of an experiment.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ArmSettings {
    /// The version that serves the arm.
    pub version: VersionName,
    /// Its share of the callers, in percent.
    pub percent: f64,
}

/// The longest name of an arm: it is a label of metrics and a header.
const MAX_ARM_NAME: usize = 32;

impl ExperimentSettings {
    /// The shares of the arms, in the order of their names.
    ///
    /// # Errors
    /// Returns what is wrong with them.
    pub(super) fn arms(&self) -> Result<Arms, Vec<SettingError>> {
        let mut errors = Vec::new();
        for name in self.arms.keys() {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
            if name.is_empty() || name.len() > MAX_ARM_NAME || !name.bytes().all(plain) {
                let reason =
                    format!("names an arm {name:?}; use 1 to {MAX_ARM_NAME} of the characters A-Z a-z 0-9 . _ -");
                errors.push(SettingError::new("experiment.arms", reason));
            }
        }
        if self.arms.is_empty() {
            errors.push(SettingError::new("experiment.arms", "must have at least one arm"));
        }
        let arm = |(name, arm): (&String, &ArmSettings)| Arm { name: name.clone(), share: arm.percent / 100.0 };
        match Arms::new(self.arms.iter().map(arm).collect()) {
            Ok(arms) if errors.is_empty() => Ok(arms),
            Ok(_) => Err(errors),
            Err(error) => {
                errors.push(SettingError::new("experiment.arms", format!("(percent / 100): {error}")));
                Err(errors)
            }
        }
    }

    /// The versions of the arms.
    pub(super) fn versions(&self) -> impl Iterator<Item = &VersionName> {
        self.arms.values().map(|arm| &arm.version)
    }
}
