//! The use cases, one verb a file. Every protocol joins here; none of them is known here.

mod admit;
mod error;
mod explain;
mod pin;
mod predict;
mod record;

pub use error::ServeError;
pub use pin::{authorize, pin};
pub use predict::{MIN_BYTES_PER_ELEMENT, PredictRequest, PredictResponse, RequestProgress, predict};
pub use record::{PredictionEvent, Recorder, RequestMeta, Sent};
