//! A request for a move, its outcome, and why it is refused.

use super::rollout_store::{ReadStateError, RolloutWriteError};
use crate::domain::{
    name::VersionName,
    rollout::{Move, MoveError, MoveOrigin, MoveRecord, Rollout},
};

/// Who makes the moves that nobody asked for.
pub(super) const SERVER: &str = "candor";

/// A request for a move.
#[derive(Debug, Clone)]
pub struct MoveRequest {
    /// The model.
    pub model: String,
    /// The move.
    pub made: Move,
    /// Who makes it, when and why.
    pub origin: MoveOrigin,
}

/// The state after a move.
#[derive(Debug, Clone)]
pub struct MoveOutcome {
    /// Whether the move changed anything.
    pub changed: bool,
    /// The state.
    pub rollout: Rollout,
    /// The stable version.
    pub stable: Option<VersionName>,
}

/// Why a move was refused.
#[derive(Debug, thiserror::Error)]
pub enum MoveRefused {
    /// The model does not exist.
    #[error("there is no model {model:?}; there are: {}", known.join(", "))]
    UnknownModel {
        /// The name that was given.
        model: String,
        /// The models that exist.
        known: Vec<String>,
    },
    /// The rules refuse it.
    #[error(transparent)]
    Rule(#[from] MoveError),
    /// Another server, or a person, made a move first.
    #[error("{model}: another move was made at the same time{}; look at the state and decide again", described(latest.as_ref().as_ref()))]
    Conflict {
        /// The model.
        model: String,
        /// That move, if it is known.
        latest: Box<Option<MoveRecord>>,
    },
    /// Somebody has made the state unreadable.
    #[error("{model}: the state of the rollout cannot be read, so nothing can be moved")]
    Unreadable {
        /// The model.
        model: String,
        /// The cause.
        source: ReadStateError,
    },
    /// The state cannot be stored.
    #[error("{model}: the move cannot be recorded")]
    Store {
        /// The model.
        model: String,
        /// The cause.
        source: RolloutWriteError,
    },
    /// The repository does not change: the server is stopping, or its versions were given by a test.
    #[error("the server is stopping and makes no moves")]
    Stopping,
}

fn described(record: Option<&MoveRecord>) -> String {
    let Some(MoveRecord { by, name, version, at, .. }) = record else { return String::new() };
    let version = version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    format!(" by {by} ({name}{version}, {at})")
}
