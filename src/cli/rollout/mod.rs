//! The commands that ask the admin listener of a running server: status, promote, canary, shadow, rollback, load, unload,
//! reload.

mod admin;
mod moves;
mod status;

pub(super) use moves::{CanaryCommand, LoadCommand, Promote, Reload, Rollback, ShadowCommand, UnloadCommand};
pub(super) use status::Status;
