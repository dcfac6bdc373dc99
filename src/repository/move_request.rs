//! A request for a move, and why it is refused.

use std::fmt;

use super::rollout_store::{ReadStateError, RolloutWriteError};
use crate::domain::rollout::{Move, MoveError, MoveRecord};

/// Who makes a move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MoveMaker {
    /// The server itself.
    Server,
    /// A caller of the admin listener, by the name of its token.
    Caller(String),
}

impl fmt::Display for MoveMaker {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Server => "candor",
            Self::Caller(name) => name,
        })
    }
}

/// A request for a move.
#[derive(Debug, Clone)]
pub struct MoveRequest {
    /// The model.
    pub model: String,
    /// The move.
    pub made: Move,
    /// Who makes it.
    pub by: MoveMaker,
    /// The reason.
    pub why: String,
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
    /// Too many moves wait.
    #[error("too many moves are waiting; try again")]
    Busy,
    /// The repository does not change: the server is stopping, or its versions were given by a test.
    #[error("the server is stopping and makes no moves")]
    Stopping,
}

fn described(record: Option<&MoveRecord>) -> String {
    let Some(MoveRecord { by, name, version, at, .. }) = record else { return String::new() };
    let version = version.as_ref().map(|version| format!(" {version}")).unwrap_or_default();
    format!(" by {by} ({name}{version}, {at})")
}
