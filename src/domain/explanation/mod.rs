//! Why a prediction came out as it did: Shapley values of the features against a baseline (Shapley 1953; with a single
//! baseline as in Sundararajan and Najmi 2020, "The many Shapley values for model explanation").
//!
//! The model is a game: its players are the features in which the instance differs from the baseline, and a coalition is
//! worth what the model answers when the features in it have the instance's values and all others the baseline's. Pure:
//! which coalitions to ask for, and what follows from the answers. Rows are made and run elsewhere.

mod coalition;
mod permutations;
mod report;
mod sampling;
mod shapley;

pub use coalition::Coalition;
pub use report::{Contribution, DisplayedFeature, Explanation};
pub use sampling::{MAX_EXACT_PLAYERS, Range, SamplingPlan, ShapleyProblem};
pub use shapley::{Estimate, Method};
