//! Formats a log line as a JSON object: time, level, fields of the event, target.
//!
//! It writes directly into the buffer of the formatter, without a serializer. Request lines, which are the most
//! frequent, are written by `request_json`.

use std::fmt::{self, Write};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext,
        format::{FormatEvent, FormatFields, Writer},
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

/// The event format for JSON lines.
pub(super) struct JsonLine;

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        writer.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut writer)?;
        writer.write_str("\",\"level\":\"")?;
        writer.write_str(event.metadata().level().as_str())?;
        writer.write_char('"')?;
        let mut fields = Fields { writer: &mut writer, written: Ok(()) };
        event.record(&mut fields);
        fields.written?;
        writer.write_str(",\"target\":")?;
        text(&mut writer, event.metadata().target())?;
        writer.write_str("}\n")
    }
}

/// Writes each field as a JSON member.
struct Fields<'a, W> {
    writer: &'a mut W,
    written: fmt::Result,
}

impl<W: Write> Fields<'_, W> {
    fn member(&mut self, field: &Field, value: impl FnOnce(&mut W) -> fmt::Result) {
        let mut member = || {
            self.writer.write_str(",\"")?;
            // Field names are Rust identifiers; none needs escaping.
            self.writer.write_str(field.name())?;
            self.writer.write_str("\":")
        };
        if self.written.is_ok() {
            self.written = member().and_then(|()| value(self.writer));
        }
    }
}

impl<W: Write> Visit for Fields<'_, W> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON cannot represent non-finite numbers.
        self.member(field, |to| if value.is_finite() { write!(to, "{value:?}") } else { to.write_str("null") });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.member(field, |to| write!(to, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.member(field, |to| write!(to, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.member(field, |to| write!(to, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.member(field, |to| text(to, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.member(field, |to| {
            to.write_char('"')?;
            write!(Escaped(to), "{value:?}")?;
            to.write_char('"')
        });
    }
}

fn text(to: &mut impl Write, value: &str) -> fmt::Result {
    to.write_char('"')?;
    Escaped(to).write_str(value)?;
    to.write_char('"')
}

/// Escapes the characters that a JSON string must not contain literally.
pub(super) struct Escaped<'a, W>(pub(super) &'a mut W);

impl<W: Write> Write for Escaped<'_, W> {
    fn write_str(&mut self, value: &str) -> fmt::Result {
        let mut rest = value;
        while let Some(at) = rest.bytes().position(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
            self.0.write_str(&rest[..at])?;
            match rest.as_bytes()[at] {
                b'\n' => self.0.write_str("\\n")?,
                byte @ (b'"' | b'\\') => write!(self.0, "\\{}", char::from(byte))?,
                byte => write!(self.0, "\\u{byte:04x}")?,
            }
            rest = &rest[at + 1..];
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{super::captured_log::CapturedLog, JsonLine};

    #[test]
    fn every_kind_of_field_is_json_again() {
        let kept = CapturedLog::default();
        let lines = tracing_subscriber::fmt().event_format(JsonLine).with_writer(kept.clone()).finish();
        let odd = "quote \" slash \\ line \n bell \u{7} é 🦀";
        tracing::subscriber::with_default(lines, || {
            let none: Option<f64> = None;
            tracing::info!(target: "t", text = odd, whole = 7_u64, below = -7, half = 0.5, tiny = 1e-9, yes = true,
                nan = f64::NAN, none, list = ?["a"], "said {odd}");
        });
        let bytes = kept.bytes();
        assert_eq!(bytes.split(|byte| *byte == b'\n').count(), 2);
        let mut line: Value = serde_json::from_slice(&bytes).expect("the line is JSON");
        let time = line["timestamp"].take();
        assert!(time.as_str().is_some_and(|time| time.ends_with('Z')), "{time}");
        let wanted = json!({
            "timestamp": null, "level": "INFO", "message": format!("said {odd}"), "text": odd, "whole": 7, "below": -7,
            "half": 0.5, "tiny": 1e-9, "yes": true, "nan": null, "list": "[\"a\"]", "target": "t",
        });
        assert_eq!(line, wanted);
    }
}
