//! Installs the log: the format of a line, its destination and the filter.
//!
//! Lines go to standard error, because standard output is for the result of a command. The content of request lines is
//! in `request_log`.

use std::{ffi::OsString, fmt, sync::Arc};

use tracing_subscriber::{
    EnvFilter, fmt as format,
    layer::{Layer, SubscriberExt},
    registry::{LookupSpan, Registry},
    reload,
    util::SubscriberInitExt,
};

use super::{
    error::TelemetryError,
    instrument::Counter,
    json_format::JsonLine,
    log_writer::{LogWriter, WriterThread},
    request_log,
    settings::{LogFormat, Settings, parse_level},
};

/// The installed log. Pending lines are written when the last clone is dropped, or by [`LogHandle::flush`].
#[derive(Clone)]
pub struct LogHandle {
    filter: reload::Handle<EnvFilter, Registry>,
    thread: Arc<WriterThread>,
}

impl fmt::Debug for LogHandle {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "LogHandle({})", self.level())
    }
}

/// Installs the log for the whole process; `is_terminal` says whether standard error is a terminal.
///
/// # Errors
///
/// Returns [`TelemetryError`] if the level is invalid, the writer thread cannot be started, or a log is already
/// installed.
pub fn init(settings: &Settings, is_terminal: bool) -> Result<LogHandle, TelemetryError> {
    let (filter, handle) = reload::Layer::new(parse_level(&settings.log_level)?);
    let (writer, thread) = LogWriter::start(std::io::stderr()).map_err(TelemetryError::Writer)?;
    let form = match settings.log_format {
        LogFormat::Auto if is_terminal => LogFormat::Text,
        LogFormat::Auto => LogFormat::Json,
        given => given,
    };
    let lines = match form {
        LogFormat::Text => text_lines(writer.clone(), is_terminal && use_colors(|name| std::env::var_os(name))),
        LogFormat::Json | LogFormat::Auto => json_lines(writer.clone()),
    };
    let subscriber = tracing_subscriber::registry().with(filter).with(lines);
    subscriber.try_init().map_err(TelemetryError::Install)?;
    if form != LogFormat::Text {
        request_log::set_json_sink(writer);
    }
    Ok(LogHandle { filter: handle, thread: Arc::new(thread) })
}

impl LogHandle {
    /// Changes the log filter.
    ///
    /// # Errors
    ///
    /// Returns [`TelemetryError`] if the level is invalid; the previous filter stays in force.
    pub fn set_level(&self, level: &str) -> Result<(), TelemetryError> {
        let filter = parse_level(level)?;
        self.filter.reload(filter).map_err(TelemetryError::Reload)
    }

    /// The current filter, as directives.
    pub fn level(&self) -> String {
        let level = self.filter.with_current(ToString::to_string);
        level.unwrap_or_default()
    }

    /// Number of lines dropped since the start, because the log was read too slowly or could not be written.
    pub fn dropped_lines(&self) -> u64 {
        self.dropped().get()
    }

    /// The counter of dropped lines, for the metrics.
    pub(super) fn dropped(&self) -> Arc<Counter> {
        self.thread.dropped()
    }

    /// Waits at most two seconds until every line so far is written. Returns whether they are.
    pub fn flush(&self) -> bool {
        self.thread.flush()
    }
}

/// One JSON object per line, with the fields at the same level as time and level.
fn json_lines<S>(writer: LogWriter) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    format::layer().event_format(JsonLine).with_writer(writer).boxed()
}

/// Whether to use colours: not if `NO_COLOR` is set and not empty (no-color.org), and not on a terminal without
/// colours.
fn use_colors(variable: impl Fn(&str) -> Option<OsString>) -> bool {
    let no_colour = variable("NO_COLOR").is_some_and(|value| !value.is_empty());
    !no_colour && variable("TERM").is_none_or(|terminal| terminal != "dumb")
}

/// One readable line, optionally with colours.
fn text_lines<S>(writer: LogWriter, colours: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let lines = format::layer().compact().with_target(false);
    lines.with_ansi(colours).with_writer(writer).boxed()
}

#[cfg(test)]
mod tests {
    use super::use_colors;

    #[test]
    fn colours_are_left_out_where_they_are_not_wanted() {
        let cases: [(&[(&str, &str)], bool); 6] = [
            (&[], true),
            (&[("TERM", "xterm")], true),
            (&[("TERM", "dumb")], false),
            (&[("NO_COLOR", "1")], false),
            (&[("NO_COLOR", "0")], false),
            (&[("NO_COLOR", ""), ("TERM", "xterm")], true),
        ];
        for (variables, wanted) in cases {
            let variable =
                |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).into());
            assert_eq!(use_colors(variable), wanted, "{variables:?}");
        }
    }
}
