//! The options of `calibrate`.

use crate::{dataset::ReadOptions, domain::calibration::MethodChoice};

/// The options of `calibrate`.
#[derive(Debug, Clone, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is an independent choice")]
pub struct CalibrateOptions {
    /// The name of the target column.
    pub target: Option<String>,
    /// The calibration method; `None` chooses by the task and the rows.
    pub method: Option<CalibrationMethod>,
    /// How prediction sets are built; `None` means LAC.
    pub sets: Option<SetChoice>,
    /// The grouping feature: each of its values gets its own quantiles.
    pub group: Option<String>,
    /// Options for reading the table.
    pub reading: ReadOptions,
    /// Whether to accept the table that the model was trained on.
    pub allow_training_data: bool,
    /// Whether to leave out rows that cannot be used.
    pub skip_invalid: bool,
    /// Whether to use a requested method although it makes the answers worse.
    pub force: bool,
    /// Whether to skip writing the files.
    pub dry_run: bool,
    /// The creation time recorded in the file, in seconds since 1970.
    pub created: i64,
}

/// A calibration method that can be requested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalibrationMethod {
    /// A method for the probabilities of a classifier.
    Classifier(MethodChoice),
    /// Intervals from the value of a regression alone, even if the model has its own uncertainty outputs.
    SplitConformal,
}

/// How prediction sets of classes are built.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetChoice {
    /// LAC: threshold on the probability of each class.
    Lac,
    /// APS: threshold on the cumulative probability of the likelier classes, randomised.
    Aps,
    /// No sets.
    None,
}
