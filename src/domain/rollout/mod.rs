//! Rollouts: which version serves whom, which moves change that, and what to load next.

mod document;
mod moves;
mod plan;

pub use document::{CanaryRole, FORMAT, MoveRecord, Rollout, ShadowRole};
pub use moves::{Move, MoveContext, MoveError, MoveOrigin, VersionStanding};
pub use plan::{Action, CatalogedVersion, ContentId, ListedVersion, Wanted, next_action};
