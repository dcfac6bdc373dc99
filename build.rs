//! Tells the program what it is built from: the commit, the platform, the optional features.

#[path = "build/revision.rs"]
mod revision;

use std::{env, path::PathBuf};

fn main() {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").expect("cargo names the package's directory"));
    let given = env::var("CANDOR_REVISION").ok();
    let found = revision::find(&root, given.as_deref());
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build/revision.rs");
    println!("cargo::rerun-if-env-changed=CANDOR_REVISION");
    // A file that is not there would make cargo run this at every build.
    for file in found.files.iter().filter(|file| file.is_file()) {
        println!("cargo::rerun-if-changed={}", file.display());
    }
    // `cargo run` hands these to the program too, which takes what begins with CANDOR_ for its configuration.
    println!("cargo::rustc-env=BUILD_REVISION={}", found.revision);
    println!("cargo::rustc-env=BUILD_TARGET={}", env::var("TARGET").unwrap_or_default());
    println!("cargo::rustc-env=BUILD_FEATURES={}", features().join(","));
}

/// The features of this crate that are on, in the form in which Cargo.toml has them.
fn features() -> Vec<String> {
    let mut features: Vec<String> = env::vars()
        .filter_map(|(name, _)| Some(name.strip_prefix("CARGO_FEATURE_")?.to_lowercase().replace('_', "-")))
        .filter(|name| name != "default")
        .collect();
    features.sort();
    features
}
