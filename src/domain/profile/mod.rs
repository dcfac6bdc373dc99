//! The profile of a table: what values each feature has. profile.json, and how it is made.

mod builder;
mod document;
mod reservoir;

pub use builder::{FeatureKind, FeatureSpec, ProfileBuilder};
pub(in crate::domain) use document::number;
pub use document::{CategoryProfile, FeatureProfile, NumberProfile, OpaqueProfile, Profile, ProfileSource};
pub use reservoir::Reservoir;
