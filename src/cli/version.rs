//! Text of `candor --version`: version, revision, target, features, and the ONNX Runtime that the build is for.

use std::sync::LazyLock;

use crate::{runtime, telemetry::build};

static LONG: LazyLock<String> = LazyLock::new(|| {
    let features = if build::FEATURES.is_empty() { "none" } else { build::FEATURES };
    format!(
        "{}\nrevision             {}\ntarget               {}\nfeatures             {features}\n\
         onnxruntime          built for {}; loads this version or a newer one\nexecution providers  {}",
        build::VERSION,
        build::REVISION,
        build::TARGET,
        runtime::EXPECTED_VERSION,
        runtime::PROVIDERS.join(", "),
    )
});

/// Returns the lines that follow the program's name.
pub(super) fn long() -> &'static str {
    &LONG
}
