//! Fitting a calibration to held-out rows, and measuring it. Pure: rows come in as arrays, a rule and its report go out;
//! `domain::uncertainty` applies the rule.
//!
//! The two entries are [`calibrate_classifier`] and [`calibrate_regressor`]. Rows must not have been used in training, and must be like
//! those that will be served: that is all that the guarantee of coverage rests on.
//!
//! # From a table to calibration.json
//!
//! 1. Run each row through the graph as a request would be (`Contract::admit`, the graph, the outputs that
//!    `contract.output.requested()` names), so that it is measured what will be served.
//! 2. Of each row keep, for a classification, `Contract::scores` (with `Contract::score_kind`), the target as a class's
//!    index, and for APS `DrawKey::new(model_sha256).draw(features_hash)`; for a regression, `Contract::measure` and the
//!    target: `Measured`'s `band`, `sigma` or `spread` become the [`ScaleSource`]. For groups, `Contract::group_value` of the
//!    feature.
//! 3. Call [`calibrate_classifier`] or [`calibrate_regressor`]; put the rule and the report into a `Calibration` with the digests, and
//!    write it as JSON. `Contract::bind` says at load whether it fits.
//!
//! **No row serves twice.** A conformal quantile is exact only for scores that were fixed before its rows were seen. The
//! scores of a classifier are taken from the calibrated probabilities, the ones that answers show; so the rows are split
//! by a seeded shuffle, blind to labels, into halves: one chooses and fits the probabilities, the other gives the
//! quantiles. With `uncalibrated` nothing is fitted, and every row gives quantiles; so it is in a regression.

mod bands;
mod calibration_metrics;
mod classifier;
mod conformal_fit;
mod error;
mod method_selection;
mod regressor;
mod rows;
mod split;

pub use bands::{accuracy_band, coverage_band};
pub use classifier::{ClassificationOptions, calibrate_classifier};
pub use error::{CalibrationError, CalibrationErrors};
pub use method_selection::MethodChoice;
pub use regressor::{RegressionOptions, calibrate_regressor};
pub use rows::{ClassificationRows, RegressionRows, RowGroups, ScaleSource};

/// Bins of a reliability diagram and of the expected calibration error.
pub const BINS: usize = 15;

/// The parts of every cross-fitting.
pub(crate) const FOLDS: usize = 5;

/// The fewest rows that give a quantile worth its name: with fewer, half of all targets is the best that can be bounded.
pub const MIN_CONFORMAL_ROWS: usize = 5;

/// The fewest rows that probabilities are fitted to.
pub const MIN_FITTED_ROWS: usize = 10;
