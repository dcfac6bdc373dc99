//! Creates the files of a package from a model and a table. Offline only: nothing here is on the request path.

mod answers;
mod calibrate;
mod compare;
mod error;
mod files;
mod flag_value;
mod golden_cases;
mod init;
mod instances;
mod invalid_rows;
mod locate_version;
pub mod plot;
mod profile;
mod seal;
mod target;

pub use calibrate::{
    CalibrateOptions, CalibrationMethod, CalibrationReport, EvaluateOptions, Evaluation, HeldOut, MeasuredCoverage,
    ProgressEvent, SetChoice, calibrate, evaluate, load_held_out,
};
pub use compare::{CompareOptions, CompareReport, ComparedRows, ComparedVersion, ServedUncertainty, compare};
pub use error::AuthoringError;
pub use flag_value::{FlagListError, parse_list, shell_quoted};
pub use init::{InitOptions, InitReport, OpenCategories, QuantileOption, init};
pub use instances::{Instance, InstanceError, Instances};
pub use invalid_rows::InvalidCell;
pub use profile::{ProfileReport, rebuild_profile};
pub use seal::{FileChange, SealOptions, SealReport, seal};
