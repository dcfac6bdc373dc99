//! The moves that the server makes itself: the steps of a canary, its promotion or rollback, and the promotion of newer
//! versions. The decisions are those of `domain::rollout`.

use std::{sync::Arc, time::Duration};

use super::{
    canary_watch::CanaryWatch,
    gate::{GateInputs, GateState},
    model_control::ModelControl,
    model_version::ModelVersion,
    rollout_settings::Promotion,
    running_canary::RunningCanary,
};
use crate::domain::{
    comparison::GateLimits,
    name::VersionName,
    rollout::{Decision, Move, MoveRecord, StepProgress, judge},
};

impl ModelControl {
    /// Follows the canary: starts to count a new one, from zero, and forgets one that ended.
    pub(super) fn follow_canary(&mut self) {
        let role = self.rollout.canary.clone();
        let both = role.as_ref().and_then(|role| {
            Some((self.serving(&role.version)?.clone(), self.serving(self.stable()?)?.clone(), role.percent))
        });
        let Some((version, stable, percent)) = both else {
            // While the canary is replaced by new files, its counts are kept; those of another version are not its own. They
            // hold both versions, so they end with the model.
            let version = role.as_ref().map(|role| &role.version).filter(|_| !self.listed.versions.is_empty());
            self.canary.take_if(|running| Some(&running.version.version) != version);
            return;
        };
        if self.canary.as_ref().is_some_and(|running| running.is_of(&version, &stable, percent)) {
            return;
        }
        let before = self.canary.take().filter(|running| running.version.version == version.version);
        let replaced = before.as_ref().is_some_and(|running| running.percent.to_bits() == percent.to_bits());
        let replacements = before.map_or(0, |running| running.replacements) + u32::from(replaced);
        let restarts = self.rollout.canary_shares().saturating_sub(1) + replacements;
        let watch = Arc::new(CanaryWatch::new(stable.middle_uncertainty(), restarts));
        self.canary = Some(RunningCanary { version, stable, percent, watch, replacements });
    }

    /// The next move of the canary, if the guard or the plan ask for one. `now` is in RFC 3339.
    pub(super) fn next_canary_move(&self, now: &str) -> Option<(Move, String)> {
        let (running, role) = (self.canary.as_ref()?, self.rollout.canary.as_ref()?);
        let plan = self.settings.0.canary_plan();
        let verdict = judge(&plan.guard, &running.watch.counts());
        let requests = running.watch.canary_requests();
        let elapsed = elapsed_between(&role.since, now).unwrap_or_default();
        let progress = StepProgress { percent: role.percent, elapsed, requests };
        let version = role.version.clone();
        match plan.next(progress, verdict) {
            Decision::Hold => None,
            Decision::Step(percent) => {
                let why = format!("{requests} requests at {} % were within the limits", role.percent);
                Some((Move::Canary { version, percent }, why))
            }
            Decision::Promote => Some((Move::Promote { version }, "the canary was within the limits".to_owned())),
            Decision::RollBack(reason) => Some((Move::Rollback { from: Some(version) }, reason.to_string())),
        }
    }

    /// Whether the gate lets a version become stable that the server promotes by itself: `None` while it is being run.
    /// `run` starts it.
    pub(super) fn passes_gate(
        &mut self,
        version: &VersionName,
        run: impl FnOnce((Arc<ModelVersion>, Arc<ModelVersion>), GateLimits),
    ) -> Option<bool> {
        let old = Arc::clone(self.serving(self.stable()?)?);
        let new = Arc::clone(self.serving(version)?);
        let inputs = GateInputs::new(&old, &new, self.settings.0.gate);
        match &self.gate {
            Some(GateState::Running(running)) if running.is_same(&inputs) => None,
            Some(GateState::Judged(judged, failures)) if judged.is_same(&inputs) => Some(failures.is_empty()),
            _ => {
                self.gate = Some(GateState::Running(inputs));
                run((old, new), self.settings.0.gate);
                None
            }
        }
    }

    /// Takes in the result of the gate.
    pub(super) fn take_gate(&mut self, inputs: GateInputs, failures: Vec<String>) {
        if let Some(GateState::Running(running)) = &self.gate
            && running.is_same(&inputs)
        {
            for failure in &failures {
                let model = &self.listed.directory.name;
                tracing::error!(%model, "a newer version is not promoted: {failure}");
            }
            self.gate = Some(GateState::Judged(inputs, failures));
        }
    }

    /// The move by which a newer version starts to take over, if model.toml says that newer versions do. A version that
    /// the history names was decided about already.
    pub(super) fn next_promotion(&self) -> Option<(Move, String)> {
        let settings = &self.settings.0;
        if settings.promote == Promotion::Manual || self.rollout.canary.is_some() {
            return None;
        }
        let stable = self.stable()?;
        let newest = self.versions.iter().rev().find(|(_, version)| version.serving.is_some())?.0;
        let known =
            |record: &MoveRecord| record.version.as_ref() == Some(newest) || record.before.as_ref() == Some(newest);
        if newest <= stable || self.rollout.history.iter().any(known) {
            return None;
        }
        let (version, why) = (newest.clone(), "model.toml says promote = \"newest\"".to_owned());
        Some(match &settings.canary {
            Some(plan) => (Move::Canary { version, percent: plan.first_percent() }, why),
            None => (Move::Promote { version }, why),
        })
    }
}

/// The time between two times in RFC 3339; `None` if one of them is none, or they are in the other order.
fn elapsed_between(from: &str, to: &str) -> Option<Duration> {
    let time = |text: &str| chrono::DateTime::parse_from_rfc3339(text).ok();
    (time(to)? - time(from)?).to_std().ok()
}
