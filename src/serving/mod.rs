//! The use cases, one per file, independent of the protocol.

mod admit;
mod assign;
mod error;
mod explain;
mod interpret;
mod pin;
mod predict;
mod record;
mod shadow;

pub use assign::{Assigned, CallerIdentity, assign};
pub use error::ServeError;
pub use interpret::MIN_BYTES_PER_ELEMENT;
pub use pin::{Pinned, find_model, pin};
pub use predict::{PredictRequest, PredictResponse, RequestProgress, predict};
pub use record::{ActiveRequest, Recorder, RequestMeta, RequestRecord, Sent};
pub use shadow::Shadows;
