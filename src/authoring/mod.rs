//! Makes the files of a package from a model and a table. Offline work: nothing here is on a request's road.

mod calibrate;
mod error;
mod files;
mod init;
mod instances;
pub mod plot;
mod profile;
mod recorded;
mod target;

pub use calibrate::{Calibrated, CalibrationWishes, HeldOut, Method, SetsWish, Step, calibrate, held_out};
pub use error::AuthoringError;
pub use init::{Made, Wishes, init};
pub use instances::{Instance, Instances};
pub use profile::{Reprofiled, reprofile};
