//! From the bytes of a request to validated features and tensors, in one pass.

mod body;
mod feature_sink;
mod json_sink;

pub use body::{AdmitError, Admitted, EntityId, MAX_ENTITY_ID};
