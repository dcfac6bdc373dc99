//! What `candor --version` says beside the version: what was built, from what, and for which ONNX Runtime.

use std::sync::LazyLock;

use crate::{runtime, telemetry::build};

static LONG: LazyLock<String> = LazyLock::new(|| {
    let features = if build::FEATURES.is_empty() { "none" } else { build::FEATURES };
    format!(
        "{}\nrevision             {}\ntarget               {}\nfeatures             {features}\n\
         onnxruntime          built for {}, loads that or a newer one\nexecution providers  {}",
        build::VERSION,
        build::REVISION,
        build::TARGET,
        runtime::EXPECTED_VERSION,
        runtime::PROVIDERS.join(", "),
    )
});

/// The lines after the program's name.
pub(super) fn long() -> &'static str {
    &LONG
}
