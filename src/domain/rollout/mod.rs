//! The decisions of a rollout: which version serves whom, which moves change that, what to load next, when a canary goes on
//! or is taken back. Pure functions; the server counts, keeps the state and carries out the moves.

mod moves; // what each move changes, and when it is refused
mod steps; // the [canary] table, and the next move of a planned rollout

mod guard; // the verdict
mod observation; // what was observed, for people

mod latency_test; // p99 of the canary against that of stable

mod mean_test; // uncertainty of the canary against that of stable

mod rate_test; // errors of the canary against those of stable; disagreement

mod assignment; // which callers get the candidate
mod confidence; // combines the evidence of both arms
mod counts; // what is counted of each arm
mod document; // rollout.json: the roles and the history
mod limits; // the [canary.guard] table
mod plan; // what to load or unload next
mod reason; // why a canary is taken back
mod sticky_by; // which value keeps a caller with its version

pub use assignment::{Arm, ArmSharesError, Arms, Assignment};
pub use counts::{ArmCounts, CanaryCounts, LATENCY_BUCKETS, LatencyCounts, UncertaintySums, latency_bucket};
pub use document::{CanaryRole, FORMAT, MoveRecord, Rollout, ShadowRole};
pub use guard::{Verdict, judge};
pub use limits::GuardLimits;
pub use moves::{Move, MoveContext, MoveError, MoveOrigin, VersionStanding};
pub use observation::{ArmObservation, CanaryObservation};
pub use plan::{Action, CatalogedVersion, ContentId, ListedVersion, Wanted, next_action};
pub use reason::RollbackReason;
pub use steps::{CanaryPlan, Decision, StepProgress};
pub use sticky_by::{StickyBy, StickyByError};
