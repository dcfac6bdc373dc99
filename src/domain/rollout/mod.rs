//! The decisions of a rollout: who gets the candidate, when it is taken back, when it goes on. Pure functions of counts;
//! the server counts, keeps the state and carries out the moves.

mod steps; // the [canary] table, and the next move of a planned rollout

mod guard; // the verdict

mod latency_test; // p99 of the canary against that of stable

mod mean_test; // uncertainty of the canary against that of stable
mod rate_test; // errors of the canary against those of stable; disagreement

mod assignment; // which callers get the candidate
mod confidence; // combines the evidence of both arms
mod counts; // what is counted of each arm
mod limits; // the [canary.guard] table
mod reason; // why a canary is taken back
mod sticky_by; // which value keeps a caller with its version

pub use assignment::{Arm, ArmSharesError, Arms, Assignment};
pub use counts::{ArmCounts, CanaryCounts, LATENCY_BUCKETS, LatencyCounts, UncertaintySums, latency_bucket};
pub use guard::{Verdict, judge};
pub use limits::GuardLimits;
pub use reason::RollbackReason;
pub use steps::{CanaryPlan, Decision, StepProgress};
pub use sticky_by::{StickyBy, StickyByError};
