//! What a person should know of a rollout that is followed, but not as they may expect: a version that the gate keeps from
//! being promoted, answers that cannot be compared, arms without a version, a model.toml that cannot be used.

use std::sync::Arc;

use super::{gate::GateState, model_control::ModelControl};
use crate::domain::{comparison::OutcomeScheme, name::VersionName};

impl ModelControl {
    /// The warnings, in words.
    pub(super) fn warnings(&self) -> Vec<String> {
        let shadow = self.rollout.shadow.as_ref().and_then(|shadow| self.uncompared(&shadow.version, "gets no copies"));
        let canary =
            self.rollout.canary.as_ref().and_then(|canary| self.uncompared(&canary.version, "is not compared"));
        let settings =
            self.settings_problem.iter().map(|problem| format!("the last valid model.toml is followed: {problem}"));
        settings.chain(self.refused_by_gate()).chain(canary).chain(shadow).chain(self.empty_arms()).collect()
    }

    /// The version that the server would promote, and why the gate refuses it.
    fn refused_by_gate(&self) -> Option<String> {
        let Some(GateState::Judged(inputs, failures)) = &self.gate else { return None };
        let (old, new) = inputs.versions()?;
        let is_serving =
            |version: &Arc<_>, name| self.serving(name).is_some_and(|serving| Arc::ptr_eq(serving, version));
        let is_present = is_serving(&old, self.stable()?) && is_serving(&new, &new.version);
        (is_present && !failures.is_empty())
            .then(|| format!("version {} is not promoted by the server: {}", new.version, failures.join("; ")))
    }

    /// Why the answers of a canary or a shadow cannot be compared with those of the stable version.
    fn uncompared(&self, version: &VersionName, consequence: &str) -> Option<String> {
        let (new, old) = (self.serving(version)?, self.serving(self.stable()?)?);
        let error = OutcomeScheme::new(&old.contract.output, &new.contract.output).err()?;
        Some(format!("version {version} {consequence}: {error}"))
    }

    /// The arms of the experiment whose versions do not serve.
    fn empty_arms(&self) -> impl Iterator<Item = String> {
        let arms = self.settings.0.experiment.iter().flat_map(|experiment| &experiment.arms);
        let empty = arms.filter(|(_, arm)| self.serving(&arm.version).is_none());
        empty.map(|(name, arm)| {
            format!(
                "arm {name} has no callers: version {} is not ready; they are not part of the experiment",
                arm.version
            )
        })
    }
}
