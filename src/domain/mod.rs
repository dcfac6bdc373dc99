//! The rules: what a contract admits, what an output means, what may go wrong. Pure: no IO, no clock, no waiting.

pub mod calibration;
pub mod code;
pub mod contract;
pub mod explanation;
pub mod float;
pub mod judgement;
pub mod name;
pub mod number;
pub mod prediction;
pub mod profile;
pub mod profiling;
pub mod sample;
pub mod setting;
pub mod signature;
pub mod splitmix;
pub mod tensor;
pub mod uncertainty;
pub mod violation;
