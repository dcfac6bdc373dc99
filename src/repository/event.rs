//! What the coordinator is told.

use tokio::sync::oneshot;

use super::{
    error::ModelError,
    gate::GatePair,
    listing::Listing,
    load_job::LoadOutcome,
    move_request::{MoveOutcome, MoveRefused, MoveRequest},
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
    Gated(ModelName, GatePair, Vec<String>),
    /// Somebody asks for a move.
    Move(Box<MoveRequest>, oneshot::Sender<Result<MoveOutcome, MoveRefused>>),
    /// The server stops.
    Stop,
}
