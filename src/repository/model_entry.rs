//! A model as the catalog shows it: its versions, its routing and its rollout.

use std::{collections::BTreeSet, sync::Arc};

use super::{
    catalog::{ModelEntry, VersionEntry, VersionState},
    model_control::{Activity, ModelControl, VersionControl},
    routing::{CanaryRouting, ExperimentRouting, RolloutStatus, Routing, ShadowRouting, Split},
};
use crate::domain::{comparison::OutcomeScheme, name::VersionName, rollout::Assignment};

impl ModelControl {
    /// Why the rollout cannot be followed.
    fn problem(&self) -> Option<String> {
        let missing = self.rollout.stable.as_ref().filter(|stable| {
            !self.is_listed(stable) && self.versions.get(*stable).is_none_or(|version| version.serving.is_none())
        });
        let missing =
            missing.map(|stable| format!("rollout.json says that version {stable} is stable, which does not exist"));
        self.rollout_problem.clone().or(missing)
    }

    /// The versions as the catalog shows them, oldest first.
    fn entries(&self) -> Vec<VersionEntry> {
        if let Some(problem) = self.settings_problem.as_ref().filter(|_| self.versions.is_empty()) {
            let reason: Arc<[String]> = Arc::from([problem.clone()]);
            let state = VersionState::Unavailable(reason);
            let all = self.listed.versions.iter();
            return all
                .map(|(version, _)| VersionEntry {
                    name: version.name.clone(),
                    state: state.clone(),
                    problems: Arc::default(),
                })
                .collect();
        }
        let selected = self.wanted().selected;
        let listed = self.listed.versions.iter().map(|(version, _)| &version.name);
        let names: BTreeSet<&VersionName> =
            listed.filter(|name| selected.contains(*name)).chain(self.versions.keys()).collect();
        names.into_iter().map(|name| self.entry_of(name)).collect()
    }

    fn entry_of(&self, name: &VersionName) -> VersionEntry {
        let control = self.versions.get(name);
        let reasons = || control?.rejected.as_ref().map(|(_, reasons)| Arc::clone(reasons));
        let mut problems = Arc::default();
        let state = match control {
            Some(VersionControl { activity: Activity::Unloading, .. }) => VersionState::Unloading,
            Some(VersionControl { serving: Some((_, version)), .. }) => {
                problems = reasons().unwrap_or_default();
                VersionState::Ready(Arc::clone(version))
            }
            Some(VersionControl { activity: Activity::Loading, .. }) | None => VersionState::Loading,
            Some(VersionControl { .. }) => reasons().map_or(VersionState::Loading, VersionState::Unavailable),
        };
        VersionEntry { name: name.clone(), state, problems }
    }

    fn canary_routing(&self) -> Option<CanaryRouting> {
        let (running, role) = (self.canary.as_ref()?, self.rollout.canary.as_ref()?);
        let plan = self.settings.0.canary_plan();
        let (old, new) = (&running.stable.contract.output, &running.version.contract.output);
        Some(CanaryRouting {
            scheme: OutcomeScheme::new(old, new).ok().map(Arc::new),
            version: Arc::clone(&running.version),
            stable: Arc::clone(&running.stable),
            share: role.percent / 100.0,
            sticky_by: plan.sticky_by,
            limits: plan.guard,
            assignment: Assignment::canary(&self.listed.directory.name, &role.version),
            watch: Arc::clone(&running.watch),
        })
    }

    fn shadow_routing(&self) -> Option<ShadowRouting> {
        let role = self.rollout.shadow.as_ref()?;
        let (version, stable) = (self.serving(&role.version)?, self.serving(self.stable()?)?);
        // The gate says that their tasks differ; there is nothing to compare.
        let scheme = OutcomeScheme::new(&stable.contract.output, &version.contract.output).ok()?;
        Some(ShadowRouting { version: Arc::clone(version), share: role.percent / 100.0, scheme: Arc::new(scheme) })
    }

    fn experiment_routing(&self) -> Option<ExperimentRouting> {
        let settings = self.settings.0.experiment.as_ref()?;
        let versions = settings
            .arms
            .iter()
            .filter_map(|(name, arm)| Some((name.clone(), Arc::clone(self.serving(&arm.version)?))));
        Some(ExperimentRouting {
            sticky_by: settings.sticky_by.clone(),
            assignment: Assignment::experiment(&self.listed.directory.name, &settings.name),
            arms: settings.arms().ok()?,
            versions: versions.collect(),
        })
    }

    fn routing(&self) -> Routing {
        let stable = self.stable().and_then(|stable| self.serving(stable)).cloned();
        let (canary, shadow) = (self.canary_routing(), self.shadow_routing());
        let experiment = self.experiment_routing();
        let is_split = canary.is_some() || shadow.is_some() || experiment.is_some();
        Routing { stable, split: is_split.then(|| Arc::new(Split { canary, experiment, shadow })) }
    }

    /// The model as the catalog shows it. `place` is where its rollout is kept.
    pub(super) fn entry(&self, place: Option<String>) -> ModelEntry {
        let selected = self.wanted().selected;
        let listed = self.listed.versions.iter().map(|(version, _)| version.name.clone());
        let rollout = RolloutStatus {
            document: self.rollout.clone(),
            stable: self.stable().cloned(),
            not_loaded: listed.filter(|name| !selected.contains(name)).collect(),
            place,
            problem: self.problem(),
            warnings: self.warnings(),
            gate: self.settings.0.gate,
            canary_percent: self.settings.0.canary_plan().first_percent(),
            shadow_percent: self.settings.0.shadow.percent,
        };
        ModelEntry {
            name: self.listed.directory.name.clone(),
            required: self.settings.0.required,
            versions: self.entries(),
            routing: Arc::new(self.routing()),
            rollout: Arc::new(rollout),
        }
    }
}
