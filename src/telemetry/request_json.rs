//! Writes the JSON log line of a request without a general formatter.
//!
//! Every request writes one such line. The general path, through a field visitor and `core::fmt`, cost as much as
//! validating the request and encoding its response together. `request_log` writes the same
//! fields as text if the log is not JSON.

use std::{
    cell::RefCell,
    net::IpAddr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use chrono::{DateTime, Utc};

use super::{
    event::{FieldWriter, REQUEST_TARGET, RequestEvent},
    json_format::Escaped,
};

/// Initial capacity of a line; it grows if needed.
const LINE_BYTES: usize = 512;

thread_local! {
    static LINE: RefCell<Vec<u8>> = RefCell::new(Vec::with_capacity(LINE_BYTES));
    static CLOCK: RefCell<Clock> = const { RefCell::new(Clock { second: u64::MAX, text: String::new() }) };
}

/// The last second that was formatted, as text, so that the calendar conversion runs once per second and not once per
/// line.
struct Clock {
    second: u64,
    /// In the form `2026-11-21T14:20:33`.
    text: String,
}

/// Formats the line, including the line feed, and passes it to `take`.
pub(super) fn format_line(event: &RequestEvent<'_>, model: &str, version: &str, take: impl FnOnce(&[u8])) {
    LINE.with_borrow_mut(|line| {
        line.clear();
        write(line, event, model, version);
        take(line);
    });
}

fn write(line: &mut Vec<u8>, event: &RequestEvent<'_>, model: &str, version: &str) {
    line.extend_from_slice(b"{\"timestamp\":\"");
    write_timestamp(line, SystemTime::now());
    line.extend_from_slice(b"\",\"level\":\"INFO\",\"message\":\"request\"");
    event.write_fields(model, version, &mut JsonFields(line));
    line.extend_from_slice(b",\"target\":\"");
    line.extend_from_slice(REQUEST_TARGET.as_bytes());
    line.extend_from_slice(b"\"}\n");
}

/// Writes fields as members of a JSON object that has some already.
struct JsonFields<'l>(&'l mut Vec<u8>);

impl JsonFields<'_> {
    fn name(&mut self, name: &'static str) {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }
}

impl FieldWriter for JsonFields<'_> {
    fn text(&mut self, name: &'static str, value: &str) {
        self.name(name);
        write_string(self.0, value);
    }

    fn address(&mut self, name: &'static str, value: IpAddr) {
        use std::io::Write as _;

        self.name(name);
        // Writing to a `Vec` cannot fail, and an address needs no escaping.
        let _ = write!(self.0, "\"{value}\"");
    }

    fn count(&mut self, name: &'static str, value: u64) {
        self.name(name);
        write_u64(self.0, value);
    }

    fn time(&mut self, name: &'static str, value: Duration) {
        self.name(name);
        write_millis(self.0, value);
    }

    fn number(&mut self, name: &'static str, value: f64) {
        self.name(name);
        // Writing to a `Vec` cannot fail, and non-finite numbers become null.
        let _ = serde_json::to_writer(&mut *self.0, &value);
    }
}

/// RFC 3339 in UTC with six decimals.
fn write_timestamp(line: &mut Vec<u8>, now: SystemTime) {
    let since = now.duration_since(UNIX_EPOCH).unwrap_or_default();
    CLOCK.with_borrow_mut(|clock| {
        if clock.second != since.as_secs() {
            clock.text = DateTime::<Utc>::from(now).format("%Y-%m-%dT%H:%M:%S").to_string();
            clock.second = since.as_secs();
        }
        line.extend_from_slice(clock.text.as_bytes());
    });
    line.push(b'.');
    write_padded(line, since.subsec_micros(), 100_000);
    line.push(b'Z');
}

/// Milliseconds with three decimals; more digits would only be noise.
fn write_millis(line: &mut Vec<u8>, took: Duration) {
    let micros = u64::try_from((took.as_nanos() + 500) / 1000).unwrap_or(u64::MAX);
    write_u64(line, micros / 1000);
    line.push(b'.');
    write_padded(line, (micros % 1000) as u32, 100);
}

/// Digits with leading zeros; `first` is the weight of the first digit.
fn write_padded(line: &mut Vec<u8>, value: u32, first: u32) {
    let mut weight = first;
    while weight > 0 {
        line.push(b'0' + (value / weight % 10) as u8);
        weight /= 10;
    }
}

fn write_u64(line: &mut Vec<u8>, value: u64) {
    line.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

fn write_string(line: &mut Vec<u8>, value: &str) {
    use std::fmt::Write as _;
    line.push(b'"');
    // Names and ids rarely contain characters that need escaping.
    if value.bytes().any(|byte| byte < b' ' || byte == b'"' || byte == b'\\') {
        let mut escaped = String::with_capacity(value.len() + 8);
        let _ = Escaped(&mut escaped).write_str(value);
        line.extend_from_slice(escaped.as_bytes());
    } else {
        line.extend_from_slice(value.as_bytes());
    }
    line.push(b'"');
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::{write_millis, write_timestamp};

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut line = Vec::new();
        write(&mut line);
        String::from_utf8(line).expect("it is text")
    }

    #[test]
    fn a_time_is_rfc_3339_with_six_decimals() {
        // Expected values from `date -u -d @1793283633` and similar.
        let cases = [
            (0, 0, "1970-01-01T00:00:00.000000Z"),
            (951_782_399, 999_999, "2000-02-28T23:59:59.999999Z"),
            (951_782_400, 1, "2000-02-29T00:00:00.000001Z"),
            (1_793_283_633, 50, "2026-10-29T14:20:33.000050Z"),
        ];
        for (seconds, micros, expected) in cases {
            let at = UNIX_EPOCH + Duration::from_secs(seconds) + Duration::from_micros(micros);
            assert_eq!(written(|line| write_timestamp(line, at)), expected);
        }
    }

    #[test]
    fn a_duration_is_milliseconds_with_three_decimals() {
        let cases = [(0, "0.000"), (499, "0.000"), (500, "0.001"), (1_234_567, "1.235"), (61_000_000_000, "61000.000")];
        for (nanos, expected) in cases {
            assert_eq!(written(|line| write_millis(line, Duration::from_nanos(nanos))), expected);
        }
    }
}
