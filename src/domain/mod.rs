//! The domain rules: data contracts, predictions, uncertainty, explanations and error codes. Pure: no IO, no clock, no
//! blocking.

pub mod calibration;
pub mod contract;
pub mod error_code;
pub mod explanation;
pub mod findings;
pub mod float;
pub mod name;
pub mod number;
pub mod prediction;
pub mod profile;
pub mod profile_builder;
pub mod random;
pub mod reservoir;
pub mod setting;
pub mod signature;
pub mod tensor;
pub mod uncertainty;
pub mod violation;
