//! The names of the files of a model and of its versions.

/// The graph's file in a version directory.
pub(super) const GRAPH: &str = "model.onnx";

/// The file that defines how outputs are converted to uncertainty.
pub const CALIBRATION: &str = "calibration.json";

/// The file of reference statistics of the training data.
pub const PROFILE: &str = "profile.json";

/// The file of cases that a version must answer as written.
pub const GOLDEN: &str = "golden.jsonl";

/// The files of a package beside the graph. They mark a directory as a version even if the graph is missing.
pub const PACKAGE: &[&str] = &["contract.json", "version.json", GOLDEN, CALIBRATION, PROFILE];

/// The settings file of a model, next to its versions.
pub(super) const MODEL_SETTINGS: &str = "model.toml";

/// The state of a model's rollout, next to its versions.
pub(super) const ROLLOUT: &str = "rollout.json";
