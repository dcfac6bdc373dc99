//! Compares two versions of a model: their contracts, and their predictions for the same instances, row by row. The gate
//! judges the result by the limits of the operator.
//!
//! Feed a [`PairTally`] with pairs of predictions, finish it to a [`Comparison`], and pass that to [`gate`].

mod contract_change;
mod contract_difference;
mod differing_rows;
mod distribution;
mod feature_difference;
mod gate;
mod instance;
mod output_difference;
mod pair;
mod slice;
mod statistics;
mod tally;

pub use contract_change::{ChangeKind, ContractChange};
pub use contract_difference::{ContractSource, contract_changes};
pub use differing_rows::{BriefPrediction, DifferingRow, MAX_DIFFERING_ROWS};
pub use distribution::DifferenceDistribution;
pub use gate::{GateFailure, GateLimitError, GateLimits, MIN_SLICE_ROWS, UncheckedLimit, gate, is_judged, unchecked};
pub use instance::{displayable_features, refusal_reason};
pub use pair::{OutcomeScheme, PairDifference, PredictionPair, TaskMismatchError, TrueOutcome};
pub use slice::{MAX_SLICES, SliceFeature};
pub use statistics::{ClassDifference, PairStatistics, PairedMeans};
pub use tally::{Comparison, PairTally, RefusedBy, SliceStatistics, UncomparableRows};
