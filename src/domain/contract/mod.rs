//! The contract of a model: the schema of one instance, its mapping to input tensors, and the mapping of output tensors
//! to a prediction.
//!
//! It is compiled once, at load, from contract.json and the graph's signature. Requests only execute the compiled plan.

mod accepts;
mod admit;
mod calibration_fit;
mod coalition_inputs;
mod compile;
mod derive;
mod enum_values;
mod example;
mod feature;
mod feature_sink;
mod group;
mod infer_output;
mod input_hasher;
mod instance_sampler;
mod interpret;
mod json_sink;
mod keywords;
mod label;
mod literal;
mod output;
mod output_row;
mod probability;
mod regex;
mod regression;
mod rule;
mod schema_reader;

use std::collections::HashMap;

pub use admit::{AdmitError, Admitted, EntityId, MAX_ENTITY_ID};
pub use compile::compile;
pub use derive::{DerivedContract, derive};
pub use feature::{Dimension, Feature};
pub use group::Grouping;
pub use infer_output::{ObservedOutputs, remedy};
pub use input_hasher::InputHasher;
pub use instance_sampler::{InstanceSampler, Style, lengths_of};
pub use keywords::{FULL_VALIDATION_KEYWORDS, is_known};
pub use label::{Labels, label_text, numbers};
pub use literal::JsonValue;
pub use output::{DecisionRule, OutputPlan, PointEstimate, ScoreEncoding, Task};
pub use probability::ProbabilitySummary;
pub use regex::{Pattern, Undecided, unbounded};
pub use regression::{AuxiliaryOutputs, QuantilePair};
pub use schema_reader::{ContractProblem, did_you_mean};

use crate::domain::tensor::{ElementType, Inputs};

fn text(value: &str) -> JsonValue {
    JsonValue::Text(value.to_owned())
}

fn object(members: Vec<(&str, JsonValue)>) -> JsonValue {
    JsonValue::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// How one input of the graph is filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputPlan {
    /// The tensor's name in the graph.
    pub name: String,
    /// The type of its elements.
    pub element: ElementType,
    /// The number of dimensions before those of the instance: 1 for a batch axis or a fixed size of 1, else 0.
    pub leading: usize,
    /// The dimensions of one instance, including the leading ones. An open array length counts as its minimum.
    pub shape: Vec<usize>,
    /// The number of elements of one instance, if it is fixed.
    pub width: Option<usize>,
}

/// A compiled contract.
#[derive(Debug, Clone)]
pub struct Contract {
    /// The contract's `title`.
    pub title: Option<String>,
    /// The contract's `description`.
    pub description: Option<String>,
    /// The features, in the order of the positional form.
    pub features: Vec<Feature>,
    /// How each input of the graph is filled, in the graph's order.
    pub inputs: Vec<InputPlan>,
    /// The meaning of the outputs.
    pub output: OutputPlan,
    /// The coverage that the contract requests, if any.
    pub coverage: Option<crate::domain::uncertainty::Coverage>,
    /// Whether several rows can be batched into one run.
    pub batched: bool,
    /// The number of rows that every run must have, if the graph fixes it.
    pub fixed_rows: Option<usize>,
    /// The keywords in use that the compiled plan does not check, so that full validation is needed; empty for most
    /// contracts.
    pub full_validation_keywords: Vec<String>,
    denies_additional: bool,
    by_name: HashMap<String, usize>,
    default_row: Inputs,
    /// `false` for each feature: the initial value of `AdmitState::given`.
    none_given: Vec<bool>,
}
