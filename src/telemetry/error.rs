//! Errors while telemetry is set up.
//!
//! Recording has no errors: a metric or a log line never fails a request.

/// Why telemetry could not be set up or changed.
#[derive(Debug, thiserror::Error)]
pub enum TelemetryError {
    /// Two metrics share a name, or a name is invalid.
    #[error("the metric {name} could not be registered")]
    Register {
        /// The metric's name.
        name: &'static str,
        /// The error of the registry.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The log level is neither a level nor a list of `target=level` directives.
    #[error(
        "the log level \"{given}\" cannot be parsed at \"{part}\"; use a level (error, warn, info, debug, trace, off) \
         or directives such as \"info,candor::request=off\""
    )]
    Level {
        /// The whole text that was given.
        given: String,
        /// The first directive that cannot be parsed.
        part: String,
    },
    /// The log filter no longer exists, because its subscriber was dropped.
    #[error("the log level could not be changed")]
    Reload(#[source] tracing_subscriber::reload::Error),
    /// Another subscriber was installed earlier in this process.
    #[error("the log could not be installed")]
    Install(#[source] tracing_subscriber::util::TryInitError),
    /// The thread that writes the log could not be started.
    #[error("the log writer could not be started")]
    Writer(#[source] std::io::Error),
}
