//! The options of `init`.

use crate::{dataset::ReadOptions, domain::contract::Task};

/// The options of `init`.
#[derive(Debug, Clone, Default)]
pub struct InitOptions {
    /// The target column.
    pub target: Option<String>,
    /// Columns that are not features.
    pub ignore: Vec<String>,
    /// The features, in the order of the single input that takes them.
    pub features: Vec<String>,
    /// The columns of each input, by input name.
    pub inputs: Vec<(String, Vec<String>)>,
    /// Default values for missing values, by column.
    pub defaults: Vec<(String, String)>,
    /// The class names, in the graph's order.
    pub classes: Vec<String>,
    /// The task.
    pub task: Option<Task>,
    /// The output that holds the value of a regression.
    pub value: Option<String>,
    /// The column of that output, from 0.
    pub value_column: Option<usize>,
    /// The output that holds the predicted standard deviation.
    pub sigma: Option<String>,
    /// The quantiles, and the output that holds them.
    pub quantiles: Option<QuantileOption>,
    /// The output with one column per ensemble member.
    pub members: Option<String>,
    /// The output that holds the class probabilities.
    pub probabilities: Option<String>,
    /// The output that holds the logits of the classes.
    pub logits: Option<String>,
    /// Whether each row of the probabilities is divided by its sum.
    pub normalize: bool,
    /// The columns of strings that accept any string.
    pub open_categories: OpenCategories,
    /// The model name.
    pub name: Option<String>,
    /// Options for reading the table.
    pub reading: ReadOptions,
    /// Whether an existing package may be replaced.
    pub force: bool,
}

/// The levels of quantiles, and the output that holds them.
#[derive(Debug, Clone, PartialEq)]
pub struct QuantileOption {
    /// The output; `None` if only one output has as many columns as there are levels.
    pub output: Option<String>,
    /// The level of each column, in ascending order.
    pub levels: Vec<f64>,
}

/// The columns of strings that accept any string, instead of those of the table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum OpenCategories {
    /// No column.
    #[default]
    None,
    /// Every column of strings.
    All,
    /// These columns.
    Columns(Vec<String>),
}

impl OpenCategories {
    /// Whether a column is among them.
    pub(super) fn includes(&self, column: &str) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Columns(columns) => columns.iter().any(|name| name == column),
        }
    }
}
