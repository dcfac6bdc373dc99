//! The moves of a rollout: what each changes, and when it is refused. A pure function of the state and the versions.

#[cfg(test)]
mod tests;

use crate::domain::{
    name::VersionName,
    rollout::document::{CanaryRole, MAX_EARLIER, MAX_HISTORY, MoveRecord, Rollout, ShadowRole},
};

/// A change of which version serves whom.
#[derive(Debug, Clone, PartialEq)]
pub enum Move {
    /// Makes a version stable. Ends its canary.
    Promote {
        /// The version.
        version: VersionName,
    },
    /// Lets a version serve a share of the callers.
    Canary {
        /// The version.
        version: VersionName,
        /// The share, in percent.
        percent: f64,
    },
    /// Ends the canary; the stable version stays.
    EndCanary,
    /// Sends copies of a share of the requests to a version.
    Shadow {
        /// The version.
        version: VersionName,
        /// The share, in percent.
        percent: f64,
    },
    /// Ends the shadow.
    EndShadow,
    /// Ends the canary, or makes the version stable that was stable before.
    Rollback {
        /// The version to roll back from. Makes a repeated request harmless.
        from: Option<VersionName>,
    },
    /// Loads a version that model.toml does not select, or tries one again that could not be loaded.
    Load {
        /// The version.
        version: VersionName,
    },
    /// Unloads a version.
    Unload {
        /// The version.
        version: VersionName,
    },
}

impl Move {
    /// The name, as in the history and in the path of the admin route.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Promote { .. } => "promote",
            Self::Canary { .. } => "canary",
            Self::EndCanary => "end_canary",
            Self::Shadow { .. } => "shadow",
            Self::EndShadow => "end_shadow",
            Self::Rollback { .. } => "rollback",
            Self::Load { .. } => "load",
            Self::Unload { .. } => "unload",
        }
    }
}

/// The state of a version, as far as moves depend on it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VersionStanding {
    /// It can serve.
    Ready,
    /// It exists, but cannot serve now: its state and the reason.
    NotReady(String),
    /// It exists, but is not selected by model.toml or was unloaded.
    NotLoaded,
    /// It does not exist; there are these.
    Unknown(Vec<String>),
}

/// Who makes a move, when and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MoveOrigin {
    /// When, in RFC 3339.
    pub at: String,
    /// The caller, or `candor`.
    pub by: String,
    /// The reason.
    pub why: String,
}

/// Why a move is refused.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum MoveError {
    /// The version does not exist.
    #[error("there is no version {version}; there are: {}", known.join(", "))]
    UnknownVersion {
        /// The version.
        version: VersionName,
        /// The versions that exist.
        known: Vec<String>,
    },
    /// The version cannot serve.
    #[error("version {version} is not ready: {reason}")]
    NotReady {
        /// The version.
        version: VersionName,
        /// Its state and the reason.
        reason: String,
    },
    /// The version is not loaded.
    #[error("version {version} is not loaded; load it first")]
    NotLoaded {
        /// The version.
        version: VersionName,
    },
    /// The share is out of range.
    #[error("percent must be above 0 and at most 100; found {found}")]
    Percent {
        /// The share that was given.
        found: f64,
    },
    /// The version is stable and cannot be its own canary or shadow.
    #[error("version {version} is stable already: it serves every caller")]
    IsStable {
        /// The version.
        version: VersionName,
    },
    /// There is no stable version yet.
    #[error("there is no stable version that a canary or a shadow could be compared with; promote one first")]
    NoStable,
    /// There is no earlier version.
    #[error("there is no earlier version to roll back to; promote one by its name")]
    NoEarlier,
    /// Somebody has moved on meanwhile.
    #[error("version {from} is neither stable nor canary any more; nothing was rolled back")]
    MovedOn {
        /// The version to roll back from.
        from: VersionName,
    },
    /// The version serves.
    #[error("version {version} is {role} and cannot be unloaded; end that first")]
    InUse {
        /// The version.
        version: VersionName,
        /// Its role.
        role: &'static str,
    },
}

/// The context in which a move is made.
pub struct MoveContext<'a> {
    /// The state before the move.
    pub rollout: &'a Rollout,
    /// The version that is stable now, whether the state names it or it was the newest at start.
    pub stable: Option<&'a VersionName>,
    /// The standing of a version.
    pub standing: &'a dyn Fn(&VersionName) -> VersionStanding,
}

