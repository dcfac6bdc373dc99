//! What was built: the constants that the build script found out.

/// The version in Cargo.toml.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that it was built from; `unknown` where neither git nor `CANDOR_REVISION` told it.
pub const REVISION: &str = env!("BUILD_REVISION");

/// The platform that it was built for, such as `x86_64-unknown-linux-gnu`.
pub const TARGET: &str = env!("BUILD_TARGET");

/// The optional features of this crate that it was built with, with commas between; empty for none.
pub const FEATURES: &str = env!("BUILD_FEATURES");
