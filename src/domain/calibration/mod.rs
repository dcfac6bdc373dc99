//! Fits a calibration to held-out rows and measures it. Pure: takes rows as arrays, returns a rule and its report;
//! `domain::uncertainty` applies the rule.
//!
//! The entry points are [`calibrate_classifier`] and [`calibrate_regressor`]. The rows must not have been used in
//! training and must resemble the rows that will be served: the coverage guarantee depends on these two conditions
//! alone.
//!
//! # From a table to calibration.json
//!
//! 1. Run each row through the graph like a request (`Contract::admit`, the graph, the outputs in
//!    `contract.output.requested()`), so that the calibration measures what will be served.
//! 2. Collect per row. Classification: `Contract::scores` (of kind `Contract::score_kind`), the target as a class
//!    index, and for APS `ApsRandomizer::new(model_sha256).uniform(features_hash)`. Regression:
//!    `Contract::regression_outputs` and the target; `band`, `sigma` or `spread` of the outputs become the
//!    [`ScaleSource`]. With groups: `Contract::group_value` of the feature.
//! 3. Call [`calibrate_classifier`] or [`calibrate_regressor`], put the rule and the report into a
//!    `CalibrationDocument` with the digests, and write it as JSON. `Contract::check_calibration` checks at load
//!    whether it fits.
//!
//! **No row both fits the probabilities and gives a quantile.** A conformal quantile is exact only if the scores were fixed
//! before its rows were seen. The scores of a classifier come from the calibrated probabilities, the ones in responses. So a
//! seeded shuffle, blind to labels, splits the rows into halves: one chooses and fits the probabilities, the other gives the
//! quantiles. If `uncalibrated` or a top-label method is requested, and in a regression, no probabilities are fitted and
//! every row contributes to the quantiles. A top-label method is chosen and fitted on all rows: it maps the confidence to
//! `uncertainty`, on which the sets do not depend.

mod assessed_row;
mod bands;
mod calibration_metrics;
mod classifier;
mod confidence_bins;
mod confidence_selection;
mod conformal_fit;
mod error;
mod method_choice;
mod method_selection;
mod paired_test;
mod regressor;
mod rows;
mod split;
mod tried_method;

pub use assessed_row::answers;
pub use bands::{CoverageLaw, accuracy_band, coverage_band, coverage_law};
pub use classifier::{ClassificationOptions, calibrate_classifier};
pub use confidence_bins::calibration_error;
pub use error::{CalibrationError, CalibrationErrors};
pub use method_choice::MethodChoice;
pub use regressor::{RegressionOptions, calibrate_regressor};
pub use rows::{ClassificationRows, RegressionRows, RowGroups, ScaleSource};

/// Number of bins of the reliability diagram and the expected calibration error.
pub const BINS: usize = 15;

/// Number of folds in cross-fitting.
const FOLDS: usize = 5;

/// Minimum number of rows for conformal quantiles. Five rows bound coverages up to 0.8; see `Coverage::rows_needed`.
pub const MIN_CONFORMAL_ROWS: usize = 5;

/// Minimum number of rows to fit probabilities.
pub const MIN_FITTED_ROWS: usize = 10;
