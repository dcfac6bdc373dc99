//! From the outputs of a run to a prediction with its uncertainty.

mod label;
mod output_row;
mod outputs;
pub(in crate::domain::contract) mod probability;

pub use label::{Labels, label_text, numbers};
pub use probability::ProbabilitySummary;
