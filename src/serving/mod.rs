//! The use cases, one verb a file. Every protocol joins here; none of them is known here.

mod admit;
mod explain;
mod failure;
mod pin;
mod predict;
mod record;

pub use failure::Failure;
pub use pin::{authorize, pin};
pub use predict::{Answer, Call, MIN_BYTES_PER_ELEMENT, Road, predict};
pub use record::{Arrival, PredictionEvent, Recorder, Sent};
