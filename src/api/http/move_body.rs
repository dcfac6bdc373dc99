//! The bodies of the admin routes that make moves, and the move that each asks for.

use serde::{Deserialize, de::DeserializeOwned};

use crate::{
    domain::{error_code::ErrorCode, name::VersionName, rollout::Move},
    repository::RolloutStatus,
    serving::ServeError,
};

/// The longest reason, in characters.
const MAX_WHY: usize = 1000;

/// The move that a body asks for.
pub(super) struct AskedMove {
    pub(super) made: Move,
    /// The reason.
    pub(super) why: String,
    /// Whether the gate is passed over.
    pub(super) is_forced: bool,
}

/// The body of a move.
pub(super) trait MoveBody: DeserializeOwned + Send {
    /// Returns the move that the body asks for, with the percentages of model.toml where it names none.
    fn into_move(self, rollout: &RolloutStatus) -> Result<AskedMove, ServeError>;
}

/// The body of `promote`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PromoteBody {
    version: VersionName,
    /// Whether to promote a version that the gate refuses.
    #[serde(default)]
    force: bool,
    #[serde(default)]
    why: String,
}

/// The body of `canary`.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct CanaryBody(ShareBody);

/// The body of `shadow`.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct ShadowBody(ShareBody);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ShareBody {
    version: Option<VersionName>,
    percent: Option<f64>,
    #[serde(default)]
    off: bool,
    #[serde(default)]
    why: String,
}

/// The body of `rollback`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct RollbackBody {
    from: Option<VersionName>,
    why: String,
}

/// The body of `load`.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct LoadBody(VersionBody);

/// The body of `unload`.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct UnloadBody(VersionBody);

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct VersionBody {
    version: VersionName,
    #[serde(default)]
    why: String,
}

impl MoveBody for PromoteBody {
    fn into_move(self, _: &RolloutStatus) -> Result<AskedMove, ServeError> {
        if self.force && self.why.trim().is_empty() {
            return Err(invalid("`force` needs a reason: give it in `why`"));
        }
        Ok(AskedMove { is_forced: self.force, ..asked(Move::Promote { version: self.version }, self.why)? })
    }
}

impl MoveBody for CanaryBody {
    fn into_move(self, rollout: &RolloutStatus) -> Result<AskedMove, ServeError> {
        let made = match self.0.share(rollout.canary_percent)? {
            Some((version, percent)) => Move::Canary { version, percent },
            None => Move::EndCanary,
        };
        asked(made, self.0.why)
    }
}

impl MoveBody for ShadowBody {
    fn into_move(self, rollout: &RolloutStatus) -> Result<AskedMove, ServeError> {
        let made = match self.0.share(rollout.shadow_percent)? {
            Some((version, percent)) => Move::Shadow { version, percent },
            None => Move::EndShadow,
        };
        asked(made, self.0.why)
    }
}

impl MoveBody for RollbackBody {
    fn into_move(self, _: &RolloutStatus) -> Result<AskedMove, ServeError> {
        asked(Move::Rollback { from: self.from }, self.why)
    }
}

impl MoveBody for LoadBody {
    fn into_move(self, _: &RolloutStatus) -> Result<AskedMove, ServeError> {
        asked(Move::Load { version: self.0.version }, self.0.why)
    }
}

impl MoveBody for UnloadBody {
    fn into_move(self, _: &RolloutStatus) -> Result<AskedMove, ServeError> {
        asked(Move::Unload { version: self.0.version }, self.0.why)
    }
}

impl ShareBody {
    /// Returns the version and its share; `None` if the body ends the canary or the shadow.
    fn share(&self, default_percent: f64) -> Result<Option<(VersionName, f64)>, ServeError> {
        match (&self.version, self.percent, self.off) {
            (None, None, true) => Ok(None),
            (_, _, true) => Err(invalid("`off` ends it and takes neither `version` nor `percent`")),
            (Some(version), percent, false) => Ok(Some((version.clone(), percent.unwrap_or(default_percent)))),
            (None, _, false) => Err(invalid("the body needs a `version`, or `\"off\": true` to end it")),
        }
    }
}

fn asked(made: Move, why: String) -> Result<AskedMove, ServeError> {
    if why.chars().count() > MAX_WHY {
        return Err(invalid(format!("`why` may have at most {MAX_WHY} characters")));
    }
    Ok(AskedMove { made, why, is_forced: false })
}

fn invalid(detail: impl Into<String>) -> ServeError {
    ServeError::new(ErrorCode::DataContractViolation, detail)
}
