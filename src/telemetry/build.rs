//! Build information: constants that the build script sets.

/// The version in Cargo.toml.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit of the build; `unknown` if neither git nor `CANDOR_REVISION` gave one.
pub const REVISION: &str = env!("BUILD_REVISION");

/// The target triple of the build, such as `x86_64-unknown-linux-gnu`.
pub const TARGET: &str = env!("BUILD_TARGET");

/// The optional crate features that were enabled, separated by commas; empty if none.
pub const FEATURES: &str = env!("BUILD_FEATURES");
