//! The compiled contract.

use std::collections::HashMap;

use super::{feature::Feature, output::OutputPlan};
use crate::domain::{
    tensor::{ElementType, Inputs},
    uncertainty::Coverage,
};

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
    pub coverage: Option<Coverage>,
    /// Whether several rows can be batched into one run.
    pub batched: bool,
    /// The number of rows that every run must have, if the graph fixes it.
    pub fixed_rows: Option<usize>,
    /// The keywords in use that the compiled plan does not check, so that full validation is needed; empty for most
    /// contracts.
    pub full_validation_keywords: Vec<String>,
    pub(in crate::domain::contract) denies_additional: bool,
    pub(in crate::domain::contract) by_name: HashMap<String, usize>,
    pub(in crate::domain::contract) default_row: Inputs,
    /// `false` for each feature: the initial value of `AdmitState::given`.
    pub(in crate::domain::contract) none_given: Vec<bool>,
}
