//! Why a session could not be opened.

/// A session could not be made.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// ONNX Runtime rejected the file.
    #[error("ONNX Runtime cannot use it: {0}")]
    Refused(String),
    /// The graph has an input or an output of an unsupported type.
    #[error("the graph's {what} {name:?} has type {kind}, which Candor cannot {verb}: {remedy}")]
    Unsupported {
        /// `input` or `output`.
        what: &'static str,
        /// The tensor's name.
        name: String,
        /// The type that the graph declares.
        kind: String,
        /// `feed` or `read`.
        verb: &'static str,
        /// What would be right.
        remedy: &'static str,
    },
    /// An execution provider is unknown or cannot be used.
    #[error("execution provider {name:?} cannot be used: {reason}; write \"{name}?\" to make it optional")]
    Provider {
        /// The name in the configuration.
        name: String,
        /// Why not.
        reason: String,
    },
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err as it is")]
pub(super) fn to_open_error<R>(error: ort::Error<R>) -> OpenError {
    OpenError::Refused(error.message().trim().to_owned())
}
