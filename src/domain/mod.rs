//! The rules: what a contract admits, what an output means, how sure a prediction is. Pure: no IO, no clock, no waiting.
//!
//! The order is enforced: a module imports only from the groups below its own.

pub mod comparison; // two versions of a model: contracts, predictions, the gate
pub mod findings; // what `candor check` reports of a calibration
pub mod rollout; // which version serves whom, and what to load next

pub mod calibration; // fits calibration.json to held-out rows
pub mod explanation; // Shapley values: which coalitions to run, and what follows from their values

pub mod contract; // contract.json: schema, admit, interpret, inspect

pub mod prediction; // what a model says of one instance

pub mod profile; // what values each feature had in training
pub mod uncertainty; // applies a calibration: probabilities, sets, intervals

pub mod error_code; // every error code of the service
pub mod float; // numbers with the precision of their tensor
pub mod signature; // the declared inputs and outputs of a graph

pub mod json_difference; // what an edit of a JSON document changed

pub mod json; // JSON values that keep order and precision
pub mod tensor; // typed buffers with a shape
pub mod violation; // what is wrong with a request

pub mod name; // names of models and versions
pub mod number; // exact JSON numbers
pub mod random; // reproducible random numbers and hashes
pub mod setting; // limits of settings
pub mod text; // quoting, truncating, did you mean
