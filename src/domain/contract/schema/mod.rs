//! contract.json, compiled.

mod compile;
mod contract;
pub(in crate::domain::contract) mod enum_values;
pub(in crate::domain::contract) mod feature;
mod keywords;
mod output;
mod output_member;
mod read_output;
mod regex;
mod regression;
pub(in crate::domain::contract) mod rule;
pub(in crate::domain::contract) mod schema_reader;

pub use compile::compile;
pub use contract::{Contract, InputPlan};
pub use feature::{Dimension, Feature};
pub use keywords::{FULL_VALIDATION_KEYWORDS, is_known};
pub use output::{AuxiliaryOutputs, DecisionRule, OutputPlan, PointEstimate, QuantilePair, ScoreEncoding, Task};
pub use regex::{Pattern, Undecided, unbounded};
pub use schema_reader::ContractProblem;
