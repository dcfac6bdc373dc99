//! Errors of a calibration: which row, what was found, what is expected.

use std::fmt;

use crate::domain::uncertainty::{CandidateScores, Coverage};

/// Maximum number of errors listed; further ones are only counted.
const MAX_LISTED: usize = 20;

/// One error. Rows are counted from 1, excluding the header.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CalibrationError {
    /// There are too few rows.
    #[error("{rows} rows are too few: {purpose} needs at least {needed}")]
    TooFewRows {
        /// Number of rows found.
        rows: usize,
        /// Minimum number of rows.
        needed: usize,
        /// What the rows are needed for.
        purpose: &'static str,
    },
    /// All rows have the same class.
    #[error("every row has the class {class:?}: rows of at least two classes are needed to calibrate a classifier")]
    OneClass {
        /// The class.
        class: String,
    },
    /// A label is not one of the contract's classes.
    #[error("row {row}: the target {found:?} is not a class of the contract; its classes are {}", classes.join(", "))]
    UnknownClass {
        /// The row number, from 1.
        row: usize,
        /// The value found.
        found: String,
        /// The contract's classes.
        classes: Vec<String>,
    },
    /// A target is NaN or infinite.
    #[error("row {row}: the target must be a finite number; found {value}")]
    NonFiniteTarget {
        /// The row number, from 1.
        row: usize,
        /// The value found.
        value: f64,
    },
    /// A target is too large to be squared.
    #[error("row {row}: the target {value:e} is too large; it must be below 1e150")]
    LargeTarget {
        /// The row number, from 1.
        row: usize,
        /// The value found.
        value: f64,
    },
    /// An output of the model is NaN, infinite or too large to be squared.
    #[error("row {row}: the model returned {value:e}, which is not a finite number below 1e150")]
    NonFiniteOutput {
        /// The row number, from 1.
        row: usize,
        /// The output value.
        value: f64,
    },
    /// The model gives the same output for all rows.
    #[error("the model returns the same output for all {rows} rows: check that it is fed from the right columns")]
    ConstantModel {
        /// Number of rows.
        rows: usize,
    },
    /// A column has another length than the rows.
    #[error("there are {found} {what} for {rows} rows")]
    Lengths {
        /// Name of the column, in plural.
        what: &'static str,
        /// Length of the column.
        found: usize,
        /// Number of rows.
        rows: usize,
    },
    /// The method supports two classes only.
    #[error("{method} is for two classes, the contract has {classes}; use top-label-{method}, temperature, or auto")]
    TwoClassesOnly {
        /// The method.
        method: &'static str,
        /// Number of classes in the contract.
        classes: usize,
    },
    /// The method cannot be fitted.
    #[error("{method} cannot be fitted: {reason}")]
    Unusable {
        /// The method.
        method: String,
        /// The reason.
        reason: String,
    },
    /// A forced method makes the answers worse.
    #[error(
        "{method} makes the answers worse on rows that it was not fitted to: ECE {:.4} instead of the model's own {:.4}, \
         Brier score of the uncertainty {:.4} instead of {:.4}, of the probabilities {:.4} instead of {:.4}; the method \
         auto chooses one that does not, and --force writes this one all the same",
        forced.ece, own.ece, forced.uncertainty_brier, own.uncertainty_brier, forced.brier, own.brier
    )]
    Worsens {
        /// The method.
        method: &'static str,
        /// The scores of the model's own probabilities.
        own: CandidateScores,
        /// The scores of the method.
        forced: CandidateScores,
    },
    /// No group has enough rows for its own quantile at the default coverage.
    #[error(
        "no value of {feature:?} has the {needed} rows that a quantile at coverage {} needs: choose a feature with \
         fewer values, or use more rows",
        Coverage::DEFAULT.as_f64()
    )]
    SmallGroups {
        /// The feature.
        feature: String,
        /// Minimum number of rows per group.
        needed: usize,
    },
    /// Groups were requested together with APS.
    #[error("groups require lac sets; aps does not support them")]
    GroupsNeedLac,
}

/// All errors of the rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CalibrationErrors {
    /// The first errors.
    pub listed: Vec<CalibrationError>,
    /// Total number of errors.
    pub total: usize,
}

impl CalibrationErrors {
    pub(super) fn push(&mut self, fault: CalibrationError) {
        self.total += 1;
        if self.listed.len() < MAX_LISTED {
            self.listed.push(fault);
        }
    }

    pub(super) fn into_result(self) -> Result<(), Self> {
        if self.total == 0 { Ok(()) } else { Err(self) }
    }
}

impl From<CalibrationError> for CalibrationErrors {
    fn from(fault: CalibrationError) -> Self {
        Self { listed: vec![fault], total: 1 }
    }
}

impl fmt::Display for CalibrationErrors {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let listed: Vec<String> = self.listed.iter().map(ToString::to_string).collect();
        formatter.write_str(&listed.join("\n"))?;
        match self.total - self.listed.len() {
            0 => Ok(()),
            rest => write!(formatter, "\nand {rest} more"),
        }
    }
}

impl std::error::Error for CalibrationErrors {}
