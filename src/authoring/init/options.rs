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
    /// The model name.
    pub name: Option<String>,
    /// Options for reading the table.
    pub reading: ReadOptions,
    /// Whether an existing package may be replaced.
    pub force: bool,
}