impl MoveContext<'_> {
    fn ready(&self, version: &VersionName) -> Result<(), MoveError> {
        let version = version.clone();
        match (self.standing)(&version) {
            VersionStanding::Ready => Ok(()),
            VersionStanding::NotReady(reason) => Err(MoveError::NotReady { version, reason }),
            VersionStanding::NotLoaded => Err(MoveError::NotLoaded { version }),
            VersionStanding::Unknown(known) => Err(MoveError::UnknownVersion { version, known }),
        }
    }

    fn exists(&self, version: &VersionName) -> Result<(), MoveError> {
        match (self.standing)(version) {
            VersionStanding::Unknown(known) => Err(MoveError::UnknownVersion { version: version.clone(), known }),
            _ => Ok(()),
        }
    }

    /// Checks that a version may become the canary or the shadow with this share.
    fn candidate(&self, version: &VersionName, percent: f64) -> Result<(), MoveError> {
        if !(percent > 0.0 && percent <= 100.0) {
            return Err(MoveError::Percent { found: percent });
        }
        self.ready(version)?;
        match self.stable {
            None => Err(MoveError::NoStable),
            Some(stable) if stable == version => Err(MoveError::IsStable { version: version.clone() }),
            Some(_) => Ok(()),
        }
    }

    /// Makes a move. Returns the new state, or `None` if the move changes nothing.
    ///
    /// # Errors
    /// Returns [`MoveError`] if the move is refused.
    pub fn apply(&self, made: &Move, origin: MoveOrigin) -> Result<Option<Rollout>, MoveError> {
        let mut next = self.rollout.clone();
        let (version, percent, before) = match made {
            Move::Promote { version: to } => {
                self.ready(to)?;
                let before = self.stable.filter(|stable| *stable != to).cloned();
                make_stable(&mut next, to, before.clone());
                (Some(to.clone()), None, before)
            }
            Move::Canary { version: to, percent: share } => {
                self.candidate(to, *share)?;
                let same = |canary: &CanaryRole| canary.version == *to && canary.percent.to_bits() == share.to_bits();
                if !next.canary.as_ref().is_some_and(same) {
                    let since = origin.at.clone();
                    next.canary = Some(CanaryRole { version: to.clone(), percent: *share, since });
                }
                // A canary is compared with the stable version, which therefore must not change by a restart.
                next.stable = self.stable.cloned();
                (Some(to.clone()), Some(*share), None)
            }
            Move::EndCanary => (next.canary.take().map(|canary| canary.version), None, None),
            Move::Shadow { version: to, percent: share } => {
                self.candidate(to, *share)?;
                next.shadow = Some(ShadowRole { version: to.clone(), percent: *share });
                // A restart must not make the newest version stable, which may be the shadow.
                next.stable = self.stable.cloned();
                (Some(to.clone()), Some(*share), None)
            }
            Move::EndShadow => (next.shadow.take().map(|shadow| shadow.version), None, None),
            Move::Rollback { from } => {
                let (version, before) = self.roll_back(&mut next, from.as_ref())?;
                (version, None, before)
            }
            Move::Load { version: to } => {
                self.load(&mut next, to)?;
                (Some(to.clone()), None, None)
            }
            Move::Unload { version: to } => {
                self.unload(&mut next, to)?;
                (Some(to.clone()), None, None)
            }
        };
        if next == *self.rollout {
            return Ok(None);
        }
        let MoveOrigin { at, by, why } = origin;
        next.history.insert(0, MoveRecord { at, by, name: made.name().to_owned(), version, before, percent, why });
        next.history.truncate(MAX_HISTORY);
        next.generation += 1;
        Ok(Some(next))
    }

    fn load(&self, next: &mut Rollout, to: &VersionName) -> Result<(), MoveError> {
        self.exists(to)?;
        // Whether model.toml selects a version that was unloaded may have changed meanwhile.
        let absent = next.unloaded.contains(to) || (self.standing)(to) == VersionStanding::NotLoaded;
        next.unloaded.retain(|other| other != to);
        if absent && !next.loaded.contains(to) {
            next.loaded.push(to.clone());
        }
        Ok(())
    }

    fn unload(&self, next: &mut Rollout, to: &VersionName) -> Result<(), MoveError> {
        self.exists(to)?;
        let roles = self.rollout.roles(to, self.stable);
        if let Some(role) = roles.into_iter().find(|role| *role != "previous") {
            return Err(MoveError::InUse { version: to.clone(), role });
        }
        next.earlier.retain(|other| other != to);
        next.loaded.retain(|other| other != to);
        if !next.unloaded.contains(to) {
            next.unloaded.push(to.clone());
        }
        Ok(())
    }

    /// Ends the canary, or makes the version stable that was stable before. Returns the version that serves all callers
    /// now and the one that was taken back.
    fn roll_back(
        &self,
        next: &mut Rollout,
        from: Option<&VersionName>,
    ) -> Result<(Option<VersionName>, Option<VersionName>), MoveError> {
        let canary = next.canary.as_ref().map(|canary| canary.version.clone());
        if let Some(from) = from
            && canary.as_ref() != Some(from)
            && self.stable != Some(from)
        {
            return Err(MoveError::MovedOn { from: from.clone() });
        }
        if canary.is_some() && from.is_none_or(|from| canary.as_ref() == Some(from)) {
            next.canary = None;
            return Ok((self.stable.cloned(), canary));
        }
        let Some(to) = next.earlier.first().cloned() else { return Err(MoveError::NoEarlier) };
        self.ready(&to)?;
        next.earlier.remove(0);
        next.canary = None;
        drop_role(next, &to);
        next.stable = Some(to.clone());
        Ok((Some(to), self.stable.cloned()))
    }
}

/// Makes a version stable; the stable version before it becomes the first to roll back to.
fn make_stable(next: &mut Rollout, to: &VersionName, before: Option<VersionName>) {
    next.earlier.retain(|other| other != to && Some(other) != before.as_ref());
    if let Some(before) = before {
        next.earlier.insert(0, before);
        next.earlier.truncate(MAX_EARLIER);
    }
    next.canary = None;
    drop_role(next, to);
    next.unloaded.retain(|other| other != to);
    next.stable = Some(to.clone());
}

/// The stable version is not also its own shadow.
fn drop_role(next: &mut Rollout, stable: &VersionName) {
    if next.shadow.as_ref().is_some_and(|shadow| shadow.version == *stable) {
        next.shadow = None;
    }
}
