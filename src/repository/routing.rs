//! Which version serves a request that names none, and the state of the rollout behind that. Part of the catalog.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    canary_watch::{CanaryArm, CanaryWatch},
    model_version::ModelVersion,
};
use crate::domain::{
    comparison::{GateLimits, OutcomeScheme},
    name::VersionName,
    rollout::{Arms, Assignment, GuardLimits, Rollout, StickyBy},
};

/// Which versions serve the requests that name none.
#[derive(Default)]
pub struct Routing {
    /// The stable version; `None` while there is none that is ready.
    pub stable: Option<Arc<ModelVersion>>,
    /// How requests are shared with other versions; `None` if they are not, which costs a request nothing.
    pub split: Option<Arc<Split>>,
}

/// How requests are shared between versions. At least one of its parts is there.
#[derive(Default)]
pub struct Split {
    /// The canary.
    pub canary: Option<CanaryRouting>,
    /// The A/B experiment.
    pub experiment: Option<ExperimentRouting>,
    /// The shadow.
    pub shadow: Option<ShadowRouting>,
}

/// The canary of a model.
pub struct CanaryRouting {
    /// The version.
    pub version: Arc<ModelVersion>,
    /// The stable version that it is compared with.
    pub stable: Arc<ModelVersion>,
    /// Its share of the callers, from 0 to 1.
    pub share: f64,
    /// What a caller is recognised by.
    pub sticky_by: StickyBy,
    /// Which callers get it.
    pub assignment: Assignment,
    /// What is counted of both.
    pub watch: Arc<CanaryWatch>,
    /// When it is taken back.
    pub limits: GuardLimits,
    /// How the answers of the stable version compare with its own; `None` if they have different tasks.
    pub scheme: Option<Arc<OutcomeScheme>>,
}

/// The A/B experiment of a model.
pub struct ExperimentRouting {
    /// What a caller is recognised by.
    pub sticky_by: StickyBy,
    /// Which callers get which arm.
    pub assignment: Assignment,
    /// The shares.
    pub arms: Arms,
    /// The version of each arm that is ready.
    pub versions: BTreeMap<String, Arc<ModelVersion>>,
}

/// The shadow of a model.
pub struct ShadowRouting {
    /// The version.
    pub version: Arc<ModelVersion>,
    /// The share of the requests that are copied, from 0 to 1.
    pub share: f64,
    /// How the answers of the stable version compare with its own.
    pub scheme: Arc<OutcomeScheme>,
}

/// The version that a request is assigned to, and as part of what.
pub struct RequestAssignment<'r> {
    /// The version; `None` for the stable one.
    pub version: Option<&'r Arc<ModelVersion>>,
    /// Its arm of the canary, if there is a canary and the request is not part of an experiment.
    pub arm: Option<CanaryArm>,
    /// Its arm of the experiment, if it is part of one.
    pub variant: Option<&'r str>,
}

impl Split {
    /// Assigns a request. `sticky` returns the value that identifies its caller.
    pub fn assign(&self, sticky: impl Fn(&StickyBy) -> Vec<u8>) -> RequestAssignment<'_> {
        if let Some(experiment) = &self.experiment
            && let Some(arm) = experiment.assignment.arm(&sticky(&experiment.sticky_by), &experiment.arms)
            && let Some(version) = experiment.versions.get(&arm.name)
        {
            return RequestAssignment { version: Some(version), arm: None, variant: Some(&arm.name) };
        }
        let Some(canary) = &self.canary else { return RequestAssignment { version: None, arm: None, variant: None } };
        if canary.assignment.includes(&sticky(&canary.sticky_by), canary.share) {
            RequestAssignment { version: Some(&canary.version), arm: Some(CanaryArm::Canary), variant: None }
        } else {
            RequestAssignment { version: None, arm: Some(CanaryArm::Stable), variant: None }
        }
    }
}

/// The state of a model's rollout.
#[derive(Debug, Clone, Default)]
pub struct RolloutStatus {
    /// The moves and what they led to.
    pub document: Rollout,
    /// The stable version: that of the document, else the newest when the server started.
    pub stable: Option<VersionName>,
    /// The versions on disk that are not loaded.
    pub not_loaded: Vec<VersionName>,
    /// Where the document is kept; `None` if there is no place for it.
    pub place: Option<String>,
    /// Why the rollout cannot be followed: a file that cannot be read, or a stable version that does not exist.
    pub problem: Option<String>,
    /// What is followed, but not as one may expect: a version that the gate refuses, answers that cannot be compared.
    pub warnings: Vec<String>,
    /// The limits that a version must keep to be promoted.
    pub gate: GateLimits,
    /// The share that a canary starts with unless the move says otherwise, in percent.
    pub canary_percent: f64,
    /// The share that a shadow gets unless the move says otherwise, in percent.
    pub shadow_percent: f64,
}

impl RolloutStatus {
    /// The version with this alias.
    pub fn alias(&self, name: &str) -> Option<&VersionName> {
        self.document.alias(name, self.stable.as_ref())
    }
}
