//! What the coordinator knows of one model: its listing, its settings, its rollout and the state of each version.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Instant,
};

use super::{
    gate::GateState,
    listing::{ListedModel, SelectedSettings},
    model_settings::ModelSettings,
    model_version::ModelVersion,
    remote::StateTag,
    rollout_settings::ExperimentSettings,
    rollout_store::StoredRollout,
    running_canary::RunningCanary,
    scan::VersionDirectory,
};
use crate::domain::{
    name::VersionName,
    rollout::{Action, CatalogedVersion, ContentId, ListedVersion, Rollout, VersionStanding, Wanted, next_action},
};

/// What is being done with a version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Activity {
    #[default]
    None,
    Loading,
    Unloading,
}

/// One version of a model.
#[derive(Default)]
pub(super) struct VersionControl {
    /// The content that serves.
    pub(super) serving: Option<(ContentId, Arc<ModelVersion>)>,
    /// The content that could not be loaded, and why.
    pub(super) rejected: Option<(ContentId, Arc<[String]>)>,
    pub(super) activity: Activity,
}

/// One model.
pub(super) struct ModelControl {
    pub(super) listed: ListedModel,
    /// The last valid settings; the defaults if there were none.
    pub(super) settings: SelectedSettings,
    /// Why the present settings are invalid.
    pub(super) settings_problem: Option<String>,
    pub(super) rollout: Rollout,
    pub(super) tag: Option<StateTag>,
    pub(super) rollout_problem: Option<String>,
    /// When the rollout was last written or read outside of a listing. Listings that began earlier do not know of that.
    decided_at: Option<Instant>,
    /// The stable version while the rollout names none.
    initial: Option<VersionName>,
    /// Until then, a version that is being copied can still become the initial stable version.
    initial_until: Instant,
    pub(super) versions: BTreeMap<VersionName, VersionControl>,
    /// The counts of the running canary.
    pub(super) canary: Option<RunningCanary>,
    /// The gate of an automatic promotion.
    pub(super) gate: Option<GateState>,
}

impl ModelControl {
    pub(super) fn new(listed: ListedModel, initial_until: Instant) -> Self {
        let mut control = Self {
            settings: (ModelSettings::default(), BTreeSet::new()),
            settings_problem: None,
            rollout: Rollout::default(),
            tag: None,
            rollout_problem: None,
            decided_at: None,
            initial: None,
            initial_until,
            versions: BTreeMap::new(),
            canary: None,
            gate: None,
            listed,
        };
        control.read_listed();
        control
    }

    /// Takes in a new listing.
    pub(super) fn update(&mut self, listed: ListedModel) {
        self.listed = listed;
        self.read_listed();
    }

    fn read_listed(&mut self) {
        match &self.listed.settings {
            Ok(settings) => (self.settings, self.settings_problem) = (settings.clone(), None),
            Err(problem) => self.settings_problem = Some(problem.clone()),
        }
        match self.listed.rollout.clone() {
            _ if self.decided_at.is_some_and(|decided| self.listed.listed_at <= decided) => {}
            Ok(stored) => self.adopt(stored),
            Err(problem) => self.rollout_problem = Some(problem),
        }
    }

    /// Takes in the state of the rollout that another server has just written.
    pub(super) fn follow(&mut self, stored: Option<StoredRollout>) {
        self.adopt(stored);
        self.decided_at = Some(Instant::now());
    }

    /// Takes in the state of the rollout as it is stored.
    fn adopt(&mut self, stored: Option<StoredRollout>) {
        self.rollout_problem = None;
        if stored.as_ref().map(|stored| &stored.tag) == self.tag.as_ref() {
            // Nothing changed, or a move could not be recorded and lasts until somebody makes another.
            return;
        }
        let stable = self.stable().cloned();
        (self.rollout, self.tag) = match stored {
            Some(StoredRollout { rollout, tag }) => (rollout, Some(tag)),
            None => (Rollout::default(), None),
        };
        // If the state was removed, what serves goes on to serve.
        self.initial = self.initial.take().or(stable);
    }

    /// Takes in the new state after a move; `tag` is that of the stored state.
    pub(super) fn moved(&mut self, rollout: Rollout, tag: Option<StateTag>) {
        (self.rollout, self.tag) = (rollout, tag.or(self.tag.take()));
        self.decided_at = Some(Instant::now());
    }

    /// Waits for the next listing before a version is loaded again whose files changed while they were read.
    pub(super) fn distrust(&mut self, name: &VersionName, content: &ContentId) {
        for (version, _) in &mut self.listed.versions {
            version.whole &= version.name != *name || version.content != *content;
        }
    }

    /// The version that is stable now.
    pub(super) fn stable(&self) -> Option<&VersionName> {
        self.rollout.stable.as_ref().or(self.initial.as_ref())
    }

