//! Explanations: Shapley values of the features against a baseline (Shapley 1953; with a single baseline as in
//! Sundararajan and Najmi 2020, "The many Shapley values for model explanation").
//!
//! The model is treated as a game. Its players are the features in which the instance differs from the baseline. The
//! worth of a coalition is the model output for a row in which its features have the values of the instance and all
//! others those of the baseline. Pure: decides which coalitions to evaluate and computes the result; rows are built and
//! run elsewhere.

mod coalition;
mod permutations;
mod report;
mod sampling;
mod shapley;

pub use coalition::Coalition;
pub use report::{Contribution, DisplayedFeature, Explanation};
pub use sampling::{MAX_EXACT_PLAYERS, SamplingPlan, ShapleyProblem, ValueRange};
pub use shapley::{Estimate, ShapleyMethod};
