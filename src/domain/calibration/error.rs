//! Why rows cannot make a calibration: which row, what was found, what would be right.

use std::fmt;

use crate::domain::uncertainty::Coverage;

/// The most faults that are listed; the rest is counted.
const MAX_LISTED: usize = 20;

/// One reason. Rows are counted from 1, as a table's are without its head.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CalibrationError {
    /// There are too few rows.
    #[error("{rows} rows are too few: {purpose} needs at least {needed}")]
    TooFewRows {
        /// How many there are.
        rows: usize,
        /// How many there must be.
        needed: usize,
        /// What for.
        purpose: &'static str,
    },
    /// All rows have the same class.
    #[error("every row has the class {class:?}: rows of at least two classes are needed to judge a classifier")]
    OneClass {
        /// The class.
        class: String,
    },
    /// A label is none of the contract's classes.
    #[error("row {row}: the target {found:?} is no class of the contract; its classes are {}", classes.join(", "))]
    UnknownClass {
        /// The row.
        row: usize,
        /// What stands there.
        found: String,
        /// What could stand there.
        classes: Vec<String>,
    },
    /// A target is NaN or infinite.
    #[error("row {row}: the target must be a finite number; found {value}")]
    NonFiniteTarget {
        /// The row.
        row: usize,
        /// What stands there.
        value: f64,
    },
    /// An output of the model is NaN or infinite.
    #[error("row {row}: the model answered {value}, which is not a finite number")]
    NonFiniteOutput {
        /// The row.
        row: usize,
        /// The output.
        value: f64,
    },
    /// The model says the same of every row.
    #[error("the model gives the same answer for all {rows} rows: look whether the right columns feed it")]
    ConstantModel {
        /// How many rows.
        rows: usize,
    },
    /// Two columns have not the same length.
    #[error("there are {found} {what} for {rows} rows")]
    Lengths {
        /// The column.
        what: &'static str,
        /// Its length.
        found: usize,
        /// How many rows there are.
        rows: usize,
    },
    /// The method is for two classes.
    #[error("{method} is for two classes, the contract has {classes}; use temperature, or auto")]
    TwoClassesOnly {
        /// The method.
        method: &'static str,
        /// How many classes there are.
        classes: usize,
    },
    /// No method can be fitted.
    #[error("{method} cannot be fitted: {reason}")]
    Unusable {
        /// The method.
        method: String,
        /// Why.
        reason: String,
    },
    /// No group has rows enough to have a quantile of its own at the usual level.
    #[error(
        "no value of {feature:?} has {needed} rows for its quantile, the fewest for coverage {}: choose a feature of \
         fewer values, or give more rows",
        Coverage::DEFAULT.as_f64()
    )]
    SmallGroups {
        /// The feature.
        feature: String,
        /// How many rows a group needs.
        needed: usize,
    },
    /// Groups were asked for together with APS.
    #[error("groups go with lac sets, not with aps")]
    GroupsNeedLac,
}

/// Everything that is wrong with the rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CalibrationErrors {
    /// The first ones.
    pub listed: Vec<CalibrationError>,
    /// How many there are in all.
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