    pub(super) fn is_listed(&self, name: &VersionName) -> bool {
        self.listed.versions.iter().any(|(version, _)| version.name == *name)
    }

    /// The directory of a listed version.
    pub(super) fn directory(&self, name: &VersionName) -> Option<&(ListedVersion, VersionDirectory)> {
        self.listed.versions.iter().find(|(version, _)| version.name == *name)
    }

    /// The versions that a rollout gives a role.
    fn with_role(&self) -> BTreeSet<VersionName> {
        let Rollout { canary, shadow, earlier, .. } = &self.rollout;
        let canary = canary.as_ref().map(|canary| &canary.version);
        let shadow = shadow.as_ref().map(|shadow| &shadow.version);
        let arms = self.settings.0.experiment.iter().flat_map(ExperimentSettings::versions);
        self.stable().into_iter().chain(canary).chain(shadow).chain(earlier.first()).chain(arms).cloned().collect()
    }

    pub(super) fn wanted(&self) -> Wanted {
        let with_role = self.with_role();
        let (mut selected, Rollout { loaded, unloaded, .. }) = (self.settings.1.clone(), &self.rollout);
        selected.extend(loaded.iter().cloned());
        selected.retain(|version| !unloaded.contains(version));
        selected.extend(with_role.iter().cloned());
        // Without settings nothing is selected, but what serves stays.
        let invalid = self.settings_problem.is_some();
        let serving = self.versions.iter().filter(|(_, version)| invalid && version.serving.is_some());
        selected.extend(serving.map(|(name, _)| name.clone()));
        Wanted { stable: self.stable().cloned(), with_role, selected }
    }

    /// What to do next.
    pub(super) fn next_action(&self) -> Option<Action> {
        let listed: Vec<ListedVersion> = self.listed.versions.iter().map(|(version, _)| version.clone()).collect();
        let cataloged = self.versions.iter().map(|(name, version)| CatalogedVersion {
            name: name.clone(),
            serving: version.serving.as_ref().map(|(content, _)| content.clone()),
            rejected: version.rejected.as_ref().map(|(content, _)| content.clone()),
            busy: version.activity != Activity::None,
        });
        next_action(&listed, &cataloged.collect::<Vec<_>>(), &self.wanted())
    }

    /// Whether a selected version is still being copied.
    pub(super) fn is_waiting(&self) -> bool {
        let selected = self.wanted().selected;
        self.listed.versions.iter().any(|(version, _)| !version.whole && selected.contains(&version.name))
    }

    /// Decides the first stable version: the newest that is ready, once no newer one is being loaded. Until then there
    /// is none, so that no response comes from a version that is about to be superseded.
    pub(super) fn decide_initial(&mut self, now: Instant) {
        if self.stable().is_some() || self.rollout_problem.is_some() {
            return;
        }
        let selected = self.wanted().selected;
        for (listed, _) in self.listed.versions.iter().rev().filter(|(version, _)| selected.contains(&version.name)) {
            let control = self.versions.get(&listed.name);
            if control.is_some_and(|version| version.serving.is_some()) {
                self.initial = Some(listed.name.clone());
                return;
            }
            let rejected = control.and_then(|version| version.rejected.as_ref());
            let failed = rejected.is_some_and(|(content, _)| *content == listed.content);
            let late = !listed.whole && now >= self.initial_until;
            if !failed && !late {
                return;
            }
        }
    }

    /// The standing of a version, for a move.
    pub(super) fn standing(&self, name: &VersionName) -> VersionStanding {
        match self.versions.get(name) {
            Some(VersionControl { activity: Activity::Unloading, .. }) => {
                VersionStanding::NotReady("it is unloading".to_owned())
            }
            Some(VersionControl { serving: Some(_), .. }) => VersionStanding::Ready,
            Some(VersionControl { rejected: Some((_, reasons)), activity: Activity::None, .. }) => {
                VersionStanding::NotReady(reasons.join("; "))
            }
            _ if !self.is_listed(name) => {
                VersionStanding::Unknown(self.listed.versions.iter().map(|(known, _)| known.name.to_string()).collect())
            }
            _ if self.wanted().selected.contains(name) => {
                let copied = self.directory(name).is_some_and(|(version, _)| !version.whole);
                VersionStanding::NotReady(
                    if copied { "its files are being copied" } else { "it is loading" }.to_owned(),
                )
            }
            _ => VersionStanding::NotLoaded,
        }
    }

    /// The version with this name, if it serves.
    pub(super) fn serving(&self, name: &VersionName) -> Option<&Arc<ModelVersion>> {
        let control = self.versions.get(name).filter(|version| version.activity != Activity::Unloading)?;
        control.serving.as_ref().map(|(_, version)| version)
    }
}
