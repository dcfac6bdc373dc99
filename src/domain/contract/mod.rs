//! The contract of a model: what one instance may be, how it becomes tensors, and how outputs become a prediction.
//!
//! It is compiled once, at load, from contract.json and the graph's signature; requests only follow the plan.

mod admit;
mod bind;
mod choices;
mod compile;
mod derive;
mod draw;
mod example;
mod feature;
mod fingerprint;
mod group;
mod interpret;
mod keywords;
mod label;
mod literal;
mod mix;
mod output;
mod pattern;
mod place;
mod probability;
mod reader;
mod recognise;
mod regression;
mod row;
mod rule;
mod seat;
mod takes;

use std::collections::HashMap;

pub use admit::{Admitted, EntityId, MAX_ENTITY_ID, Refusal};
pub use compile::compile;
pub use derive::{Derived, derive};
pub use draw::{Drawing, Style, lengths_of};
pub use feature::{Dimension, Feature};
pub use fingerprint::Fingerprint;
pub use group::Grouping;
pub use keywords::{SECOND_PASS, is_known};
pub use label::{Labels, label_text, numbers};
pub use literal::Literal;
pub use output::{Decision, OutputPlan, Point, Scores, Task};
pub use pattern::{Pattern, Undecided, unbounded};
pub use probability::Summary;
pub use reader::{Problem, nearest};
pub use recognise::{Observed, remedy};
pub use regression::{Band, Beside};

use crate::domain::tensor::{ElementType, Inputs};

fn text(value: &str) -> Literal {
    Literal::Text(value.to_owned())
}

fn object(members: Vec<(&str, Literal)>) -> Literal {
    Literal::Object(members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect())
}

/// How one input of the graph is filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InputPlan {
    /// The tensor's name in the graph.
    pub name: String,
    /// The type of its elements.
    pub element: ElementType,
    /// How many leading dimensions stand before those of the instance: 1 for a batch axis or a fixed 1, else 0.
    pub leading: usize,
    /// The dimensions for one instance; of an array of open length, the least.
    pub shape: Vec<usize>,
    /// The number of elements of one instance, where it is fixed.
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
    /// What the outputs mean.
    pub output: OutputPlan,
    /// The coverage that the contract asks for, where it does.
    pub coverage: Option<crate::domain::uncertainty::Coverage>,
    /// Whether rows may share a run.
    pub batched: bool,
    /// How many rows every run must have, where the graph fixes that.
    pub fixed_rows: Option<usize>,
    /// The keywords in use that the one-pass plan does not follow; empty for most contracts.
    pub second_pass: Vec<String>,
    closed: bool,
    by_name: HashMap<String, usize>,
    template: Inputs,
    /// A `false` for each feature.
    unseen: Vec<bool>,
}
