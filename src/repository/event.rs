//! What the coordinator is told.

use tokio::sync::oneshot;

use super::{
    error::ModelError,
    gate::GateInputs,
    listing::Listing,
    load_job::LoadOutcome,
    move_request::{MoveRefused, MoveRequest},
};
use crate::domain::name::{ModelName, VersionName};

/// The answer to a request to list the repository again.
pub(super) type ReloadReply = oneshot::Sender<Result<(), String>>;

/// What happened.
pub(super) enum Event {
    /// The repository was listed.
    Listed(Result<Listing, ModelError>, Vec<ReloadReply>),
    /// A load ended.
    Loaded(Box<LoadOutcome>),
    /// A version that was taken out of the catalog has answered its last request.
    Retired(ModelName, VersionName),
    /// The gate of an automatic promotion was run, with these failures.
    Gated(ModelName, GateInputs, Vec<String>),
    /// Somebody asks for a move, and wants to know whether it changed anything.
    Move(Box<MoveRequest>, oneshot::Sender<Result<bool, MoveRefused>>),
    /// The server stops.
    Stop,
}
